//! From a nemesis plan, a roster and a seed to the steps of one run: each with its victim, its begin and its
//! end.

use super::plan_error::PlanError;
use super::victims::{Victim, victims};
use crate::history::fault::{Condition, Step, StepEdge};
use crate::history::nemesis::{Nemesis, StepSpec};
use crate::history::time::Nanos;
use crate::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;

/// Draws the victims of a plan. The steps keep the plan's order. A step of the plan that hits several
/// replicas, or is done several times, becomes several steps.
pub fn schedule(
    nemesis: &Nemesis,
    roster: &[String],
    partitions: u32,
    seed: Seed,
) -> Result<Vec<Step>, PlanError> {
    let victims = victims(&nemesis.steps, roster, partitions, seed)?;
    let mut rng = seed.stream(Stream::Jitter);
    let steps = nemesis.steps.iter().zip(victims);
    Ok(steps.flat_map(|(spec, rounds)| faults_of(spec, &rounds, &mut rng)).collect())
}

/// The faults of a step of the plan.
fn faults_of(spec: &StepSpec, rounds: &[Vec<Victim<'_>>], rng: &mut ChaCha8Rng) -> Vec<Step> {
    let width = rounds.first().map_or(0, Vec::len);
    let is_one = rounds.len() * width == 1;
    let name = |number: usize| if is_one { spec.id.clone() } else { format!("{}-{number}", spec.id) };
    let fault = |(at, victim): (usize, &Victim<'_>)| {
        // Each round but the first follows the one before, at whatever replica that was.
        let begin = match at.checked_sub(width) {
            None => spec.begin.clone(),
            Some(before) => Condition::AfterStep {
                step: name(before + 1),
                edge: StepEdge::End,
                wait: spec.repeat.map_or(Nanos(0), |repeat| repeat.pause),
            },
        };
        Step {
            id: name(at + 1),
            kind: spec.fault,
            replica: victim.replica.clone(),
            role: victim.role.clone(),
            partition: (!spec.fault.is_of_all_partitions()).then_some(victim.partition),
            begin: later(begin, spec.jitter, rng),
            until: later(spec.until.clone(), spec.jitter, rng),
        }
    };
    rounds.iter().flatten().enumerate().map(fault).collect()
}

/// The condition with its time longer by up to `jitter`. Draws only if there is something to draw.
fn later(mut condition: Condition, jitter: Nanos, rng: &mut ChaCha8Rng) -> Condition {
    if let Condition::At(time) | Condition::After(time) | Condition::AfterStep { wait: time, .. } =
        &mut condition
        && jitter.0 > 0
    {
        let share = u128::from(below(rng, u32::MAX));
        let longer = (u128::from(jitter.0) * share / u128::from(u32::MAX - 1)) as u64;
        *time = Nanos(time.0.saturating_add(longer));
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::fault::FaultKind;
    use crate::history::nemesis::{Repeat, Select};
    use crate::test_data;
    use std::collections::BTreeSet;

    fn roster() -> Vec<String> {
        (1..=4).map(|n| format!("server-{n}")).collect()
    }

    #[test]
    fn both_holds_of_late_transition_hit_one_victim_in_one_partition_and_begin_together() {
        let nemesis = test_data::nemesis("late-transition");
        let mut hit = BTreeSet::new();
        for seed in 0..200 {
            let steps = schedule(&nemesis, &roster(), 2, Seed(seed)).expect("it fits");
            let [first, second] = steps.as_slice() else { panic!("two holds, not {}", steps.len()) };
            assert_eq!((&first.replica, first.partition), (&second.replica, second.partition));
            assert_eq!((&first.begin, &second.begin), (&Condition::Boundaries(2), &Condition::Boundaries(2)));
            assert_eq!(steps, schedule(&nemesis, &roster(), 2, Seed(seed)).expect("it fits"));
            hit.insert((first.replica.clone(), first.partition));
        }
        assert_eq!(hit.len(), 8, "every replica and every partition is drawn by some seed");
    }

    #[test]
    fn a_victim_can_be_named_and_leaves_those_of_other_steps_as_they_are() {
        let mut nemesis = test_data::nemesis("late-transition");
        nemesis.steps[1].select = Select::One;
        let drawn = schedule(&nemesis, &roster(), 2, Seed(4)).expect("it fits");
        nemesis.steps[0].select = Select::Replica("server-3".to_owned());
        nemesis.steps[0].partition = Some(1);
        let steps = schedule(&nemesis, &roster(), 2, Seed(4)).expect("it fits");
        assert_eq!((steps[0].replica.as_str(), steps[0].partition), ("server-3", Some(1)));
        assert_eq!(steps[1], drawn[1]);
        let refusal = schedule(&nemesis, &roster()[..2], 2, Seed(4)).expect_err("it is not there");
        assert!(refusal.to_string().ends_with("`server-3`, and the target has: server-1, server-2"));
        let refusal = schedule(&nemesis, &roster(), 1, Seed(4)).expect_err("it is not there");
        assert!(refusal.to_string().contains("for partition 1, and the workload has 1"), "{refusal}");
    }

    fn step(id: &str, select: Select) -> StepSpec {
        StepSpec {
            id: id.to_owned(),
            fault: FaultKind::Pause,
            select,
            partition: None,
            begin: Condition::At(Nanos(0)),
            until: Condition::After(Nanos(1_000)),
            jitter: Nanos(0),
            repeat: None,
        }
    }

    fn plan(steps: &[StepSpec]) -> Nemesis {
        Nemesis { steps: steps.to_vec(), ..Nemesis::none() }
    }

    #[test]
    fn several_replicas_are_a_fault_each_and_another_one_is_never_the_same() {
        let mut minorities = BTreeSet::new();
        let roster: Vec<String> = (1..=5).map(|n| format!("server-{n}")).collect();
        let same = Select::SameAs("few".to_owned());
        let steps = [
            step("few", Select::Minority),
            step("most", Select::Majority),
            step("all", Select::All),
            step("again", same),
            step("other", Select::Not("few".to_owned())),
        ];
        for seed in 0..200 {
            let drawn = schedule(&plan(&steps), &roster, 2, Seed(seed)).expect("it fits");
            let hit = |id: &str| -> BTreeSet<&str> {
                drawn.iter().filter(|step| step.is_of(id)).map(|step| step.replica.as_str()).collect()
            };
            assert_eq!((hit("few").len(), hit("most").len(), hit("all").len()), (2, 3, 5));
            assert_eq!(hit("again"), hit("few"));
            assert!(hit("other").len() == 1 && hit("other").is_disjoint(&hit("few")), "{drawn:?}");
            minorities.insert(format!("{:?}", hit("few")));
        }
        assert_eq!(minorities.len(), 10, "every pair of five is drawn by some seed");
        let alone = [step("all", Select::All), step("other", Select::Not("all".to_owned()))];
        let refused = schedule(&plan(&alone), &roster, 2, Seed(1)).expect_err("nobody is left");
        assert!(refused.to_string().contains("`all` does not hit"), "{refused}");
    }

    #[test]
    fn a_repeated_step_waits_for_itself_hits_others_and_leaves_later_steps_as_they_are() {
        let (pause, times) = (Nanos(7), 4);
        let once = [step("p", Select::One), step("q", Select::One)];
        let mut often = once.clone();
        often[0].repeat = Some(Repeat { times, pause });
        let mut hit = BTreeSet::new();
        for seed in 0..50 {
            let once = schedule(&plan(&once), &roster(), 2, Seed(seed)).expect("it fits");
            let often = schedule(&plan(&often), &roster(), 2, Seed(seed)).expect("it fits");
            let ids: Vec<&str> = often.iter().map(|step| step.id.as_str()).collect();
            assert_eq!(ids, ["p-1", "p-2", "p-3", "p-4", "q"]);
            assert_eq!((&often[0].replica, &often[4]), (&once[0].replica, &once[1]));
            let (step, edge) = ("p-2".to_owned(), StepEdge::End);
            assert_eq!(often[2].begin, Condition::AfterStep { step, edge, wait: pause });
            hit.extend(often[1..4].iter().map(|step| step.replica.clone()));
        }
        assert_eq!(hit.len(), 4);
    }

    #[test]
    fn jitter_makes_times_longer_by_no_more_than_itself_and_is_drawn_from_the_seed() {
        let mut shifted = step("p", Select::One);
        (shifted.jitter, shifted.begin) = (Nanos(1_000), Condition::At(Nanos(500)));
        let mut begins = BTreeSet::new();
        for seed in 0..300 {
            let steps = schedule(&plan(&[shifted.clone()]), &roster(), 2, Seed(seed)).expect("it fits");
            let (Condition::At(begin), Condition::After(until)) = (&steps[0].begin, &steps[0].until) else {
                panic!("{steps:?}")
            };
            assert!((500..=1_500).contains(&begin.0) && (1_000..=2_000).contains(&until.0), "{steps:?}");
            assert_eq!(
                steps,
                schedule(&plan(&[shifted.clone()]), &roster(), 2, Seed(seed)).expect("it fits")
            );
            begins.insert(begin.0);
        }
        assert!(begins.len() > 200 && begins.first() < Some(&550) && begins.last() > Some(&1_450));
    }

    #[test]
    fn a_restart_is_of_a_whole_replica() {
        let nemesis = test_data::nemesis("restart-one");
        let steps = schedule(&nemesis, &roster(), 2, Seed(7)).expect("it fits");
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].kind, steps[0].partition), (FaultKind::Restart, None));
    }

    #[test]
    fn a_plan_that_does_not_fit_is_refused_and_none_fits_everything() {
        let mut nemesis = test_data::nemesis("late-transition");
        let name = || "late-start".to_owned();
        assert_eq!(schedule(&nemesis, &[], 2, Seed(1)), Err(PlanError::NoReplicas(name())));
        assert_eq!(schedule(&nemesis, &roster(), 0, Seed(1)), Err(PlanError::NoPartitions(name())));
        nemesis.steps[0].select = Select::SameAs("late-registration".to_owned());
        let error = PlanError::UnknownStep { step: name(), other: "late-registration".to_owned() };
        assert_eq!(schedule(&nemesis, &roster(), 2, Seed(1)), Err(error));
        let none = test_data::nemesis("none");
        assert_eq!(schedule(&none, &[], 0, Seed(1)), Ok(Vec::new()));
    }
}
