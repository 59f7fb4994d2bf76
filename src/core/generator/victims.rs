//! Draws the victim of each step of a plan.

use super::plan_error::PlanError;
use crate::history::nemesis::{Select, StepSpec};
use crate::seed::{Seed, Stream, below};

/// The replica and the partition drawn for a step.
#[derive(Clone, Copy)]
pub(super) struct Victim<'a> {
    pub(super) replica: &'a String,
    pub(super) partition: u32,
}

/// One victim per step, in order. Every step that draws its own victim takes two words, whether or not it
/// needs both, so that changing one step's fault does not change the victims of other steps.
pub(super) fn victims<'a>(
    steps: &[StepSpec],
    roster: &'a [String],
    partitions: u32,
    seed: Seed,
) -> Result<Vec<Victim<'a>>, PlanError> {
    let mut rng = seed.stream(Stream::Select);
    let mut victims: Vec<Victim<'a>> = Vec::with_capacity(steps.len());
    for step in steps {
        let victim = match &step.select {
            Select::SameAs(other) => {
                let earlier = steps.iter().zip(&victims).find(|(earlier, _)| earlier.id == *other);
                let unknown = || PlanError::UnknownStep { step: step.id.clone(), other: other.clone() };
                *earlier.ok_or_else(unknown)?.1
            }
            _ if roster.is_empty() => return Err(PlanError::NoReplicas(step.id.clone())),
            _ if partitions == 0 => return Err(PlanError::NoPartitions(step.id.clone())),
            own => {
                let drawn = below(&mut rng, roster.len() as u32) as usize;
                let at = match own {
                    Select::First => 0,
                    Select::Last => roster.len() - 1,
                    Select::One | Select::SameAs(_) => drawn,
                };
                Victim { replica: &roster[at], partition: below(&mut rng, partitions) }
            }
        };
        victims.push(victim);
    }
    Ok(victims)
}
