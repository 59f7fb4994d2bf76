//! Draws the victims of each step of a plan.

use super::plan_error::PlanError;
use crate::history::fault::VictimRole;
use crate::history::nemesis::{Select, StepSpec};
use crate::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;

/// The replica and the partition drawn for a fault.
#[derive(Clone)]
pub(super) struct Victim<'a> {
    pub(super) replica: &'a String,
    /// What the replica must be when the fault begins; one with the role is hit, not the one that was drawn.
    pub(super) role: Option<VictimRole>,
    pub(super) partition: u32,
}

/// The victims of a step, one group for each time that it is done.
type Rounds<'a> = Vec<Vec<Victim<'a>>>;

/// The victims of each step, in order. Every step with victims of its own takes two words, whether or not it
/// needs both, so that changing one step's fault or selection does not change the victims of other steps.
pub(super) fn victims<'a>(
    steps: &[StepSpec],
    roster: &'a [String],
    partitions: u32,
    seed: Seed,
) -> Result<Vec<Rounds<'a>>, PlanError> {
    let (first, further) = (seed.stream(Stream::Select), seed.stream(Stream::FurtherVictims));
    let mut draw = VictimDraw { steps, roster, partitions, first, further, drawn: Vec::new() };
    for step in steps {
        let rounds = (0..step.rounds()).map(|round| draw.round(step, round)).collect::<Result<_, _>>()?;
        draw.drawn.push(rounds);
    }
    Ok(draw.drawn)
}

struct VictimDraw<'s, 'a> {
    steps: &'s [StepSpec],
    roster: &'a [String],
    partitions: u32,
    first: ChaCha8Rng,
    further: ChaCha8Rng,
    /// The victims of the steps so far.
    drawn: Vec<Rounds<'a>>,
}

impl<'a> VictimDraw<'_, 'a> {
    fn round(&mut self, step: &StepSpec, round: u32) -> Result<Vec<Victim<'a>>, PlanError> {
        let mut victims = match &step.select {
            Select::SameAs(other) => {
                let same = self.earlier(step, other)?.iter().cloned();
                let follow = |role: Option<VictimRole>| role.map(|_| VictimRole::VictimOf(other.clone()));
                same.map(|victim| Victim { role: follow(victim.role), ..victim }).collect()
            }
            _ if self.roster.is_empty() => return Err(PlanError::NoReplicas(step.id.clone())),
            _ if self.partitions == 0 => return Err(PlanError::NoPartitions(step.id.clone())),
            _ => self.own(step, round)?,
        };
        if let Some(partition) = step.partition {
            if partition >= self.partitions {
                let (step, partitions) = (step.id.clone(), self.partitions);
                return Err(PlanError::NoSuchPartition { step, partition, partitions });
            }
            victims.iter_mut().for_each(|victim| victim.partition = partition);
        }
        Ok(victims)
    }

    /// Draws victims of a step's own, all in one partition.
    fn own(&mut self, step: &StepSpec, round: u32) -> Result<Vec<Victim<'a>>, PlanError> {
        let mut candidates: Vec<&'a String> = self.roster.iter().collect();
        if let Select::Not(other) = &step.select {
            let hit = self.earlier(step, other)?;
            if hit.iter().any(|victim| victim.role.is_some()) {
                return Err(PlanError::NotKnownYet { step: step.id.clone(), other: other.clone() });
            }
            candidates.retain(|replica| hit.iter().all(|victim| victim.replica != *replica));
            if candidates.is_empty() {
                return Err(PlanError::NoOtherReplica { step: step.id.clone(), other: other.clone() });
            }
        }
        let rng = if round == 0 { &mut self.first } else { &mut self.further };
        let drawn = below(rng, candidates.len() as u32) as usize;
        let partition = below(rng, self.partitions);
        let all = candidates.len();
        let replicas = match &step.select {
            Select::First => vec![candidates[0]],
            Select::Last => vec![candidates[all - 1]],
            Select::Replica(name) => vec![candidates[named(step, name, self.roster)?]],
            Select::One | Select::Not(_) | Select::SameAs(_) | Select::Leader | Select::HolderOf(_) => {
                vec![candidates[drawn]]
            }
            Select::Minority => self.several(candidates, drawn, ((all - 1) / 2).max(1)),
            Select::Majority => self.several(candidates, drawn, all / 2 + 1),
            Select::All => candidates,
        };
        let role = step.select.role();
        Ok(replicas.into_iter().map(|replica| Victim { replica, role: role.clone(), partition }).collect())
    }

    /// So many of the candidates, in their order. One of them is drawn already.
    fn several(&mut self, candidates: Vec<&'a String>, drawn: usize, count: usize) -> Vec<&'a String> {
        let mut chosen = vec![drawn];
        let mut rest: Vec<usize> = (0..candidates.len()).filter(|at| *at != drawn).collect();
        while chosen.len() < count && !rest.is_empty() {
            chosen.push(rest.swap_remove(below(&mut self.further, rest.len() as u32) as usize));
        }
        chosen.sort_unstable();
        chosen.into_iter().map(|at| candidates[at]).collect()
    }

    /// The victims of an earlier step.
    fn earlier(&self, step: &StepSpec, other: &str) -> Result<&[Victim<'a>], PlanError> {
        let earlier = self.steps.iter().zip(&self.drawn).find(|(earlier, _)| earlier.id == *other);
        let victims = earlier.and_then(|(_, rounds)| rounds.first()).map(Vec::as_slice);
        victims.ok_or_else(|| PlanError::UnknownStep { step: step.id.clone(), other: other.to_owned() })
    }
}

/// The position of a replica that a step names.
fn named(step: &StepSpec, name: &str, roster: &[String]) -> Result<usize, PlanError> {
    roster.iter().position(|replica| replica == name).ok_or_else(|| PlanError::NoSuchReplica {
        step: step.id.clone(),
        replica: name.to_owned(),
        roster: roster.to_vec(),
    })
}
