//! Which plans of the catalogue fit which target, as far as is known without asking it.

use super::target::RunTarget;
use crate::config::catalogue::NEMESES;
use crate::config::load::load;
use dissent_core::history::fault::Condition;
use dissent_core::history::nemesis::{Nemesis, StepSpec};

/// Whether a step waits for something that only happens to segments. Boundaries can be counted in rows too,
/// unless rows are in a shard.
pub(super) fn waits_for_segments(step: &StepSpec, counts_rows: bool) -> bool {
    let waits = |condition: &Condition| match condition {
        Condition::At(_) | Condition::After(_) | Condition::AfterStep { .. } => false,
        Condition::Boundaries(_) => !counts_rows,
        Condition::OthersCommitted | Condition::EventsInNext { .. } => true,
    };
    waits(&step.begin) || waits(&step.until)
}

/// The plans of the catalogue that fit a target: it can do their faults, and what they wait for happens
/// there.
pub fn plans_for(target: &RunTarget) -> Vec<&'static str> {
    let has_one_log = target.has_shard() || target.has_no_log();
    let counts_rows = !target.has_shard();
    let fits = |plan: &Nemesis| {
        let waits = plan.steps.iter().any(|step| waits_for_segments(step, counts_rows));
        plan.faults().all(|kind| target.can(kind).is_ok()) && !(has_one_log && waits)
    };
    let names = NEMESES.iter().map(|embedded| embedded.name);
    names.filter(|name| load::<Nemesis>(name).is_ok_and(|plan| fits(&plan))).collect()
}
