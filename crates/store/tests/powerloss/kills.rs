//! Real kills of a writing process, with and without the loss of what was not synced.

use comity_testkit_preload::powerloss::{Dice, Disk, Loss};

use crate::truth::Truth;
use crate::writer::Bench;
use crate::{alone, number, seed};

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_loses_nothing_that_it_acknowledged() {
    let _alone = alone().await;
    let seed = seed();
    let mut dice = Dice::new(seed);
    let bench = Bench::new();
    let mut truth = Truth::new();
    let (kills, mut writes) = (number("COMITY_KILLS", 20), 0);
    for round in 0..kills {
        let mut disk = Disk::read(&bench.disk()).unwrap();
        let ended = bench.write(round, 1 + dice.below(200) as u64, |layer| layer);
        assert!(ended.status.code().is_none(), "seed {seed}, kill {round}: the writer ended by itself: {}", ended.errors);
        ended.recording.operations.iter().for_each(|operation| disk.apply(operation));
        let told = truth.learn(&ended.recording).pop().unwrap().1;
        writes += ended.recording.notes().count();
        // The files as they are when the machine goes on; or as they are after a power failure at the same moment.
        if !dice.one_in(4) {
            let loss = if dice.one_in(4) { Loss::Everything } else { Loss::Random };
            disk.image(loss, &mut dice, &bench.image()).unwrap();
            bench.replace_disk(&bench.image());
        }
        let store =
            truth.open(bench.options(&bench.disk(), round), &told).unwrap_or_else(|error| panic!("seed {seed}, kill {round}: {error}"));
        truth.go_on(&store);
        store.close().await;
    }
    println!("seed {seed}: {kills} kills, {writes} acknowledged writes");
}
