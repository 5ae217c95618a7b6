//! Disks as a power failure at any moment could leave them.

use comity_store::{Expect, Key, Options, Store};
use comity_testkit_preload::powerloss::{Dice, Disk, Loss};

use crate::truth::Truth;
use crate::writer::{Bench, RESOURCE, name, object};
use crate::{alone, number, seed};

/// How many images come from one recording.
const PER_RECORDING: u64 = 500;

#[tokio::test]
async fn whatever_a_power_failure_leaves_everything_acknowledged_is_there() {
    images(number("COMITY_CRASH_IMAGES", 300), Bench::new()).await;
}

#[tokio::test]
async fn so_it_is_while_values_are_encrypted_and_the_key_is_replaced_at_each_start() {
    images(number("COMITY_CRASH_IMAGES_ENCRYPTED", 100), Bench::with(true)).await;
}

async fn images(count: u64, bench: Bench) {
    let _alone = alone().await;
    let seed = seed();
    let mut dice = Dice::new(seed);
    let per_recording = PER_RECORDING.min(count.div_ceil(3));
    let mut truth = Truth::new();
    let mut before = Disk::read(&bench.disk()).unwrap();
    let (mut done, mut round, mut at_risk) = (0, 0, 0);
    while done < count {
        // The first ones also begin with no store at all.
        if round % 4 == 0 {
            std::fs::remove_dir_all(bench.disk()).unwrap();
            std::fs::create_dir(bench.disk()).unwrap();
            before = Disk::read(&bench.disk()).unwrap();
            truth = Truth::new();
        }
        let ended = bench.write(round, 60 + dice.below(300) as u64, |layer| layer);
        let moments = truth.learn(&ended.recording);
        let operations = &ended.recording.operations;
        let mut points: Vec<usize> = (0..per_recording).map(|_| dice.below(operations.len() + 1)).collect();
        points.sort_unstable();
        let (mut disk, mut applied) = (before, 0);
        let mut images = points.into_iter().peekable();
        while let Some(point) = images.next() {
            operations[applied..point].iter().for_each(|operation| disk.apply(operation));
            applied = point;
            at_risk += u64::from(disk.at_risk());
            let loss = [Loss::Nothing, Loss::Everything, Loss::Random, Loss::Random, Loss::Random][dice.below(5)];
            disk.image(loss, &mut dice, &bench.image()).unwrap();
            let told = &moments[moments.partition_point(|(at, _)| *at <= point) - 1].1;
            let store = match truth.open(bench.options(&bench.image(), round), told) {
                Ok(store) => store,
                Err(error) => {
                    let kept = std::env::temp_dir().join(format!("comity-crash-{seed}"));
                    let _ = std::fs::remove_dir_all(&kept);
                    disk.image(loss, &mut dice.clone(), &kept).unwrap();
                    let last: Vec<_> = operations[point.saturating_sub(12)..point].iter().map(short).collect();
                    panic!(
                        "seed {seed}, recording {round}, operation {point} of {}, {loss:?}: {error}\nbefore it: {last:#?}\n\
                         a like image is in {}",
                        operations.len(),
                        kept.display()
                    );
                }
            };
            if dice.one_in(8) && images.peek().is_some() {
                goes_on(store.clone(), || bench.options(&bench.image(), round), (1 << 60) + done, seed).await;
            }
            store.close().await;
            done += 1;
            if images.peek().is_none() {
                // The next writer goes on from what this failure left.
                let after = Store::open(bench.options(&bench.image(), round)).unwrap();
                truth.go_on(&after);
                after.close().await;
                bench.replace_disk(&bench.image());
            } else {
                std::fs::remove_dir_all(bench.image()).unwrap();
            }
        }
        before = Disk::read(&bench.disk()).unwrap();
        round += 1;
    }
    println!("seed {seed}: {done} images of {round} recordings, {at_risk} with something to lose");
    assert!(at_risk > count / 4, "only {at_risk} images could have lost anything");
}

/// What comes after a failure is as durable as what came before.
async fn goes_on(store: Store, options: impl Fn() -> Options, number: u64, seed: u64) {
    let next = store.revision() + 1;
    let written = store.put(Key::new(RESOURCE, "a", name(number)), Expect::Any, &object(number)).await.unwrap();
    assert_eq!(written.rev, next, "seed {seed}");
    store.close().await;
    let again = Store::open(options()).unwrap();
    assert_eq!((again.revision(), again.get(&written.key).unwrap().rev), (next, next), "seed {seed}");
    again.close().await;
}

fn short(operation: &comity_testkit_preload::powerloss::Operation) -> String {
    let text = format!("{operation:?}");
    text.chars().take(140).collect()
}
