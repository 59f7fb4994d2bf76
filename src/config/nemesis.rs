//! Reads nemesis plans: one TOML file each, under `nemesis/`.

use super::catalogue::{EmbeddedFile, NEMESES};
use super::document::ConfigFile;
use super::error::InvalidValue;
use super::file_schema;
use super::settings::{choice, number, time};
use dissent_core::history::fault::{Condition, FaultKind};
use dissent_core::history::nemesis::{Ending, Nemesis, Select, StepSpec};
use dissent_core::nearest::advise;

/// `--set until.STEP=TIME`: the step ends this long after its begin.
const UNTIL: &str = "until.";
/// Maximum number of timestamps by which a writer lags.
const LAG_MAX: u64 = 1_000_000;
/// Maximum delay of a queue, in milliseconds.
const DELAY_MS_MAX: u64 = 600_000;

impl ConfigFile for Nemesis {
    const KIND: &'static str = "nemesis plan";
    const FOLDER: &'static str = "nemesis";
    const CATALOGUE: &'static [EmbeddedFile] = NEMESES;
    const SCHEMA: &'static str = file_schema::NEMESIS;
    const SETTINGS: &'static [&'static str] = &["ending", "reload", "tail", "min-exposure"];

    const PREFIX: Option<&'static str> = Some(UNTIL);

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "ending" => self.ending = choice(value)?,
            "reload" => self.reload = value.parse().map_err(|_| "write `true` or `false`".to_owned())?,
            "tail" => self.tail = time(value)?,
            "min-exposure" => self.min_exposure = number(value)?,
            _ => {
                let id = key.strip_prefix(UNTIL).ok_or("not a setting of a nemesis plan")?;
                let ids: Vec<&str> = self.steps.iter().map(|step| step.id.as_str()).collect();
                let no_step = || format!("the plan has no step `{id}`: {}", advise(id, &ids));
                let at = ids.iter().position(|known| *known == id).ok_or_else(no_step)?;
                self.steps[at].until = Condition::After(time(value)?);
            }
        }
        Ok(())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let steps = self.steps.iter().enumerate().flat_map(|(at, step)| {
            let earlier = check_step(step, at, &self.steps[..at]);
            earlier.into_iter().chain([check_segment_waited_for(step, at, &self.steps)])
        });
        steps.chain(check_ending(self)).filter_map(Result::err).collect()
    }
}

/// Refuses what the plan says of a segment that is held back, if none is.
fn check_ending(plan: &Nemesis) -> [Result<(), InvalidValue>; 4] {
    let held = plan.steps.iter().any(|step| step.fault.withholds_a_segment());
    [
        InvalidValue::unless(
            held || plan.ending == Ending::Uncommitted,
            "ending",
            "no step holds a segment back, so there is none to end",
            "remove the ending, or add a step with the fault `hold-message`",
        ),
        InvalidValue::unless(
            plan.ending != Ending::Uncommitted || !plan.reload,
            "reload",
            "the segment stays open, so it has no committed copy to load",
            "set the ending to `healthy-wins` or `victim-wins`, or remove `reload`",
        ),
        InvalidValue::unless(
            held || plan.min_exposure == 0,
            "min-exposure",
            "no step holds a segment back, so no key is ever carried across a boundary under a hold",
            "remove it, or every run of this plan is inconclusive",
        ),
        InvalidValue::unless(
            !plan.steps.is_empty() || plan.boundaries_after_first_step.is_none(),
            "boundaries-after-first-step",
            "there is no first step",
            "remove it, or add a step",
        ),
    ]
}

fn check_step(step: &StepSpec, at: usize, earlier: &[StepSpec]) -> [Result<(), InvalidValue>; 6] {
    let ids: Vec<&str> = earlier.iter().map(|step| step.id.as_str()).collect();
    let place = |field: &str| format!("step.{at}.{field}");
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    [
        InvalidValue::unless(
            !step.id.is_empty() && step.id.chars().all(plain),
            &place("id"),
            &format!("`{}` is not a step name", step.id),
            "use lower-case letters, digits and -",
        ),
        InvalidValue::unless(
            !ids.contains(&step.id.as_str()),
            &place("id"),
            &format!("two steps are called `{}`", step.id),
            "step names must be unique",
        ),
        check_select(step, &ids, &place),
        InvalidValue::unless(
            step.partition.is_none() || !step.fault.is_of_all_partitions(),
            &place("partition"),
            "this fault hits every partition of its replica",
            "remove the partition",
        ),
        check_measure(step, &place),
        check_conditions(step, &place),
    ]
}

/// A step can only refer to the victim of an earlier one.
fn check_select(step: &StepSpec, ids: &[&str], place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let Select::SameAs(other) = &step.select else { return Ok(()) };
    let help = match ids {
        [] => "the first step must select `one`, `first`, `last` or a `replica`".to_owned(),
        ids => advise(other, ids),
    };
    let problem = format!("no earlier step is called `{other}`");
    InvalidValue::unless(ids.contains(&other.as_str()), &place("select.same-as"), &problem, &help)
}

/// A fault of size 0 would change nothing.
fn check_measure(step: &StepSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let (measure, max, what) = match step.fault {
        FaultKind::Lag { timestamps } => (timestamps, LAG_MAX, "timestamps"),
        FaultKind::DelayQueue { ms, .. } => (ms, DELAY_MS_MAX, "milliseconds"),
        _ => return Ok(()),
    };
    InvalidValue::unless(
        (1..=max).contains(&measure),
        &place("fault"),
        &format!("{} by {measure} {what}", step.fault.name()),
        &format!("write 1 to {max}"),
    )
}

/// A step can wait for the segment of another one only if that one holds a segment.
fn check_segment_waited_for(step: &StepSpec, at: usize, steps: &[StepSpec]) -> Result<(), InvalidValue> {
    let Condition::EventsInNext { of: Some(other), .. } = &step.until else { return Ok(()) };
    let holding = steps.iter().filter(|step| step.fault.withholds_a_segment());
    let ids: Vec<&str> = holding.map(|step| step.id.as_str()).collect();
    InvalidValue::unless(
        ids.contains(&other.as_str()),
        &format!("step.{at}.until.events-in-next.of"),
        &format!("no step that holds a segment is called `{other}`"),
        &advise(other, &ids),
    )
}

/// A step cannot begin on a condition about itself, and only a held message names a segment to wait for.
fn check_conditions(step: &StepSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    InvalidValue::unless(
        matches!(step.begin, Condition::At(_) | Condition::Boundaries(_)),
        &place("begin"),
        "a step cannot begin on this condition",
        "begin `at` a time after the start of the load, or after a number of `boundaries`",
    )?;
    let of_segment = matches!(step.until, Condition::OthersCommitted | Condition::EventsInNext { .. });
    InvalidValue::unless(
        !of_segment || step.fault.withholds_a_segment(),
        &place("until"),
        "this fault does not concern a segment, so it cannot wait for one",
        "end `at` a time after the start of the load, `after` a time in force, or after `boundaries`",
    )
}
