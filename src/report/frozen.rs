//! A frozen position or frontier in words: it says that it runs, and has stopped.

use super::answers::{Answer, basis, certainty, steps};
use super::format::{Clock, count, counted, joined, printable, span};
use super::frontier_order::{preceding_event, whose};
use super::known::novelty;
use dissent_core::checker::verdict::{
    Finding, FreezeCourse, Frozen, Grade, NotVisible, ObjectKind, StatusCause, Verdict,
};

/// The finding in one sentence.
pub(super) fn headline(f: &Frozen) -> String {
    let status = printable(&f.status);
    let replica = f.replica.as_deref().unwrap_or("nobody");
    if let (ObjectKind::ConsumingPosition, Some(partition)) = (f.kind, f.partition) {
        return format!(
            "frozen: {replica} stands at offset {} of partition {partition} while the log goes on to {}; its \
             status says `{status}`",
            count(f.position),
            count(f.log_end),
        );
    }
    let stands = if f.course == FreezeCourse::Sticky { "stands" } else { "stood" };
    let hidden = if f.grade == Grade::Latent { " (latent: what it feeds goes on without it)" } else { "" };
    let pinned = match f.pinned_by.is_empty() {
        true => String::new(),
        false => format!(", pinned by {},", joined(&f.pinned_by)),
    };
    let (object, at, end) = (printable(&f.object), count(f.position), count(f.log_end));
    format!(
        "frozen: {object} {stands} at {at}{pinned} while its upstream goes on to {end}{hidden}; its status \
         says `{status}`"
    )
}

/// All answers on a frozen position or frontier.
pub(super) fn answers(f: &Frozen, finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let real = format!(
        "yes: {} saw one position for {}; more than {} counts as frozen",
        counted(f.samples, "sample"),
        span(f.watched),
        span(f.threshold),
    );
    let replica = match (f.partition, f.replica.as_deref()) {
        (Some(partition), Some(replica)) => format!("{replica}, partition {partition}"),
        (_, None) if !f.pinned_by.is_empty() => {
            format!("{}, which stands still and feeds {}", joined(&f.pinned_by), printable(&f.object))
        }
        (_, replica) => whose(&f.object, replica),
    };
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", replica),
        Answer::new("Since when?", "since when", clock.both(f.since)).because(vec![moved(f, clock)]),
        data(f),
        Answer::new("Is it spreading?", "spreading", course(f)).because(vec![status(f)]),
        novelty(finding, verdict),
        next_steps(f),
        sureness(f, verdict),
    ]
}

/// The last move, and what came just before the stop.
fn moved(f: &Frozen, clock: &Clock) -> String {
    let last = match f.last_move {
        Some(it) => {
            format!("It last moved from {} to {}, {}", count(it.from), count(it.to), clock.both(it.t))
        }
        None => "No move of it was seen: it may have stopped before anyone looked".to_owned(),
    };
    format!("{last}. Just before it stopped: {}.", preceding_event(f.before.as_ref(), clock))
}

fn data(f: &Frozen) -> Answer {
    let position = count(f.position);
    let short = match (f.kind, f.invisible, f.grade) {
        (ObjectKind::ConsumingPosition, behind, _) => format!(
            "{} from offset {position} on; a user's query on this replica lacks them",
            counted(behind.unwrap_or(0), "log entry"),
        ),
        (_, None, _) => format!("what came after {position}: its upstream counts something else"),
        (_, Some(behind), Grade::Visible) => {
            let seen =
                if f.course == FreezeCourse::Sticky { "sees them" } else { "saw them until it went on" };
            format!("{} from {position} on: no reader {seen}", counted(behind, "timestamp"))
        }
        (_, Some(behind), Grade::Latent) => format!(
            "{} from {position} on are not its work; readers see them as long as another does it",
            counted(behind, "timestamp"),
        ),
    };
    let segment = f.segment.iter().map(|segment| format!("Segment: {segment}."));
    let upstream = format!("Its upstream moved by {} since.", count(f.upstream_moved));
    let unseen = f.unseen.iter().map(not_visible);
    Answer::new("Which data, and do users see it?", "which data", short)
        .because(segment.chain([upstream]).chain(unseen).collect())
}

fn not_visible(NotVisible { from, entries, keys }: &NotVisible) -> String {
    let (entries, keys) = (counted(*entries, "log entry"), counted(*keys, "key"));
    format!("At the last capture it lacked {entries} from offset {} on, of {keys}.", count(*from))
}

fn course(f: &Frozen) -> String {
    match (f.course, f.grade) {
        (FreezeCourse::Sticky, Grade::Visible) => {
            "standing: it had not moved when the run ended; the gap grows with every write"
        }
        (FreezeCourse::Sticky, Grade::Latent) => {
            "standing: it had not moved when the run ended; readers will lack data once the others go"
        }
        (FreezeCourse::SelfHealed, _) => "healed: it moved on by itself; readers waited until then",
        (FreezeCourse::ClearedByRestart, _) => "cleared by a restart: it moved on in a new incarnation only",
    }
    .to_owned()
}

fn status(f: &Frozen) -> String {
    let (then, last) = (printable(&f.status_at_freeze), printable(&f.status));
    match f.cause {
        StatusCause::Silent => {
            format!("Silent: its status said `{then}` when it stopped, and `{last}` at last.")
        }
        StatusCause::Shown => {
            format!("Its status shows a cause: `{then}` when it stopped, `{last}` at last.")
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
            format!("save log and status of {whose}: a restart cleared it, and what is left is the proof")
        }
        _ => format!("save log, threads and status of {whose}: a restart may clear it, and the proof"),
    };
    let keep = format!("see that the input log keeps offset {}", count(f.position));
    steps(match (f.partition, f.grade) {
        (Some(partition), _) => vec![
            save,
            format!("{keep}: retention takes what is lacking"),
            format!("send queries for partition {partition} to the other replicas"),
        ],
        (None, Grade::Visible) if f.course == FreezeCourse::Sticky => {
            vec![save, format!("restart {whose} once that is done")]
        }
        (None, Grade::Visible) => vec![save],
        (None, Grade::Latent) => {
            vec![save, "keep the writers that go on: without them readers see nothing new".to_owned()]
        }
    })
}

fn sureness(f: &Frozen, verdict: &Verdict) -> Answer {
    let ground = match f.baseline {
        true => "the threshold comes from this run's own gaps between moves",
        false => "no baseline: under 30 gaps between moves were seen, so the threshold is the set floor",
    };
    let otherwise = match f.course {
        FreezeCourse::Sticky => "It would be overturned if it moves on by itself, only later",
        _ => "It would be overturned if its target may rightly stand still for so long",
    };
    certainty(format!("{ground}. {otherwise}"), verdict)
}
