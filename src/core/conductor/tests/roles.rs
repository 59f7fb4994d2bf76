//! Steps whose victim is known only when they begin.

use super::*;
use crate::conductor::faults::Clock;
use crate::generator::schedule::schedule;
use crate::history::fault::SegmentStage;
use crate::history::nemesis::{Nemesis, Select, StepSpec};
use crate::seed::Seed;

const ROSTER: [&str; 4] = [REPLICA, "server-1", "server-2", "server-3"];
const NOW: Clock = Clock { now: Nanos(1), load_began: Nanos(0), boundaries: 9 };

fn step(id: &str, select: Select) -> StepSpec {
    let steps = test_data::nemesis("restart-one").steps;
    StepSpec { id: id.to_owned(), select, begin: Condition::At(Nanos(0)), ..steps[0].clone() }
}

fn faults(steps: Vec<StepSpec>, seed: u64) -> Faults {
    let plan = Nemesis { steps, ..Nemesis::none() };
    Faults::new(&schedule(&plan, &ROSTER.map(str::to_owned), 1, Seed(seed)).expect("it fits"))
}

/// Each replica's answer to whether it leads, and the replicas that each segment is assigned to.
fn view(leads: [Option<bool>; 4], committed: &[&str], consuming: &[&str]) -> ClusterView {
    let mut view = ClusterView::new(&RunMeta { partitions: 1, ..segments("none") });
    let of = |leads| Coverage { leads, ..coverage(cover(0..1, 1)).expect("it answers") };
    let segment = |seq: u32, replicas: &[&str]| Segment {
        name: format!("acct__0__{seq}"),
        partition: 0,
        seq,
        start: u64::from(seq) * 10,
        end: (seq == 0).then_some(10),
        crc: None,
        replicas: replicas.iter().map(|&replica| replica.to_owned()).collect(),
    };
    view.absorb(
        Nanos(0),
        Snapshot {
            replicas: ROSTER
                .iter()
                .zip(leads)
                .map(|(name, leads)| ((*name).to_owned(), Ok(of(leads))))
                .collect(),
            segments: vec![segment(0, committed), segment(1, consuming)],
            ..Snapshot::default()
        },
    );
    view
}

fn begun(faults: &mut Faults, view: &ClusterView) -> Vec<(String, String)> {
    let due = faults.begin_due(NOW, view, Nanos(10)).into_iter();
    due.map(|due| (due.step, due.error.unwrap_or(due.fault.replica))).collect()
}

#[test]
fn the_leader_is_hit_once_one_is_known_and_the_step_after_it_hits_the_same_one() {
    let steps = vec![step("lead", Select::Leader), step("same", Select::SameAs("lead".to_owned()))];
    for seed in 0..8 {
        let mut faults = faults(steps.clone(), seed);
        let nobody = view([None, Some(false), None, Some(false)], &[], &[]);
        assert_eq!(begun(&mut faults, &nobody), [], "they wait");
        let one = view([None, Some(false), Some(true), Some(false)], &[], &[]);
        let hit = |step: &str| (step.to_owned(), "server-2".to_owned());
        assert_eq!(begun(&mut faults, &one), [hit("lead"), hit("same")]);
        assert_eq!(faults.victims(), ["server-2"].into());
        // That another one leads later changes nothing for a fault in force.
        assert!(faults.silenced("server-2", Nanos(0)) && !faults.silenced("server-1", Nanos(0)));
    }
}

#[test]
fn a_leader_is_not_waited_for_for_ever_nor_is_the_step_after_it() {
    let steps = vec![step("lead", Select::Leader), step("same", Select::SameAs("lead".to_owned()))];
    let mut faults = faults(steps, 1);
    let nobody = view([None; 4], &[], &[]);
    assert_eq!(begun(&mut faults, &nobody), []);
    let mut errors = |now: u64| -> Vec<Option<String>> {
        let clock = Clock { now: Nanos(now), ..NOW };
        faults.begin_due(clock, &nobody, Nanos(10)).into_iter().map(|due| due.error).collect()
    };
    assert_eq!(errors(10), []);
    let told = ["no replica says that it leads", "step lead has hit no replica"];
    assert_eq!(errors(11), told.map(|error| Some(error.to_owned())));
    assert_eq!(faults.over_at(), Some(Nanos(11)));
    assert!(!faults.silenced(REPLICA, Nanos(0)), "nobody was hit");
}

#[test]
fn holders_are_those_that_the_segment_is_assigned_to_when_the_step_begins() {
    let moved = view([None; 4], &[REPLICA, "server-1"], &["server-1", "server-3"]);
    let mut hit = [const { Vec::new() }; 2];
    for (segment, hit) in [SegmentStage::Consuming, SegmentStage::Committed].into_iter().zip(&mut hit) {
        for seed in 0..40 {
            let mut faults = faults(vec![step("one", Select::HolderOf(segment))], seed);
            hit.extend(begun(&mut faults, &moved).into_iter().map(|(_, replica)| replica));
        }
        assert_eq!(hit.len(), 40);
        hit.sort_unstable();
        hit.dedup();
    }
    assert_eq!(hit, [["server-1", "server-3"], [REPLICA, "server-1"]], "the seed draws one of them");
}

#[test]
fn who_is_not_the_leader_is_not_known_beforehand() {
    let steps = vec![step("lead", Select::Leader), step("other", Select::Not("lead".to_owned()))];
    let plan = Nemesis { steps, ..Nemesis::none() };
    let refusal = schedule(&plan, &ROSTER.map(str::to_owned), 1, Seed(1)).expect_err("it cannot be drawn");
    assert!(refusal.to_string().starts_with("step `other` selects a replica that `lead` does not hit"));
}
