//! The facts of the run: what was tested with what, and the schedule as drawn and as it went.

use super::timeline::{FaultBar, Timeline};
use crate::report::format::{Clock, count, counted, joined, listed, name, shortened, span};
use dissent_core::history::fault::{Condition, FaultKind, Step, Transition};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::Role;
use maud::{Markup, html};

/// Steps and settings shown; the rest is counted.
const LINES_MAX: usize = 40;

/// The section on the run.
pub(super) fn section(meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    html! {
        section {
            h2 { "The run" }
            table.pairs { tbody { @for (label, text) in pairs(meta, timeline) {
                tr { th scope="row" { (label) } td { (shortened(&text, 600)) } }
            } } }
            @if !meta.steps.is_empty() {
                h3 { "Schedule" }
                p.lead { "Drawn from the seed. What really happened, and when, is in the last two columns." }
                (schedule(meta, timeline, clock))
            }
            h3 { "Columns" }
            (columns(meta))
        }
    }
}

fn pairs(meta: &RunMeta, timeline: &Timeline) -> Vec<(&'static str, String)> {
    let settings: Vec<_> = meta.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let (ok, not_ok) = timeline.completed();
    let mut pairs = vec![
        ("target", format!("{}, version {}", meta.target, meta.target_version)),
        ("settings", listed(&settings, LINES_MAX)),
        ("replicas", listed(&meta.roster, LINES_MAX)),
        ("partitions", meta.partitions.to_string()),
        ("workload", format!("{}: {}", meta.workload.name, meta.workload.hunts)),
        ("nemesis", format!("{}: {}", meta.nemesis.name, meta.nemesis.hunts)),
        ("ending", name(&meta.nemesis.ending)),
        (
            "writes",
            format!(
                "{} invoked at {} a second: {} ok, {} failed or unknown",
                counted(timeline.invoked, "op"),
                count(meta.workload.rate_hz.into()),
                count(ok),
                count(not_ok),
            ),
        ),
        ("calibration", counted(meta.calibration_ops, "op")),
        ("length", span(timeline.end)),
        ("settled", settled(timeline)),
        ("captures", captures(timeline)),
        ("columns left out", joined(&meta.left_out)),
        ("provenance", name(&meta.schema.provenance)),
    ];
    match meta.simulated {
        true => pairs.push(("time", "virtual: the cluster was simulated".to_owned())),
        false => pairs.push(("started", meta.started.clone())),
    }
    pairs.push(("seed", meta.seed.0.to_string()));
    pairs
}

fn settled(timeline: &Timeline) -> String {
    match timeline.settled {
        Some((true, waited)) => format!("yes, after {}", span(waited)),
        Some((false, waited)) => format!("no, given up after {}", span(waited)),
        None => "not reached".to_owned(),
    }
}

fn captures(timeline: &Timeline) -> String {
    let reasons: Vec<_> =
        timeline.captures.iter().map(|(capture, _, reason)| format!("{capture} {}", name(reason))).collect();
    format!("{} ({})", reasons.len(), listed(&reasons, 12))
}

fn schedule(meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "step" } th { "what" } th { "where" } th { "begins" } th { "ends" }
                        th { "began" } th { "cured" }
                    }
                }
                tbody {
                    @for step in meta.steps.iter().take(LINES_MAX) {
                        @let window = timeline.fault_bars.iter().find(|window| window.step == step.id);
                        tr {
                            th scope="row" { (step.id) }
                            td { (fault_words(step.kind)) }
                            td { (place(step)) }
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
            p { (counted((meta.steps.len() - LINES_MAX) as u64, "step")) " more in schedule.jsonl." }
        }
    }
}

fn place(step: &Step) -> String {
    match step.partition {
        Some(partition) => format!("{}, partition {partition}", step.replica),
        None => step.replica.clone(),
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

fn fault_words(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::HoldMessage(Transition::OfflineToConsuming) => "hold the message to consume the segment",
        FaultKind::HoldMessage(Transition::ConsumingToOnline) => "hold the message to register the segment",
        FaultKind::Restart => "kill, and start again",
        FaultKind::Pause => "stop, and let go on",
        FaultKind::CommitWinner => "let this replica win the next commit",
        FaultKind::SlowDownload => "keep the copy of the segment from whoever fetches it",
        FaultKind::Rebalance => "move the partition to another replica",
        FaultKind::PauseConsumption => "pause consumption, and resume it",
        FaultKind::Reload => "load the committed copy on every replica",
        FaultKind::SecondWriter => "start this writer beside the others",
        FaultKind::DropWriter => "end this writer for good",
        FaultKind::Cutover => "start it anew, read-only; then promote it and end all others",
        FaultKind::Lag { .. } => "keep the input of this writer behind",
        FaultKind::DelayQueue { .. } => "slow one of this writer's queues",
    }
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::At(t) => format!("{} into the load", span(*t)),
        Condition::Boundaries(n) => format!("{} into the load", counted((*n).into(), "boundary")),
        Condition::OthersCommitted => "when all others committed the segment".to_owned(),
        Condition::EventsInNext { events, or_after } => {
            let entries = counted(*events, "entry");
            format!("when the next segment has {entries}, or is {} old", span(*or_after))
        }
        Condition::After(t) => format!("{} after it began", span(*t)),
    }
}

fn columns(meta: &RunMeta) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "column" } th { "type" } th { "merge" } th { "for" } } }
                tbody {
                    tr {
                        th scope="row" { (meta.schema.comparison) }
                        td { "long" }
                        td { "the larger or equal wins" }
                        td { "comparison" }
                    }
                    @for column in meta.schema.columns.iter().take(LINES_MAX) {
                        tr {
                            th scope="row" { (column.name) }
                            td { (name(&column.ty)) }
                            td { (name(&column.merge)) }
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
        Role::Ops => "provenance: ids of the ops merged",
        Role::OpCount => "provenance: number of ops merged",
        Role::OpSum => "provenance: sum over ops merged",
    }
}
