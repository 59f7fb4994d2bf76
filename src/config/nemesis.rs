//! Reads nemesis plans: one TOML file each, under `nemesis/`.

use super::catalogue::{EmbeddedFile, NEMESES};
use super::document::ConfigFile;
use super::error::InvalidValue;
use super::file_schema;
use super::settings::{choice, number, time};
use dissent_core::generator::swarm::is_drawable;
use dissent_core::history::fault::{Condition, FaultKind, NetworkMode, is_of};
use dissent_core::history::nemesis::{Ending, Nemesis, Select, StepSpec, Swarm};
use dissent_core::history::time::Nanos;
use dissent_core::nearest::advise;
use std::ops::RangeInclusive;

/// `--set until.STEP=TIME`: the step ends this long after its begin.
const UNTIL: &str = "until.";
/// `--set measure.STEP=N`: the number of the step's fault, such as the timestamps of a lag.
const MEASURE: &str = "measure.";
/// Maximum number of timestamps by which a writer lags.
const LAG_MAX: u64 = 1_000_000;
/// Maximum delay of a queue, in milliseconds.
const DELAY_MS_MAX: u64 = 600_000;
/// The most messages a second to which a network is throttled: above, nothing would be.
const MESSAGES_MAX: u64 = 1_000;
/// The most times longer that a slow node takes.
const TIMES_SLOWER_MAX: u64 = 1_000;
/// The farthest that a clock jumps, in milliseconds: a year.
const JUMP_MS_MAX: u64 = 31_536_000_000;
/// Maximum number of steps that are drawn.
const STEPS_MAX: u32 = 100;
/// How long a drawn step may last, and within which time drawn steps may begin, in nanoseconds.
const SWARM_TIMES: RangeInclusive<u64> = 100_000_000..=3_600_000_000_000;

impl ConfigFile for Nemesis {
    const KIND: &'static str = "nemesis plan";
    const FOLDER: &'static str = "nemesis";
    const CATALOGUE: &'static [EmbeddedFile] = NEMESES;
    const SCHEMA: &'static str = file_schema::NEMESIS;
    const SETTINGS: &'static [&'static str] = &["ending", "reload", "tail", "min-exposure"];

    const PREFIXES: &'static [&'static str] = &[UNTIL, MEASURE];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "ending" => self.ending = choice(value)?,
            "reload" => self.reload = value.parse().map_err(|_| "write `true` or `false`".to_owned())?,
            "tail" => self.tail = time(value)?,
            "min-exposure" => self.min_exposure = number(value)?,
            _ => match (key.strip_prefix(UNTIL), key.strip_prefix(MEASURE)) {
                (Some(id), _) => step_of(self, id)?.until = Condition::After(time(value)?),
                (None, Some(id)) => set_measure(step_of(self, id)?, number(value)?)?,
                (None, None) => return Err("not a setting of a nemesis plan".to_owned()),
            },
        }
        Ok(())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let steps = self.steps.iter().enumerate().flat_map(|(at, step)| {
            let earlier = check_step(step, at, &self.steps[..at]);
            earlier.into_iter().chain([check_segment_waited_for(step, at, &self.steps)])
        });
        let swarm = self.swarm.iter().flat_map(|swarm| check_swarm(swarm, &self.steps));
        steps.chain(swarm).chain(check_ending(self)).filter_map(Result::err).collect()
    }
}

/// The step that a setting names.
fn step_of<'p>(plan: &'p mut Nemesis, id: &str) -> Result<&'p mut StepSpec, String> {
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let no_step = || format!("the plan has no step `{id}`: {}", advise(id, &ids));
    let at = ids.iter().position(|known| *known == id).ok_or_else(no_step)?;
    Ok(&mut plan.steps[at])
}

fn set_measure(step: &mut StepSpec, to: u64) -> Result<(), String> {
    let measure = step.fault.measure_mut();
    *measure.ok_or_else(|| format!("the fault of `{}` has no number to set", step.id))? = to;
    Ok(())
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

/// Steps are drawn or given, and what is drawn has an end.
fn check_swarm(swarm: &Swarm, steps: &[StepSpec]) -> [Result<(), InvalidValue>; 5] {
    let time = |field: &str, time: Nanos| {
        let place = format!("swarm.{field}");
        InvalidValue::unless(SWARM_TIMES.contains(&time.0), &place, "no such time", "write 100ms to 1h")
    };
    let never = swarm.faults.iter().find(|kind| !is_drawable(**kind));
    [
        InvalidValue::unless(
            steps.is_empty(),
            "swarm",
            "the steps are given, so none is drawn",
            "remove the steps, or the table `swarm`",
        ),
        InvalidValue::unless(
            (1..=STEPS_MAX).contains(&swarm.steps),
            "swarm.steps",
            &format!("up to {} steps", swarm.steps),
            &format!("write 1 to {STEPS_MAX}"),
        ),
        time("within", swarm.within),
        time("lasts", swarm.lasts),
        InvalidValue::unless(
            never.is_none(),
            "swarm.faults",
            &format!("`{}` cannot be drawn", never.map_or("", |kind| kind.name())),
            "write a plan with steps for it",
        ),
    ]
}

fn check_step(step: &StepSpec, at: usize, earlier: &[StepSpec]) -> [Result<(), InvalidValue>; 10] {
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
        check_name(step, earlier, &place),
        check_select(step, earlier, &place),
        check_repeat(step, &place),
        InvalidValue::unless(
            step.partition.is_none() || !step.fault.is_of_all_partitions(),
            &place("partition"),
            "this fault hits every partition of its replica",
            "remove the partition",
        ),
        check_measure(step, &place),
        check_command(step, &place),
        check_conditions(step, &place),
        check_after_step(step, earlier, &place),
    ]
}

/// A step with several faults gives each a name of its own.
fn check_name(
    step: &StepSpec,
    earlier: &[StepSpec],
    place: &impl Fn(&str) -> String,
) -> Result<(), InvalidValue> {
    let clashes = |other: &&StepSpec| {
        let (own, theirs) = (step.id.as_str(), other.id.as_str());
        let (of_own, of_theirs) = (has_several(step, earlier), has_several(other, earlier));
        own != theirs && (of_own && is_of(theirs, own) || of_theirs && is_of(own, theirs))
    };
    let other = earlier.iter().find(clashes).map(|other| other.id.as_str()).unwrap_or_default();
    let problem =
        format!("`{}` or `{other}` has several faults, and one would be called as the other", step.id);
    InvalidValue::unless(other.is_empty(), &place("id"), &problem, "give one of them another name")
}

/// Whether a step of a plan has several faults.
fn has_several(step: &StepSpec, earlier: &[StepSpec]) -> bool {
    step.repeat.is_some() || hits_several(step, earlier)
}

/// Whether a step of a plan hits several replicas at once.
fn hits_several(step: &StepSpec, earlier: &[StepSpec]) -> bool {
    let Select::SameAs(other) = &step.select else { return step.select.is_of_several() };
    let at = earlier.iter().position(|step| step.id == *other);
    at.is_some_and(|at| hits_several(&earlier[at], &earlier[..at]))
}

/// A step can only refer to the victims of an earlier one, which are the same all the time.
fn check_select(
    step: &StepSpec,
    earlier: &[StepSpec],
    place: &impl Fn(&str) -> String,
) -> Result<(), InvalidValue> {
    InvalidValue::unless(
        !step.select.is_of_several() || step.fault.can_hit_several(),
        &place("select"),
        "this fault is of one replica, or of all by itself",
        "select `one`",
    )?;
    let Some(other) = step.select.refers_to() else { return Ok(()) };
    let ids: Vec<&str> = earlier.iter().map(|step| step.id.as_str()).collect();
    let help = match ids.as_slice() {
        [] => "the first step must select `one`, `first`, `last` or a `replica`".to_owned(),
        ids => advise(other, ids),
    };
    let field = if matches!(step.select, Select::Not(_)) { "select.not" } else { "select.same-as" };
    let problem = format!("no earlier step is called `{other}`");
    InvalidValue::unless(ids.contains(&other.as_str()), &place(field), &problem, &help)?;
    let hits_role = |id: &str| earlier.iter().any(|step| step.id == id && step.select.role().is_some());
    InvalidValue::unless(
        !matches!(step.select, Select::Not(_)) || !hits_role(other),
        &place(field),
        &format!("which replica `{other}` hits is only known when it begins"),
        "select `same-as`, or let that step select `one`",
    )?;
    let repeated = earlier.iter().any(|step| step.id == *other && step.repeat.is_some());
    let problem = format!("`{other}` is repeated, and each time its victims are drawn anew");
    InvalidValue::unless(!repeated, &place(field), &problem, "refer to a step that is done once")?;
    InvalidValue::unless(
        !hits_several(step, earlier) || step.fault.can_hit_several(),
        &place(field),
        &format!("`{other}` hits several replicas, and this fault is of one"),
        "select `one`",
    )
}

/// The most that a step is done.
const TIMES_MAX: u32 = 1_000;

/// A step that is done again must end by itself, each time anew.
fn check_repeat(step: &StepSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let Some(repeat) = step.repeat else { return Ok(()) };
    InvalidValue::unless(
        (2..=TIMES_MAX).contains(&repeat.times),
        &place("repeat.times"),
        &format!("{} times", repeat.times),
        &format!("write 2 to {TIMES_MAX}, or remove `repeat`"),
    )?;
    InvalidValue::unless(
        matches!(step.until, Condition::After(_)),
        &place("until"),
        "a step that is repeated ends on a condition that stays true",
        "end it `after` a time in force",
    )?;
    InvalidValue::unless(
        step.fault.can_hit_several(),
        &place("repeat"),
        "this fault can be done once in a run",
        "remove `repeat`",
    )
}

/// A step can wait only for an earlier one, so that no two wait for each other.
fn check_after_step(
    step: &StepSpec,
    earlier: &[StepSpec],
    place: &impl Fn(&str) -> String,
) -> Result<(), InvalidValue> {
    for (field, condition) in [("begin", &step.begin), ("until", &step.until)] {
        let Condition::AfterStep { step: other, .. } = condition else { continue };
        let ids: Vec<&str> = earlier.iter().map(|step| step.id.as_str()).collect();
        InvalidValue::unless(
            ids.contains(&other.as_str()),
            &place(&format!("{field}.after-step.step")),
            &format!("no earlier step is called `{other}`"),
            &advise(other, &ids),
        )?;
    }
    Ok(())
}

/// A fault of size 0 would change nothing.
fn check_measure(step: &StepSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let (measure, range, what) = match step.fault {
        FaultKind::Lag { timestamps } => (timestamps, 0..=LAG_MAX, "timestamps"),
        FaultKind::DelayQueue { ms, .. } | FaultKind::Network { mode: NetworkMode::DelayMs(ms), .. } => {
            (ms, 1..=DELAY_MS_MAX, "milliseconds")
        }
        FaultKind::Network { mode: NetworkMode::DropPercent(percent), .. } => (percent, 1..=99, "percent"),
        FaultKind::Network { mode: NetworkMode::ThrottlePerSecond(messages), .. } => {
            (messages, 1..=MESSAGES_MAX, "messages a second")
        }
        FaultKind::ClockJump { ms } => (ms.unsigned_abs(), 1..=JUMP_MS_MAX, "milliseconds"),
        FaultKind::SlowNode { times } => (times, 2..=TIMES_SLOWER_MAX, "times"),
        _ => return Ok(()),
    };
    InvalidValue::unless(
        range.contains(&measure),
        &place("fault"),
        &format!("{} by {measure} {what}", step.fault.name()),
        &format!("write {} to {}", range.start(), range.end()),
    )
}

/// The words of a command reach a shell as they are.
fn check_command(step: &StepSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let FaultKind::Command(line) = step.fault else { return Ok(()) };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " -_.,:/%+=@".contains(letter);
    InvalidValue::unless(
        line.chars().any(|letter| letter != ' ') && line.chars().all(plain),
        &place("fault.command"),
        &format!("`{line}` is not the name of a fault and plain words for it"),
        "write the NAME of a [fault.NAME] of the target file, and words of letters, digits and -_.,:/%+=@",
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
        matches!(step.begin, Condition::At(_) | Condition::Boundaries(_) | Condition::AfterStep { .. }),
        &place("begin"),
        "a step cannot begin on this condition",
        "begin `at` a time after the start of the load, after a number of `boundaries`, or `after-step`",
    )?;
    let of_segment = matches!(step.until, Condition::OthersCommitted | Condition::EventsInNext { .. });
    InvalidValue::unless(
        !of_segment || step.fault.withholds_a_segment(),
        &place("until"),
        "this fault does not concern a segment, so it cannot wait for one",
        "end `at` a time after the start of the load, `after` a time in force, or after `boundaries`",
    )
}
