//! `--self-test`: the judge must find one changed value, in memory and on disk.

use crate::support::sim;
use dissent::exit::Exit;
use dissent::run::campaign::simulate_all;
use dissent::run::run_spec::RunSpec;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::judge::judge;
use dissent_core::checker::self_test::{SelfTest, self_test};
use dissent_core::checker::verdict::{FindingKind, Pattern, Verdict};
use dissent_core::seed::Seed;
use dissent_store::run_reader::RunReader;
use std::collections::BTreeSet;

fn record(spec: &RunSpec, seed: Seed) -> dissent_core::history::run_record::MemoryRecord {
    let meta = spec.meta(seed, None).expect("it fits");
    dissent_simulator::run(&meta, spec.timing, &spec.simulation().expect("it fits")).expect("it runs")
}

/// In a run that passes and in one that already has a finding, the changed value is found.
#[test]
fn the_changed_value_is_found_in_every_run_on_the_replica_that_was_drawn() {
    let mut drawn = BTreeSet::new();
    for set in [&["guard=partition-gate"][..], &[]] {
        let spec = RunSpec { self_test: true, ..sim("partial-upsert", "late-transition", set) };
        let results = tempfile::tempdir().expect("a folder");
        let tally = simulate_all(&spec, Seed(1), 6, 2, results.path(), |judged| {
            let Some(SelfTest::Found { spot, pattern }) = &judged.self_test else {
                panic!("seed {}: {:?}", judged.meta.seed.0, judged.self_test)
            };
            assert_eq!(*pattern, Pattern::OneDiffers);
            for finding in &judged.verdict.findings {
                let FindingKind::Divergence(it) = &finding.kind else { continue };
                assert!(!it.keys.contains(&spot.key), "the run's own finding is left alone");
            }
            drawn.insert((spot.replica.clone(), spot.off));
        });
        let tally = tally.expect("every run comes to a verdict");
        assert_eq!((tally.self_tested, &tally.self_test_failed), (Some(6), &None));
        assert_eq!(tally.exit, Some(if set.is_empty() { Exit::Violation } else { Exit::Pass }));
    }
    assert!(drawn.len() > 6, "seeds draw different places: {drawn:?}");
}

#[test]
fn a_folder_is_tested_like_memory_and_stays_as_it_was() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &[]);
    let kept = run_simulated(&spec, Seed(4), results.path(), Retention::All).expect("a verdict");
    let dir = kept.folder.clone().expect("it was kept");
    let before = crate::support::digest(&dir);
    let folder = RunReader::open(&dir).expect("it can be read");
    let on_disk = self_test(&folder, &kept.verdict);
    assert!(matches!(on_disk, SelfTest::Found { .. }), "{on_disk:?}");
    assert_eq!(on_disk, self_test(&record(&spec, Seed(4)), &kept.verdict));
    assert_eq!(before, crate::support::digest(&dir));
}

/// If the first verdict is not that of the record, the second one does not match it: the self-test says so.
#[test]
fn a_verdict_that_does_not_fit_its_record_is_a_bug() {
    let spec = sim("partial-upsert", "late-transition", &[]);
    let recorded = record(&spec, Seed(2));
    let own: Verdict = judge(&recorded);
    let blind = Verdict { findings: Vec::new(), ..own };
    let test = self_test(&recorded, &blind);
    assert!(matches!(test, SelfTest::Missed { .. }), "{test:?}");
    assert!(dissent::report::self_test::line(&test).starts_with("self-test: NOT found"));
}

#[test]
fn without_a_compared_row_nothing_can_be_proved() {
    let spec = sim("partial-upsert", "late-transition", &[]);
    let mut recorded = record(&spec, Seed(2));
    let verdict = judge(&recorded);
    recorded.rows.iter_mut().for_each(Vec::clear);
    let test = self_test(&recorded, &verdict);
    assert!(matches!(test, SelfTest::NotDone { .. }), "{test:?}");
}
