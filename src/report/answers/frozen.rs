//! The text of a finding on a frozen position or frontier: its status says that it runs, but it has stopped.

use super::answer::{Answer, basis, certainty, steps};
use super::freeze_explanation;
use super::frontier_order::{preceding_event, whose};
use super::known_issues::novelty;
use crate::report::format::{Clock, count, counted, joined, printable, span};
use dissent_core::checker::verdict::{
    Finding, FreezeCourse, FreezeVisibility, Frozen, NotVisible, ObjectKind, StatusCause, Verdict,
};

/// The finding in one sentence.
pub(in crate::report) fn headline(f: &Frozen) -> String {
    let status = printable(&f.status);
    let replica = f.replica.as_deref().unwrap_or("no replica");
    if let (ObjectKind::ConsumingPosition, Some(partition)) = (f.kind, f.partition) {
        return format!(
            "frozen: {replica} is stuck at offset {} of partition {partition} while the log continues to {}; \
             its status says `{status}`",
            count(f.position),
            count(f.log_end),
        );
    }
    let is = if f.course == FreezeCourse::Sticky { "is" } else { "was" };
    let hidden =
        if f.grade == FreezeVisibility::Latent { " (latent: what it feeds advances without it)" } else { "" };
    let pinned = match f.pinned_by.is_empty() {
        true => String::new(),
        false => format!(", pinned by {},", joined(&f.pinned_by)),
    };
    let (object, at, end) = (printable(&f.object), count(f.position), count(f.log_end));
    format!(
        "frozen: {object} {is} stuck at {at}{pinned} while its upstream continues to {end}{hidden}; its \
         status says `{status}`"
    )
}

/// All answers on a frozen position or frontier.
pub(in crate::report) fn answers(
    f: &Frozen,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
    let real = format!(
        "yes: {} over {} show the same position; more than {} counts as frozen",
        counted(f.samples, "sample"),
        span(f.watched),
        span(f.threshold),
    );
    let replica = match (f.partition, f.replica.as_deref()) {
        (Some(partition), Some(replica)) => format!("{replica}, partition {partition}"),
        (_, None) if !f.pinned_by.is_empty() => {
            let (feed, have) =
                if f.pinned_by.len() == 1 { ("it feeds", "has") } else { ("they feed", "have") };
            format!("{} ({feed} `{}`, and {have} stopped)", joined(&f.pinned_by), printable(&f.object))
        }
        (_, replica) => whose(&f.object, replica),
    };
    let mut answers = vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", replica),
        Answer::new("Since when?", "since when", clock.both(f.since)).because(vec![moved(f, clock)]),
        data(f),
        Answer::new("Is it resolved?", "resolved", course(f))
            .because(std::iter::once(status(f)).chain(freeze_explanation::restart(f)).collect()),
        novelty(finding, verdict),
        next_steps(f),
        sureness(f, verdict),
    ];
    let explained = [freeze_explanation::cause(f, clock), freeze_explanation::behind(f, clock)];
    answers.splice(SINCE_WHEN + 1..SINCE_WHEN + 1, explained.into_iter().flatten());
    answers
}

/// The place of the answer to "since when" among the answers. Why it does not move comes right after it.
const SINCE_WHEN: usize = 2;

/// The last move, and what happened just before the stop.
fn moved(f: &Frozen, clock: &Clock) -> String {
    let last = match f.last_move {
        Some(it) => {
            format!("It last moved from {} to {}, {}", count(it.from), count(it.to), clock.both(it.t))
        }
        None => "It was never seen moving: it may have stopped before the first sample".to_owned(),
    };
    format!("{last}. Just before it stopped: {}.", preceding_event(f.before.as_ref(), clock))
}

fn data(f: &Frozen) -> Answer {
    let position = count(f.position);
    let short = match (f.kind, f.invisible, f.grade) {
        (ObjectKind::ConsumingPosition, behind, _) => format!(
            "{} from offset {position} on; queries on this replica do not see them",
            counted(behind.unwrap_or(0), "log entry"),
        ),
        (_, None, _) => format!("everything after {position}; its upstream counts in other units"),
        (_, Some(behind), FreezeVisibility::Visible) => {
            let seen =
                if f.course == FreezeCourse::Sticky { "sees them" } else { "saw them until it resumed" };
            format!("{} from {position} on: no reader {seen}", counted(behind, "timestamp"))
        }
        (_, Some(behind), FreezeVisibility::Latent) => format!(
            "{} from {position} on; readers see them only because another process writes them",
            counted(behind, "timestamp"),
        ),
    };
    let segment = f.segment.iter().map(|segment| format!("Segment: {segment}."));
    let upstream = format!("Its upstream has advanced by {} since then.", count(f.upstream_moved));
    let unseen = f.unseen.iter().map(not_visible);
    Answer::new("Which data, and do users see it?", "which data", short)
        .because(segment.chain([upstream]).chain(unseen).collect())
}

fn not_visible(NotVisible { from, entries, keys }: &NotVisible) -> String {
    let (entries, keys) = (counted(*entries, "log entry"), counted(*keys, "key"));
    format!("At the last capture, {entries} ({keys}) from offset {} on were missing from it.", count(*from))
}

fn course(f: &Frozen) -> String {
    match (f.course, f.grade) {
        (FreezeCourse::Sticky, FreezeVisibility::Visible) => {
            "no: it was still stuck when the run ended, and the gap grows with every write"
        }
        (FreezeCourse::Sticky, FreezeVisibility::Latent) => {
            "no: it was still stuck when the run ended; readers will miss data once the others stop"
        }
        (FreezeCourse::SelfHealed, _) => "yes: it resumed by itself; until then, readers had to wait",
        (FreezeCourse::ClearedByRestart, _) => "only by a restart: it resumed in a new incarnation",
    }
    .to_owned()
}

fn status(f: &Frozen) -> String {
    let (then, last) = (printable(&f.status_at_freeze), printable(&f.status));
    match f.cause {
        StatusCause::Silent => {
            format!("Silent: its status was `{then}` when it stopped, and `{last}` at the end.")
        }
        StatusCause::Shown => {
            format!("Its status shows a cause: `{then}` when it stopped, `{last}` at the end.")
        }
    }
}

fn next_steps(f: &Frozen) -> Answer {
    let whose = match (&f.replica, f.pinned_by.is_empty()) {
        (Some(replica), _) => replica.clone(),
        (None, false) => joined(&f.pinned_by),
        (None, true) => f.object.clone(),
    };
    let save = match f.course {
        FreezeCourse::ClearedByRestart => {
            format!("save the logs and status of {whose}: no other evidence is left after the restart")
        }
        _ => format!(
            "save the logs, thread dumps and status of {whose}: a restart may clear the freeze and \
             destroy the evidence"
        ),
    };
    let keep = format!("make sure retention does not delete offset {} and later", count(f.position));
    steps(match (f.partition, f.grade) {
        (Some(partition), _) => {
            vec![save, keep, format!("route queries for partition {partition} to the other replicas")]
        }
        (None, FreezeVisibility::Visible) if f.course == FreezeCourse::Sticky => {
            vec![save, format!("then restart {whose}")]
        }
        (None, FreezeVisibility::Visible) => vec![save],
        (None, FreezeVisibility::Latent) => {
            vec![save, "keep the other writers running: without them, readers see nothing new".to_owned()]
        }
    })
}

fn sureness(f: &Frozen, verdict: &Verdict) -> Answer {
    let ground = match f.baseline {
        true => "the threshold comes from this run's own progress intervals".to_owned(),
        false => format!(
            "fewer than 30 progress intervals were seen, so the default threshold of {} was used",
            span(f.threshold)
        ),
    };
    let otherwise = match f.course {
        FreezeCourse::Sticky => "Wrong if it resumes later without help",
        _ => "Wrong if the target may legitimately stop for this long",
    };
    let unshown = freeze_explanation::otherwise(f).map_or(String::new(), |it| format!("; {it}"));
    certainty(format!("{ground}. {otherwise}{unshown}"), verdict)
}
