//! A nemesis plan: what goes wrong, when, to whom. Stored in `run.json`.

use super::check_name::CheckName;
use super::duration;
use super::fault::{Condition, FaultKind, StepId};
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// Who is hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// One replica (and one partition), drawn from the seed.
    One,
    /// The first replica of the roster: where some writers are active from the start, one of those.
    First,
    /// The last replica of the roster: the last that would be active from the start.
    Last,
    /// The same as an earlier step's.
    SameAs(StepId),
}

/// A step as a plan declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepSpec {
    /// Its name.
    pub id: StepId,
    /// What goes wrong.
    pub fault: FaultKind,
    /// Who is hit.
    pub select: Select,
    /// When it begins.
    pub begin: Condition,
    /// When it is cured.
    pub until: Condition,
}

/// What happens to the segment under the plan's holds once all has settled (`RULES.md` 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It stays open.
    #[default]
    Uncommitted,
    /// A replica that was not held wins its commit.
    HealthyWins,
    /// The replica that was held wins its commit.
    VictimWins,
}

/// A nemesis file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nemesis {
    /// Its name: the file's stem.
    #[serde(default)]
    pub name: String,
    /// What it hunts, in a sentence.
    pub hunts: String,
    /// Once the first step has begun, only this many boundaries more are asked for.
    #[serde(default)]
    pub boundaries_after_first_step: Option<u32>,
    /// The load goes on for this long after the last step's cure.
    #[serde(default, with = "duration")]
    pub tail: Nanos,
    /// The ending.
    #[serde(default)]
    pub ending: Ending,
    /// After the ending every replica loads the segment that ended again, from the committed copy.
    #[serde(default)]
    pub reload: bool,
    /// The least number of keys that must be carried across a boundary under a hold; below it the run
    /// is inconclusive.
    #[serde(default)]
    pub min_exposure: u64,
    /// Checks that must not be unknown.
    #[serde(default)]
    pub required: Vec<CheckName>,
    /// The steps.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepSpec>,
}

impl Nemesis {
    /// All that the plan does: its steps, and what its ending needs.
    pub fn faults(&self) -> impl Iterator<Item = FaultKind> {
        let steps = self.steps.iter().map(|step| step.fault);
        let winner = (self.ending != Ending::Uncommitted).then_some(FaultKind::CommitWinner);
        steps.chain(winner).chain(self.reload.then_some(FaultKind::Reload))
    }
}
