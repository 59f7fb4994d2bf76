//! Whether a replica was seen again after its last disturbance, and what excuses it if not.

use super::owed_read::OwedRead;
use crate::checker::tables::history::{FaultSpan, History, ReadHeader};
use crate::checker::verdict::DoubtKind;
use crate::history::row::ReadValidity;
use crate::history::time::Nanos;

/// Adds the replicas that a fault of ours took down and of which nothing was read since they came back.
pub(super) fn owed(history: &History<'_>, owed_reads: &mut Vec<OwedRead>) {
    for replica in 0..history.meta.roster.len() {
        let is_reported = owed_reads.iter().any(|owed_read| owed_read.replica == replica);
        let was_seen = sound_reads(history, replica).next().is_some() || history.settled == Some(true);
        if let Some(step) = unseen_since(history, replica).filter(|_| !is_reported && was_seen) {
            let detail = format!("nothing was read of it since step {step} was cured");
            owed_reads.push(OwedRead { replica, kind: DoubtKind::Unread, detail, joins: true });
        }
    }
}

/// Whether a fault of ours explains that a replica did not answer a read: the fault was in force or had only
/// just ended, and there was no later opportunity to make up for the read that was missed.
pub(super) fn is_excused(history: &History<'_>, header: &ReadHeader) -> bool {
    history.restarting(header.replica, header.t) && unseen_since(history, header.replica).is_none()
}

/// Whether a fault of ours holds the replica back for good, since no cure of it is known to have worked.
pub(super) fn is_held(history: &History<'_>, replica: usize) -> bool {
    let holding = |span: &&FaultSpan| span.is_on(replica) && span.is_begun() && span.fault.kind.holds_back();
    history.faults.iter().filter(holding).any(|span| !matches!(span.cured, Some((_, Ok(())))))
}

/// A replica did not answer, and nothing was read of it since.
pub(super) struct UnansweredRead<'h> {
    /// The error in place of an answer.
    pub(super) error: &'h str,
    /// Whether it did not answer its position samples either, to the end. The `progress` check reports that.
    pub(super) is_reported: bool,
}

/// The last silence of a replica; `None` if something was read of it since.
pub(super) fn silence<'h>(history: &'h History<'_>, replica: usize) -> Option<UnansweredRead<'h>> {
    let (_, t, error) = history.silences.iter().rfind(|(silent, ..)| *silent == replica)?;
    let mut positions =
        history.frontier_samples.positions.iter().filter(|((of, _), _)| *of == replica).peekable();
    let is_reported = positions.peek().is_some()
        && positions.all(|(_, samples)| samples.last().is_some_and(|last| last.t < *t));
    (!sound_reads(history, replica).any(|seen| seen > *t)).then_some(UnansweredRead { error, is_reported })
}

/// The step of the last restart or pause of a replica, if a capture began after its cure and no read of the
/// replica since the cure counts.
fn unseen_since<'h>(history: &'h History<'_>, replica: usize) -> Option<&'h str> {
    let silencing =
        |span: &&FaultSpan| span.replica == Some(replica) && span.is_begun() && span.fault.kind.silences();
    let cured = |span: &'h FaultSpan| match span.cured {
        Some((t, Ok(()))) => Some((t, span.step.as_str())),
        _ => None,
    };
    let (t, step) = history.faults.iter().filter(silencing).filter_map(cured).max()?;
    let asked = history.captures.iter().any(|capture| capture.t > t);
    (asked && !sound_reads(history, replica).any(|seen| seen > t)).then_some(step)
}

/// When sound reads of a replica were made.
fn sound_reads(history: &History<'_>, replica: usize) -> impl Iterator<Item = Nanos> {
    let rows = history.reads.iter().map(|read| read.header);
    let flags = history.current_reads.iter().map(|read| read.header);
    let sound =
        move |header: &ReadHeader| header.replica == replica && header.soundness == ReadValidity::Sound;
    rows.chain(flags).filter(sound).map(|header| header.t)
}

/// The doubt about a read that did not count and that nothing made up for; `None` if the copy only changed
/// while it was read.
pub(super) fn of_unsound(history: &History<'_>, header: &ReadHeader, of: &str) -> Option<OwedRead> {
    let replica = &history.meta.roster[header.replica];
    let capture = history.captures[header.capture].number;
    let offset = format!("{of} partition {} on {replica}, capture {capture}", header.partition);
    let (kind, detail) = match header.soundness {
        ReadValidity::Truncated => (
            DoubtKind::TruncatedRead,
            format!("{offset}: {} rows are not the target's own count", header.count),
        ),
        ReadValidity::Failed if !is_excused(history, header) => {
            (DoubtKind::Unreadable, format!("{offset}: no answer"))
        }
        _ => return None,
    };
    Some(OwedRead { replica: header.replica, kind, detail, joins: false })
}
