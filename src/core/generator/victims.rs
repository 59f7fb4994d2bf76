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

/// One victim per step, in order. Every step with a victim of its own takes two words, whether or not it
/// needs both, so that changing one step's fault or selection does not change the victims of other steps.
pub(super) fn victims<'a>(
    steps: &[StepSpec],
    roster: &'a [String],
    partitions: u32,
    seed: Seed,
) -> Result<Vec<Victim<'a>>, PlanError> {
    let mut rng = seed.stream(Stream::Select);
    let mut victims: Vec<Victim<'a>> = Vec::with_capacity(steps.len());
    for step in steps {
        let mut victim = match &step.select {
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
                    Select::Replica(name) => named(step, name, roster)?,
                    Select::One | Select::SameAs(_) => drawn,
                };
                Victim { replica: &roster[at], partition: below(&mut rng, partitions) }
            }
        };
        if let Some(partition) = step.partition {
            if partition >= partitions {
                return Err(PlanError::NoSuchPartition { step: step.id.clone(), partition, partitions });
            }
            victim.partition = partition;
        }
        victims.push(victim);
    }
    Ok(victims)
}

/// The position of a replica that a step names.
fn named(step: &StepSpec, name: &str, roster: &[String]) -> Result<usize, PlanError> {
    roster.iter().position(|replica| replica == name).ok_or_else(|| PlanError::NoSuchReplica {
        step: step.id.clone(),
        replica: name.to_owned(),
        roster: roster.to_vec(),
    })
}
