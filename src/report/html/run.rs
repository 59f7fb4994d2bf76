//! The facts of the run: what was tested, with which settings, and the schedule as planned and as executed.

use super::timeline::{FaultBar, Timeline};
use crate::report::format::{Clock, count, counted, joined, listed, shortened, span};
use dissent_core::history::fault::{Condition, FaultKind, SegmentStage, Step, StepEdge, VictimRole};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::Role;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use maud::{Markup, html};

/// Steps and settings shown; the rest is counted.
const LINES_MAX: usize = 40;

/// The section on the run.
pub(super) fn section(meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    html! {
        section id="run" {
            h2 { "The run" }
            table.pairs { tbody { @for (label, text) in pairs(meta, timeline) {
                tr { th scope="row" { (label) } td { (shortened(&text, 600)) } }
            } } }
            @if !meta.steps.is_empty() {
                h3 { "Schedule" }
                p.lead { "Drawn from the seed. The last two columns show what actually happened." }
                (schedule(meta, timeline, clock))
            }
            h3 { "Columns" }
            (columns(meta))
        }
    }
}

/// The name of a file, and what it hunts if it says so.
fn hunting(name: &str, hunts: &str) -> String {
    if hunts.is_empty() { name.to_owned() } else { format!("{name}: {hunts}") }
}

fn pairs(meta: &RunMeta, timeline: &Timeline) -> Vec<(&'static str, String)> {
    let settings: Vec<_> = meta.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let (ok, not_ok) = timeline.completions.completed();
    let mut pairs = vec![
        ("target", format!("{}, version {}", meta.target, meta.target_version)),
        ("settings", listed(&settings, LINES_MAX)),
        ("replicas", listed(&meta.roster, LINES_MAX)),
        ("partitions", meta.partitions.to_string()),
        ("workload", hunting(&meta.workload.name, &meta.workload.hunts)),
        ("nemesis", hunting(&meta.nemesis.name, &meta.nemesis.hunts)),
        ("ending", stored_name(&meta.nemesis.ending)),
        (
            "writes",
            format!(
                "{} at {} per second: {} ok, {} failed or unknown",
                counted(timeline.completions.invoked, "op"),
                count(meta.workload.rate_hz.into()),
                count(ok),
                count(not_ok),
            ),
        ),
        ("calibration", counted(meta.calibration_ops, "op")),
        ("duration", span(timeline.end)),
        ("replicas caught up", settled(timeline)),
        ("captures", captures(timeline)),
        ("columns not used", joined(&meta.left_out)),
        ("provenance", stored_name(&meta.schema.provenance)),
    ];
    match meta.simulated {
        true => pairs.push(("time", "virtual (simulated cluster)".to_owned())),
        false => pairs.push(("started", meta.started.clone())),
    }
    pairs.push(("seed", meta.seed.0.to_string()));
    pairs
}

fn settled(timeline: &Timeline) -> String {
    match timeline.settled {
        Some((true, waited)) => format!("yes, after {}", span(waited)),
        Some((false, waited)) => format!("no, waited for {}", span(waited)),
        None => "run ended before".to_owned(),
    }
}

fn captures(timeline: &Timeline) -> String {
    let reasons: Vec<_> = timeline
        .captures
        .iter()
        .map(|(capture, _, reason)| format!("{capture} {}", stored_name(reason)))
        .collect();
    format!("{} ({})", reasons.len(), listed(&reasons, 12))
}

fn schedule(meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Schedule" {
            table {
                thead {
                    tr {
                        th { "step" } th { "fault" } th { "replica" } th { "planned start" }
                        th { "planned end" } th { "began" } th { "ended" }
                    }
                }
                tbody {
                    @for step in meta.steps.iter().take(LINES_MAX) {
                        @let window = timeline.fault_bars.iter().find(|window| window.step == step.id);
                        tr {
                            th scope="row" { (step.id) }
                            td { (planned_fault(step.kind)) }
                            td { (place(step, window)) }
                            td { (condition(&step.begin)) }
                            td { (condition(&step.until)) }
                            td { (began(window, clock)) }
                            td { (cured(window, clock)) }
                        }
                    }
                }
            }
        }
        @if meta.steps.len() > LINES_MAX {
            p { (counted((meta.steps.len() - LINES_MAX) as u64, "more step")) " in schedule.jsonl." }
        }
    }
}

/// A fault and its cure in a few words.
fn planned_fault(kind: FaultKind) -> Markup {
    html! {
        (kind.spec().schedule)
        @if let FaultKind::Command(line) = kind { ": " code { (line) } }
    }
}

fn place(step: &Step, window: Option<&FaultBar>) -> String {
    let replica = match (&step.role, window) {
        (None, _) => step.replica.clone(),
        (Some(role), Some(window)) => format!("{} ({})", window.replica, role_words(role)),
        (Some(role), None) => role_words(role),
    };
    match step.partition {
        Some(partition) => format!("{replica}, partition {partition}"),
        None => replica,
    }
}

fn role_words(role: &VictimRole) -> String {
    match role {
        VictimRole::Leader => "the leader".to_owned(),
        VictimRole::HolderOf(SegmentStage::Consuming) => "holds what is consumed".to_owned(),
        VictimRole::HolderOf(SegmentStage::Committed) => "holds what was committed last".to_owned(),
        VictimRole::VictimOf(other) => format!("the same as {other}"),
    }
}

fn began(window: Option<&FaultBar>, clock: &Clock) -> String {
    window.map_or_else(|| "never".to_owned(), |window| clock.both(window.begin))
}

fn cured(window: Option<&FaultBar>, clock: &Clock) -> String {
    match window {
        None => "–".to_owned(),
        Some(FaultBar { error: Some(error), .. }) => format!("failed: {}", shortened(error, 200)),
        Some(FaultBar { end: Some(end), .. }) => clock.both(*end),
        Some(_) => "not seen".to_owned(),
    }
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::At(Nanos(0)) => "at the start of the load".to_owned(),
        Condition::At(t) => format!("{} into the load", span(*t)),
        Condition::Boundaries(n) => format!("after {}", counted((*n).into(), "segment boundary")),
        Condition::OthersCommitted => "when all others have committed the segment".to_owned(),
        Condition::EventsInNext { events, or_after, of } => {
            let entries = counted(*events, "entry");
            let next = match of {
                Some(step) => format!("segment after that of {step}"),
                None => "next segment".to_owned(),
            };
            format!("when the {next} has {entries}, or is {} old", span(*or_after))
        }
        Condition::After(t) => format!("{} after it began", span(*t)),
        Condition::AfterStep { step, edge, wait } => {
            let edge = if *edge == StepEdge::End { "is over" } else { "is in force" };
            match wait {
                Nanos(0) => format!("when {step} {edge}"),
                wait => format!("{} after {step} {edge}", span(*wait)),
            }
        }
    }
}

fn columns(meta: &RunMeta) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Columns" {
            table {
                thead { tr { th { "column" } th { "type" } th { "merge" } th { "for" } } }
                tbody {
                    tr {
                        th scope="row" { (meta.schema.comparison) }
                        td { "long" }
                        td { "the higher value wins, and the later row on a tie" }
                        td { "comparison" }
                    }
                    @for column in meta.schema.columns.iter().take(LINES_MAX) {
                        tr {
                            th scope="row" { (column.name) }
                            td { (stored_name(&column.ty)) }
                            td { (stored_name(&column.merge)) }
                            td { (role(column.role)) }
                        }
                    }
                }
            }
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Data => "data",
        Role::Ops => "provenance: ids of the merged ops",
        Role::OpCount => "provenance: number of merged ops",
        Role::OpSum => "provenance: sum over the merged ops",
    }
}
