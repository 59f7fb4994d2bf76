//! Who is hit by each step of a plan.

use super::schedule::PlanError;
use crate::config::nemesis::{Select, StepSpec};
use crate::seed::{Seed, Stream, below};

/// A replica and a partition drawn for a step.
#[derive(Clone, Copy)]
pub(super) struct Victim<'a> {
    pub(super) replica: &'a String,
    pub(super) partition: u32,
}

/// One victim a step, in order. Every step that draws takes two words, whether or not its fault needs a
/// partition, so that changing one step's fault leaves the others' victims alone.
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
            Select::One if roster.is_empty() => return Err(PlanError::NoReplicas(step.id.clone())),
            Select::One if partitions == 0 => return Err(PlanError::NoPartitions(step.id.clone())),
            Select::One => Victim {
                replica: &roster[below(&mut rng, roster.len() as u32) as usize],
                partition: below(&mut rng, partitions),
            },
            Select::SameAs(other) => {
                let earlier = steps.iter().zip(&victims).find(|(earlier, _)| earlier.id == *other);
                let unknown = || PlanError::UnknownStep { step: step.id.clone(), other: other.clone() };
                *earlier.ok_or_else(unknown)?.1
            }
        };
        victims.push(victim);
    }
    Ok(victims)
}
