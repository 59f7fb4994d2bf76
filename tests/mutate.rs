//! Goal: the judge notices whatever a record loses, accuses nobody because of it, and finds a value that was
//! changed on a replica. Method: small simulated runs of each kind, kept as folders; thousands of single
//! changes to each, drawn from a seed; and the rules below, checked against each verdict.
//!
//! - If the record only loses something or is damaged, the verdict says so, is no PASS, and has no finding
//!   that the whole folder does not have. What no verdict rests on may be lost ([`owed`] lists it, with the
//!   reason).
//! - If a value is changed, the verdict is FAIL, and the finding names the key and the replica that shows it.
//!
//! By default only a few changes are drawn. For twenty thousand:
//! `DISSENT_MUTATIONS=20000 cargo test --test all mutate:: -- --nocapture`. `DISSENT_MUTATION=KIND:NUMBER`
//! instead runs a single one that failed, and prints its whole verdict.

mod cells;
mod damage;
mod kept;
mod owed;
mod removal;

use crate::draw::Draw;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{FindingKind, Verdict, VerdictOutcome};
use dissent_store::run_reader::RunReader;
use kept::{KINDS, Kept};
use std::collections::{BTreeMap, BTreeSet};

/// The default number of changes, over all kinds.
const MUTATIONS: u64 = 140;
/// How many failures of a kind are shown in full.
const SHOWN: usize = 12;

/// One change to a run's folder.
pub(crate) struct Mutation {
    /// What was done, in words.
    pub(crate) what: String,
    /// By name within the folder; none if the file is gone.
    pub(crate) files: BTreeMap<String, Option<Vec<u8>>>,
    /// The expected verdict.
    pub(crate) expects: Expects,
}

/// What the verdict on a changed folder must say.
pub(crate) enum Expects {
    /// Part of the record is gone or damaged. Not owed: no verdict rests on it.
    Loss { is_owed: bool },
    /// The verdict accuses these.
    Accused(BTreeSet<Accusation>),
}

/// Whom or what a finding is about; for a row, its partition, key and replica.
pub(crate) type Accusation = (String, String);

#[test]
fn of_a_run_that_passes() {
    holds("pass");
}

#[test]
fn of_a_divergence() {
    holds("divergence");
}

#[test]
fn of_a_divergence_that_healed() {
    holds("healed");
}

#[test]
fn of_a_divergence_that_spread() {
    holds("spread");
}

#[test]
fn of_a_frozen_replica() {
    holds("freeze");
}

#[test]
fn of_a_frozen_shard() {
    holds("shard");
}

#[test]
fn of_a_shard_that_passes() {
    holds("shard-pass");
}

#[expect(clippy::print_stderr, reason = "figures where somebody watches, and failures to repeat")]
fn holds(kind: &str) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let alone = std::env::var("DISSENT_MUTATION").ok();
    let alone = alone.as_deref().map(|text| text.split_once(':').expect("KIND:NUMBER"));
    if alone.is_some_and(|(of, _)| of != kind) {
        return;
    }
    let share = number("DISSENT_MUTATIONS").unwrap_or(MUTATIONS).div_ceil(KINDS.len() as u64);
    let alone: Option<u64> = alone.map(|(_, number)| number.parse().expect("a number"));
    let kept = Kept::make(kind);
    let mut failures = BTreeMap::<&str, Vec<String>>::new();
    for number in alone.map_or(0..share, |number| number..number + 1) {
        let mutation = mutation(&kept, &mut Draw::of(number));
        let verdict = kept.judged(&mutation.files);
        if alone.is_some() {
            eprintln!("{kind}:{number}: {}\n{verdict:#?}", mutation.what);
        }
        if let Some((rule, detail)) = verdict.and_then(|verdict| broken(&kept, &mutation, &verdict)) {
            let what = &mutation.what;
            failures.entry(rule).or_default().push(format!("{kind}:{number}: {what}: {detail}"));
        }
    }
    let counts: Vec<_> = failures.iter().map(|(rule, all)| format!("{} {rule}", all.len())).collect();
    let counts = if counts.is_empty() { "all as they must".to_owned() } else { counts.join(", ") };
    eprintln!("{kind}: {share} mutations, {counts}");
    let shown = failures.values().flat_map(|all| all.iter().take(SHOWN)).cloned().collect::<Vec<_>>();
    assert!(shown.is_empty(), "{kind}: {counts}\n{}", shown.join("\n"));
}

fn mutation(kept: &Kept, draw: &mut Draw) -> Mutation {
    match draw.below(10) {
        0..3 => damage::lines(kept, draw),
        3 | 4 => damage::bytes(kept, draw),
        5 => damage::files(kept, draw),
        6 => damage::run_file(kept, draw),
        7 => removal::unrecorded(kept, draw),
        _ => cells::changed(kept, draw),
    }
}

/// Which rule a verdict breaks, and how.
fn broken(kept: &Kept, mutation: &Mutation, verdict: &Verdict) -> Option<(&'static str, String)> {
    let accused = accusations(verdict);
    let doubts: Vec<&str> = verdict.doubts.iter().map(|doubt| doubt.detail.as_str()).collect();
    match &mutation.expects {
        Expects::Accused(due) if verdict.outcome != VerdictOutcome::Fail || !due.is_subset(&accused) => {
            let detail =
                format!("{:?} accuses {accused:?}, and not all of {due:?}; {doubts:?}", verdict.outcome);
            Some(("changes missed", detail))
        }
        Expects::Accused(_) => None,
        Expects::Loss { is_owed } => {
            let new: Vec<_> = accused.difference(&kept.accused).collect();
            match (new.is_empty(), *is_owed, verdict.outcome) {
                (false, ..) => Some(("false findings", format!("{new:?}; {doubts:?}"))),
                (true, true, VerdictOutcome::Pass) => Some(("false passes", String::new())),
                (true, true, _) if doubts.is_empty() => Some(("losses not named", String::new())),
                _ => None,
            }
        }
    }
}

/// All accusations of a verdict.
pub(crate) fn accusations(verdict: &Verdict) -> BTreeSet<Accusation> {
    let of = |kind: &FindingKind| -> Vec<Accusation> {
        match kind {
            FindingKind::Divergence(it) => {
                // What has spread is wrong on more replicas than it began on.
                let wrong = [&it.replicas, &it.first.wrong, &it.last.wrong].into_iter().flatten();
                let pairs = wrong.flat_map(|who| it.keys.iter().map(move |key| (key, who)));
                pairs.map(|(key, who)| cell(it.partition, key, who)).collect()
            }
            FindingKind::Frozen(it) => it.all().map(|it| ("frozen".to_owned(), it.object.clone())).collect(),
            FindingKind::Regressed(it) => vec![("regressed".to_owned(), it.object.clone())],
            FindingKind::Ahead(it) => vec![("ahead".to_owned(), it.object.clone())],
            FindingKind::LostAck(it) => {
                it.ops.iter().map(|op| ("lost-ack".to_owned(), format!("op {op}"))).collect()
            }
        }
    };
    verdict.findings.iter().flat_map(|finding| of(&finding.kind)).collect()
}

/// The accusation that a replica is wrong in a key.
pub(crate) fn cell(partition: u32, key: &str, replica: &str) -> Accusation {
    (format!("{partition}/{key}"), replica.to_owned())
}

impl Kept {
    /// The verdict on the folder with these files instead; none if it is refused.
    fn judged(&self, files: &BTreeMap<String, Option<Vec<u8>>>) -> Option<Verdict> {
        self.with(files, |dir| RunReader::open(dir).ok().map(|folder| judge(&folder)))
    }
}
