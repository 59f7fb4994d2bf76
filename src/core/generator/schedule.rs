//! From a nemesis plan, a roster and a seed to the steps of one run: each with its victim, its begin and its
//! end.

use super::plan_error::PlanError;
use super::victims::victims;
use crate::history::fault::Step;
use crate::history::nemesis::Nemesis;
use crate::seed::Seed;

/// Draws the victims of a plan. The steps keep the plan's order.
pub fn schedule(
    nemesis: &Nemesis,
    roster: &[String],
    partitions: u32,
    seed: Seed,
) -> Result<Vec<Step>, PlanError> {
    let victims = victims(&nemesis.steps, roster, partitions, seed)?;
    let steps = nemesis.steps.iter().zip(victims).map(|(spec, victim)| Step {
        id: spec.id.clone(),
        kind: spec.fault,
        replica: victim.replica.clone(),
        partition: (!spec.fault.is_of_all_partitions()).then_some(victim.partition),
        begin: spec.begin.clone(),
        until: spec.until.clone(),
    });
    Ok(steps.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::fault::{Condition, FaultKind};
    use crate::history::nemesis::Select;
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
