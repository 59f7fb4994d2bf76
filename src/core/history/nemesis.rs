//! A nemesis plan: what goes wrong, when, and to which replica. Stored in `run.json`.

use super::check_name::CheckName;
use super::duration;
use super::fault::{Condition, FaultKind, SegmentStage, StepId, VictimRole};
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// Which replica a step hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// One replica (and one partition), drawn from the seed.
    #[default]
    One,
    /// The first replica of the roster. If only some writers are active from the start, it is one of those.
    First,
    /// The last replica of the roster, which would be the last to be active from the start.
    Last,
    /// The victim of an earlier step.
    SameAs(StepId),
    /// One replica that an earlier step does not hit, drawn from the seed.
    Not(StepId),
    /// Fewer than half of the replicas, but at least one, drawn from the seed.
    Minority,
    /// One more than half of the replicas, drawn from the seed.
    Majority,
    /// Every replica.
    All,
    /// The replica that leads when the step begins, as far as the newest sample shows it.
    Leader,
    /// One of the replicas that are assigned this segment of the partition when the step begins. The seed
    /// draws where the search begins.
    HolderOf(SegmentStage),
    /// The replica with this name.
    Replica(String),
}

impl Select {
    /// Whether it selects several replicas by itself.
    pub fn is_of_several(&self) -> bool {
        matches!(self, Select::Minority | Select::Majority | Select::All)
    }

    /// What the replica must be when the step begins, if that decides.
    pub fn role(&self) -> Option<VictimRole> {
        match self {
            Select::Leader => Some(VictimRole::Leader),
            Select::HolderOf(segment) => Some(VictimRole::HolderOf(*segment)),
            _ => None,
        }
    }

    /// The step whose victim it refers to.
    pub fn refers_to(&self) -> Option<&StepId> {
        match self {
            Select::SameAs(other) | Select::Not(other) => Some(other),
            _ => None,
        }
    }
}

/// How often a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Repeat {
    /// How often in all, each time to victims that are drawn anew.
    pub times: u32,
    /// The time from an end to the next begin.
    #[serde(default, with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub pause: Nanos,
}

/// A step as a plan declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepSpec {
    /// Its name, unique in the plan.
    pub id: StepId,
    /// The kind of fault.
    pub fault: FaultKind,
    /// Which replica is hit.
    #[serde(default)]
    pub select: Select,
    /// Which partition; `None`: it is drawn, or that of the step with the same victim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// When it begins: at a time, after a number of boundaries, or after another step.
    #[serde(default = "at_once")]
    pub begin: Condition,
    /// When it is cured.
    pub until: Condition,
    /// Every time in `begin` and `until`, and every pause, is longer by up to this, drawn from the seed.
    #[serde(default, with = "duration", skip_serializing_if = "is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema", extend("default" = "0s")))]
    pub jitter: Nanos,
    /// How often it is done; `None`: once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

impl StepSpec {
    /// How often it is done.
    pub fn rounds(&self) -> u32 {
        self.repeat.map_or(1, |repeat| repeat.times)
    }
}

fn is_none(time: &Nanos) -> bool {
    time.0 == 0
}

/// When a step begins that does not say it.
fn at_once() -> Condition {
    Condition::At(Nanos(0))
}

/// What happens to the segment that the plan held back, once all has settled (`RULES.md` 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The segment stays open.
    #[default]
    Uncommitted,
    /// A replica that was not held wins the commit.
    HealthyWins,
    /// The held replica wins the commit.
    VictimWins,
}

/// What a plan says that leaves its steps to the seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Swarm {
    /// The faults that are drawn from. Empty: all that the target can do and that end.
    #[serde(default)]
    pub faults: Vec<FaultKind>,
    /// The greatest number of steps.
    pub steps: u32,
    /// They begin within this time, but for those that wait for a segment.
    #[serde(with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub within: Nanos,
    /// The longest time that one of them lasts.
    #[serde(with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub lasts: Nanos,
}

/// A nemesis file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nemesis {
    /// The stem of the file's name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub name: String,
    /// The bug it hunts, in one sentence.
    #[serde(default)]
    pub hunts: String,
    /// How many more boundaries are requested once the first step has begun; `None`: no limit.
    #[serde(default)]
    pub boundaries_after_first_step: Option<u32>,
    /// The load goes on for this long after the last step's cure.
    #[serde(default, with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub tail: Nanos,
    /// What happens after all has settled.
    #[serde(default)]
    pub ending: Ending,
    /// After the ending, every replica loads the ended segment again from its committed copy.
    #[serde(default)]
    pub reload: bool,
    /// The least number of keys that must be carried across a boundary under a hold. Below it the run is
    /// inconclusive.
    #[serde(default)]
    pub min_exposure: u64,
    /// Checks that must not be unknown.
    #[serde(default)]
    pub required: Vec<CheckName>,
    /// The faults, in the order of the file.
    #[serde(default, rename = "step")]
    pub steps: Vec<StepSpec>,
    /// What the steps are drawn from, if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<Swarm>,
}

impl Nemesis {
    /// The plan without a fault.
    pub fn none() -> Nemesis {
        Nemesis {
            name: "none".to_owned(),
            hunts: "nothing".to_owned(),
            boundaries_after_first_step: None,
            tail: Nanos(0),
            ending: Ending::Uncommitted,
            reload: false,
            min_exposure: 0,
            required: Vec::new(),
            steps: Vec::new(),
            swarm: None,
        }
    }

    /// All faults that the plan needs: those of its steps, those that it draws from, and those of its ending.
    pub fn faults(&self) -> impl Iterator<Item = FaultKind> {
        let drawn = self.swarm.iter().flat_map(|swarm| swarm.faults.iter().copied());
        let steps = self.steps.iter().map(|step| step.fault).chain(drawn);
        let winner = (self.ending != Ending::Uncommitted).then_some(FaultKind::CommitWinner);
        steps.chain(winner).chain(self.reload.then_some(FaultKind::Reload))
    }
}
