//! A frozen position in words: the replica says that it runs, and has stopped.

use super::answers::{Answer, basis, certainty, novelty, steps};
use super::words::{Clock, count, counted, printable, span};
use crate::check::verdict::{Finding, Frozen, Verdict};

/// The finding in one sentence.
pub(super) fn headline(f: &Frozen) -> String {
    format!(
        "frozen: {} stands at offset {} of partition {} while the log goes on to {}; its status says `{}`",
        f.replica,
        count(f.position),
        f.partition,
        count(f.log_end),
        printable(&f.status),
    )
}

/// All answers on a frozen position.
pub(super) fn answers(f: &Frozen, finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let real = format!(
        "yes: {} saw one position for {}; more than {} counts as frozen",
        counted(f.samples, "sample"),
        span(f.watched),
        span(f.threshold),
    );
    let data = format!(
        "{} from offset {} on; a user's query on this replica lacks them",
        counted(f.log_end.saturating_sub(f.position), "log entry"),
        count(f.position),
    );
    let segment = f.segment.as_deref().unwrap_or("none");
    let spreading = "standing: it had not moved when the run ended; the gap grows with every write";
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", format!("{}, partition {}", f.replica, f.partition)),
        Answer::new("Since when?", "since when", clock.both(f.since)),
        Answer::new("Which data, and do users see it?", "which data", data)
            .because(vec![format!("Segment: {segment}.")]),
        Answer::new("Is it spreading?", "spreading", spreading.to_owned()),
        novelty(finding),
        next_steps(f),
        sureness(f, verdict),
    ]
}

fn next_steps(f: &Frozen) -> Answer {
    steps(vec![
        format!("save log, threads and status of {}: a restart may clear it, and the proof", f.replica),
        format!("see that the input log keeps offset {}: retention takes what is lacking", count(f.position)),
        format!("send queries for partition {} to the other replicas", f.partition),
    ])
}

fn sureness(f: &Frozen, verdict: &Verdict) -> Answer {
    let ground = match f.baseline {
        true => "the threshold comes from this run's own gaps between moves",
        false => "no baseline: under 30 gaps between moves were seen, so the threshold is the set floor",
    };
    certainty(
        format!("{ground}. It would be overturned if the replica moves on by itself, only later"),
        verdict,
    )
}
