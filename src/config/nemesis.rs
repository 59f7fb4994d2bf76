//! A nemesis plan: WHAT goes wrong, when, to whom. One TOML file each, under `nemesis/`; stored in
//! `run.json` too.

use super::catalogue::{Embedded, NEMESES};
use super::error::{Wrong, advise};
use super::settings::{choice, number, time};
use super::{Document, duration};
use crate::check::verdict::CheckName;
use crate::plan::schedule::{Condition, FaultKind, StepId};
use crate::record::row::Nanos;
use serde::{Deserialize, Serialize};

/// The most timestamps that a writer is kept behind.
const LAG_MAX: u64 = 1_000_000;
/// The longest time that a queue is slow by, in milliseconds.
const DELAY_MS_MAX: u64 = 600_000;

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

/// What happens to the segment under the plan's holds once all has settled (`semantics` 11).
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

impl Document for Nemesis {
    const KIND: &'static str = "nemesis plan";
    const FOLDER: &'static str = "nemesis";
    const CATALOGUE: &'static [Embedded] = NEMESES;
    const SETTINGS: &'static [&'static str] = &["ending", "reload", "tail", "min-exposure"];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "ending" => self.ending = choice(value)?,
            "reload" => self.reload = value.parse().map_err(|_| "it is `true` or `false`".to_owned())?,
            "tail" => self.tail = time(value)?,
            "min-exposure" => self.min_exposure = number(value)?,
            _ => return Err("not a setting of a nemesis plan".to_owned()),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Wrong> {
        for (at, step) in self.steps.iter().enumerate() {
            step.check(at, &self.steps[..at])?;
        }
        let held = self.steps.iter().any(|step| step.fault.withholds_a_segment());
        Wrong::unless(
            held || self.ending == Ending::Uncommitted,
            "ending",
            "no step holds a segment, so there is none to end",
            "leave the ending out, or add a step with the fault `hold-message`",
        )?;
        Wrong::unless(
            self.ending != Ending::Uncommitted || !self.reload,
            "reload",
            "the segment stays open, so there is no committed copy of it",
            "set the ending to `healthy-wins` or `victim-wins`, or leave `reload` out",
        )?;
        Wrong::unless(
            held || self.min_exposure == 0,
            "min-exposure",
            "no step holds a segment, so no key is ever carried across a boundary under a hold",
            "leave it out, or every run of this plan is inconclusive",
        )?;
        Wrong::unless(
            !self.steps.is_empty() || self.boundaries_after_first_step.is_none(),
            "boundaries-after-first-step",
            "there is no first step",
            "leave it out, or add a step",
        )
    }
}

impl Nemesis {
    /// All that the plan does: its steps, and what its ending needs.
    pub fn faults(&self) -> impl Iterator<Item = FaultKind> {
        let steps = self.steps.iter().map(|step| step.fault);
        let winner = (self.ending != Ending::Uncommitted).then_some(FaultKind::CommitWinner);
        steps.chain(winner).chain(self.reload.then_some(FaultKind::Reload))
    }
}

impl StepSpec {
    fn check(&self, at: usize, earlier: &[StepSpec]) -> Result<(), Wrong> {
        let ids: Vec<&str> = earlier.iter().map(|step| step.id.as_str()).collect();
        let place = |field: &str| format!("step.{at}.{field}");
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        Wrong::unless(
            !self.id.is_empty() && self.id.chars().all(plain),
            &place("id"),
            &format!("`{}` is no step name", self.id),
            "use lower-case letters, digits and -",
        )?;
        Wrong::unless(
            !ids.contains(&self.id.as_str()),
            &place("id"),
            &format!("two steps are called `{}`", self.id),
            "each step has a name of its own",
        )?;
        if let Select::SameAs(other) = &self.select {
            let help = match ids.as_slice() {
                [] => "the first step selects `one`".to_owned(),
                ids => advise(other, ids),
            };
            let problem = format!("no earlier step is called `{other}`");
            Wrong::unless(ids.contains(&other.as_str()), &place("select.same-as"), &problem, &help)?;
        }
        self.check_measure(&place)?;
        self.check_conditions(&place)
    }

    /// A measure of nothing would be a fault that changes nothing.
    fn check_measure(&self, place: &impl Fn(&str) -> String) -> Result<(), Wrong> {
        let (measure, max, what) = match self.fault {
            FaultKind::Lag { timestamps } => (timestamps, LAG_MAX, "timestamps"),
            FaultKind::DelayQueue { ms, .. } => (ms, DELAY_MS_MAX, "milliseconds"),
            _ => return Ok(()),
        };
        Wrong::unless(
            (1..=max).contains(&measure),
            &place("fault"),
            &format!("{} by {measure} {what}", self.fault.name()),
            &format!("write 1 to {max}"),
        )
    }

    /// A condition can only speak of what the step has: a step has not begun before it begins, and only a
    /// held message names a segment.
    fn check_conditions(&self, place: &impl Fn(&str) -> String) -> Result<(), Wrong> {
        Wrong::unless(
            matches!(self.begin, Condition::At(_) | Condition::Boundaries(_)),
            &place("begin"),
            "a step cannot begin on this",
            "it begins `at` a time since the load began, or after a number of `boundaries`",
        )?;
        let of_segment = matches!(self.until, Condition::OthersCommitted | Condition::EventsInNext { .. });
        Wrong::unless(
            !of_segment || self.fault.withholds_a_segment(),
            &place("until"),
            "this fault concerns no segment that it could wait for",
            "it ends `at` a time since the load began, `after` a time in force, or after `boundaries`",
        )
    }
}
