//! A disk that fails: the process stops with the cause, and nothing acknowledged is lost.

use comity_testkit_preload::powerloss::{Dice, Disk, Loss, Operation};

use crate::truth::Truth;
use crate::writer::{Bench, Ended, FAILED};
use crate::{alone, number, seed};

/// The disks that a failure may have left hold what was acknowledged, and so does the folder itself.
async fn nothing_is_lost(bench: &Bench, before: Disk, ended: &Ended, truth: &mut Truth, dice: &mut Dice) {
    let mut disk = before;
    ended.recording.operations.iter().for_each(|operation| disk.apply(operation));
    let told = truth.learn(&ended.recording).pop().unwrap().1;
    for loss in [Loss::Nothing, Loss::Everything, Loss::Random, Loss::Random] {
        disk.image(loss, dice, &bench.image()).unwrap();
        let store =
            truth.open(bench.options(&bench.image(), 0), &told).unwrap_or_else(|error| panic!("{loss:?}: {error}; {}", ended.errors));
        store.close().await;
        std::fs::remove_dir_all(bench.image()).unwrap();
    }
    let store = truth.open(bench.options(&bench.disk(), 0), &told).unwrap();
    truth.go_on(&store);
    store.close().await;
}

#[tokio::test]
async fn after_a_failed_sync_the_process_stops_with_the_cause_and_nothing_acknowledged_is_lost() {
    let _alone = alone().await;
    let seed = seed();
    let mut dice = Dice::new(seed);
    let bench = Bench::new();
    let mut truth = Truth::new();
    let before = Disk::read(&bench.disk()).unwrap();
    let first = bench.write(0, 50, |layer| layer);
    nothing_is_lost(&bench, before, &first, &mut truth, &mut dice).await;
    let mut causes = Vec::new();
    for round in 1..=number("COMITY_FAILED_SYNCS", 12) {
        let before = Disk::read(&bench.disk()).unwrap();
        // Any of them: of the journal, of a table, of a folder.
        let failing = 20 + dice.below(200) as u64;
        let ended = bench.write(round, 2000, |layer| layer.failing_sync(failing));
        let operations = &ended.recording.operations;
        let failed = operations.iter().position(|operation| matches!(operation, Operation::SyncEnd { success: false, .. }));
        let Some(failed) = failed else { panic!("seed {seed}: sync {failing} was never asked for: {}", ended.errors) };
        let Some(Operation::SyncEnd { id, .. }) = operations.get(failed) else { unreachable!() };
        let of_high_water = is_of_high_water(operations, *id);
        if of_high_water {
            // It only helps to notice a loss; without it the store goes on.
            assert!(ended.status.code().is_none(), "seed {seed}: {}", ended.errors);
        } else {
            assert_eq!(ended.status.code(), Some(FAILED), "seed {seed}, sync {failing}: {}", ended.errors);
            let cause = ended.errors.lines().find_map(|line| line.strip_prefix("fatal: ")).unwrap_or_default().to_owned();
            assert!(cause.contains("Input/output error") || cause.contains("an earlier write to the disk failed"), "{cause}");
            causes.push(cause);
        }
        nothing_is_lost(&bench, before, &ended, &mut truth, &mut dice).await;
    }
    assert!(causes.iter().any(|cause| cause.contains("Input/output error")), "{causes:?}");
}

/// Whether a sync was one of the high-water file or of the name it gets.
fn is_of_high_water(operations: &[Operation], sync: u64) -> bool {
    let asked = operations.iter().position(|operation| match operation {
        Operation::SyncFile { id, .. } | Operation::SyncDir { id, .. } => *id == sync,
        _ => false,
    });
    match asked.and_then(|asked| operations.get(asked)) {
        Some(Operation::SyncDir { path, .. }) => path.ends_with("store"),
        Some(Operation::SyncFile { inode, .. }) => operations[..asked.unwrap_or(0)]
            .iter()
            .rev()
            .find_map(|operation| match operation {
                Operation::Create { path, inode: made } | Operation::Open { path, inode: made } if made == inode => Some(path.clone()),
                _ => None,
            })
            .is_some_and(|path| path.ends_with("high-water.new")),
        _ => false,
    }
}

#[tokio::test]
async fn a_disk_that_is_full_to_the_last_byte_stops_the_process_and_after_it_has_space_everything_is_there() {
    let _alone = alone().await;
    let mut dice = Dice::new(seed());
    let bench = Bench::new();
    let mut truth = Truth::new();
    let before = Disk::read(&bench.disk()).unwrap();
    let first = bench.write(0, 50, |layer| layer);
    nothing_is_lost(&bench, before, &first, &mut truth, &mut dice).await;
    // Where the space runs out is up to the moment: the file appears while the writer writes.
    for round in 1..=6 {
        let before = Disk::read(&bench.disk()).unwrap();
        let full = bench.image().with_extension("full");
        let ended = bench.write_until(
            round,
            20 + dice.below(100) as u64,
            |layer| layer.full_while(&full),
            |_| {
                std::fs::write(&full, "").unwrap();
            },
        );
        std::fs::remove_file(&full).unwrap();
        assert_eq!(ended.status.code(), Some(FAILED), "{}", ended.errors);
        let cause = ended.errors.lines().find_map(|line| line.strip_prefix("fatal: ")).unwrap_or_default();
        assert!(cause.contains("No space left on device") || cause.contains("an earlier write"), "{cause}");
        nothing_is_lost(&bench, before, &ended, &mut truth, &mut dice).await;
    }
}
