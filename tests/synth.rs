//! Every planted fault is found with its own fields, and nothing else is found.

use dissent::synth::{Plant, SynthSpec, synthesize};
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{
    Anomaly, Course, Divergence, FindingKind, Pattern, RootCause, Side, Verdict, VerdictOutcome,
};
use dissent_core::seed::Seed;
use dissent_store::run_reader::RunReader;
use std::path::Path;

const ROWS: u64 = 4_000;

/// A made-up run, judged from its folder.
#[track_caller]
fn judged(plant: &str, replicas: u32, seed: u64, dir: &Path) -> Verdict {
    let plant: Plant = plant.parse().expect("a plant");
    let spec = SynthSpec { rows: ROWS, replicas, seed: Seed(seed), plant };
    synthesize(&spec, dir).expect("made up");
    judge(&RunReader::open(dir).expect("a run"))
}

fn divergences(verdict: &Verdict) -> Vec<&Divergence> {
    let each = verdict.findings.iter().map(|finding| match &finding.kind {
        FindingKind::Divergence(divergence) => divergence.as_ref(),
        other => panic!("nothing like that was planted: {other:?}"),
    });
    each.collect()
}

#[test]
fn nothing_planted_passes_and_everything_was_compared() {
    let temp = tempfile::tempdir().expect("a folder");
    for (replicas, seed) in [(1, 1), (2, 2), (4, 3)] {
        let verdict = judged("none", replicas, seed, &temp.path().join(seed.to_string()));
        assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{verdict:?}");
        assert_eq!(verdict.compared.rows, ROWS * u64::from(replicas));
        assert_eq!(verdict.compared.entries, ROWS);
    }
}

/// Goal: each plant has the right what, pattern, side, course and numbers. Method: compare the whole of the
/// run's only finding, except for names that the seed draws.
#[test]
fn each_plant_is_one_finding_with_its_own_fields() {
    use Anomaly::{DuplicateCurrent, Missing, NoCurrent, StaleCurrent, WrongValue};
    use Pattern::{AllDiffer, OneDiffers, Split, Unanimous, Undecided};
    let column = &["balance"][..];
    // plant, replicas, what, pattern, side, columns, roots, copied, keys that users see wrong
    let plants = [
        ("one-column", 4, WrongValue, OneDiffers, Side::Minority, column, 1, 0, 1),
        ("dropped-row", 4, Missing, OneDiffers, Side::Minority, &[], 1, 0, 0),
        ("duplicate-current", 4, DuplicateCurrent, OneDiffers, Side::Minority, &[], 1, 0, 1),
        ("stale-current", 4, StaleCurrent, OneDiffers, Side::Minority, &[], 1, 0, 1),
        ("no-current", 4, NoCurrent, OneDiffers, Side::Minority, &[], 1, 0, 1),
        ("all-replicas", 4, WrongValue, Unanimous, Side::All, column, 4, 0, 1),
        ("two-of-four", 4, WrongValue, Split, Side::Half, column, 2, 0, 1),
        ("all-different", 4, WrongValue, AllDiffer, Side::Majority, column, 3, 0, 1),
        ("all-different", 3, WrongValue, AllDiffer, Side::Majority, column, 2, 0, 1),
        ("two-replicas", 2, WrongValue, Undecided, Side::Half, column, 1, 0, 1),
        ("copied-segment", 4, WrongValue, Split, Side::Half, column, 1, 1, 1),
    ];
    let temp = tempfile::tempdir().expect("a folder");
    for ((plant, replicas, what, pattern, side, columns, roots, copied, visible), seed) in
        plants.into_iter().zip(1..)
    {
        let verdict = judged(plant, replicas, seed, &temp.path().join(seed.to_string()));
        assert_eq!((verdict.outcome, &*verdict.doubts), (VerdictOutcome::Fail, &[][..]), "{plant}");
        let found = divergences(&verdict);
        let [it] = found[..] else { panic!("{plant}: {found:#?}") };
        assert_eq!((it.what, it.last.pattern, it.last.side), (what, pattern, side), "{plant}");
        assert_eq!((it.course, &it.first), (Course::Standing, &it.last), "{plant}");
        assert_eq!((it.partition, it.keys.len(), it.segments.len()), (0, 1, 1), "{plant}");
        assert_eq!(it.columns, columns, "{plant}");
        assert_eq!((it.roots, it.inherited, it.copied), (roots, 0, copied), "{plant}");
        assert_eq!(it.keys_visible, visible, "{plant}");
        let cause = if what == WrongValue { RootCause::Unexplained } else { RootCause::NoProvenance };
        assert_eq!(it.root_cause, cause, "{plant}");
        assert_eq!(it.last.comparable.len(), replicas as usize, "{plant}");
        let one = format!("server-{}", seed % u64::from(replicas));
        if side == Side::Minority || copied > 0 {
            assert_eq!(it.replicas, [one], "{plant}: the roots are where the seed put them");
        }
    }
}

#[test]
fn scattered_rows_are_all_found_on_their_replica() {
    let temp = tempfile::tempdir().expect("a folder");
    let verdict = judged("differ=100", 4, 6, &temp.path().join("run"));
    let found = divergences(&verdict);
    assert_eq!(found.len(), 2, "one a partition: {found:#?}");
    for it in &found {
        assert_eq!((it.what, it.last.pattern), (Anomaly::WrongValue, Pattern::OneDiffers));
        assert_eq!((it.replicas.as_slice(), it.inherited, it.copied), (&["server-2".to_owned()][..], 0, 0));
    }
    let roots: u64 = found.iter().map(|it| it.roots).sum();
    assert!((ROWS / 200..ROWS / 50).contains(&roots), "{roots} of {ROWS} rows, not one in 100");
}

#[test]
fn a_seed_gives_the_same_folder_and_another_seed_another() {
    let temp = tempfile::tempdir().expect("a folder");
    let digest = |name: &str, seed| {
        let dir = temp.path().join(name);
        let spec = SynthSpec { rows: 1_000, replicas: 3, seed: Seed(seed), plant: Plant::OneColumn };
        synthesize(&spec, &dir).expect("made up");
        crate::support::digest(&dir)
    };
    assert_eq!(digest("one", 7), digest("again", 7));
    assert_ne!(digest("one more", 7), digest("other", 8));
}

#[test]
fn what_cannot_be_planted_says_why() {
    let temp = tempfile::tempdir().expect("a folder");
    let refused = |plant: &str, replicas, rows| {
        let plant: Plant = plant.parse().expect("a plant");
        let spec = SynthSpec { rows, replicas, seed: Seed(1), plant };
        synthesize(&spec, &temp.path().join(plant.to_string())).expect_err("refused").to_string()
    };
    assert!(refused("two-of-four", 3, ROWS).contains("takes 4 replicas"));
    assert!(refused("two-replicas", 4, ROWS).contains("takes 2 replicas"));
    assert!(refused("one-column", 4, 36).contains("pass more with --rows"));
    let unknown = "three-of-four".parse::<Plant>().expect_err("no such plant");
    assert!(unknown.contains("all-different") && unknown.contains("differ=N"), "{unknown}");
    assert!("differ=0".parse::<Plant>().is_err());
}

/// Tables that exceed the memory allowed go to a file: some pages of every partition here.
#[test]
fn a_verdict_with_next_to_no_memory_is_the_same() {
    let tmp = tempfile::tempdir().expect("a folder");
    let dir = tmp.path().join("run");
    let spec = SynthSpec { rows: 40_000, replicas: 2, seed: Seed(1), plant: Plant::Differ(100) };
    synthesize(&spec, &dir).expect("made up");
    let with = |memory: u64| {
        let verdict = judge(&RunReader::open(&dir).expect("a run").with_memory(memory));
        serde_json::to_string(&verdict).expect("serializable")
    };
    let plenty = with(1 << 30);
    assert!(plenty.contains("divergence"));
    assert_eq!(plenty, with(0));
    let names = std::fs::read_dir(&dir).expect("a folder").flatten().map(|entry| entry.file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("scratch")).count(), 0);
}
