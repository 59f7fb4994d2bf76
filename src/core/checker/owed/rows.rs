//! The rows of every segment on every replica that is assigned it.

use super::after_faults::of_unsound;
use super::after_faults::{self, UnansweredRead};
use super::owed_read::OwedRead;
use super::owed_read::Reads;
use crate::checker::tables::history::{History, RowsRead};
use crate::checker::tables::segments::SegmentSpan;
use crate::checker::verdict::DoubtKind;
use crate::history::row::ReadValidity;

/// Adds what the replicas of one partition owe of their rows. Returns how many (replica, segment) pairs were
/// checked.
pub(super) fn owed(history: &History<'_>, reads: &Reads<'_>, owed_reads: &mut Vec<OwedRead>) -> u64 {
    let spans = &history.segments[reads.log_index.partition as usize];
    let Some(last) = history.captures.len().checked_sub(1) else { return 0 };
    let mut pairs = 0;
    for (segment, span) in spans.iter().enumerate() {
        for &replica in span.assigned(last) {
            pairs += 1;
            owed_reads.extend(SegmentRowsOwed { history, reads, span, segment, replica }.owed());
        }
    }
    pairs
}

/// A segment on a replica that is assigned it.
struct SegmentRowsOwed<'p> {
    history: &'p History<'p>,
    reads: &'p Reads<'p>,
    span: &'p SegmentSpan,
    segment: usize,
    replica: usize,
}

impl<'p> SegmentRowsOwed<'p> {
    fn owed(&self) -> Option<OwedRead> {
        let unsound = self.own_reads().filter(|read| read.header.soundness != ReadValidity::Sound);
        let offset = format!("segment {} of", self.span.seq);
        let unsound = unsound.filter(|read| !self.is_superseded(read));
        let reason = unsound.filter_map(|read| of_unsound(self.history, &read.header, &offset)).last();
        reason.or_else(|| self.unread()).or_else(|| self.shrunk())
    }

    /// The reads of rows of this segment on this replica, in order.
    fn own_reads(&self) -> impl Iterator<Item = &'p RowsRead> {
        self.history.reads_of((self.replica, self.reads.log_index.partition, self.span.seq))
    }

    /// Whether a later read returned what this one did not: a read of the same capture, one with the rows of
    /// the very same copy, or where only the newest rows are kept, any that reaches as far.
    ///
    /// ```text
    /// a router hides c while it lacks a segment: its rows cannot be read until the segment has arrived
    /// ```
    fn is_superseded(&self, read: &RowsRead) -> bool {
        let newest_only = self.history.meta.schema.rules.keeps_newest_only();
        self.own_reads().filter(|later| later.header.id > read.header.id).any(|later| {
            let reach = self.reads.timeline.read_to(self.history, later.header.id);
            reach.is_some_and(|reach| {
                later.header.capture == read.header.capture
                    || newest_only && reach >= read.held.end
                    || later.held.copy == read.held.copy && reach >= read.held.end
            })
        })
    }

    /// Entries that were never read on this replica, although it had settled, or although reads of the same
    /// copy lie below and above them.
    fn unread(&self) -> Option<OwedRead> {
        let Reads { log_index, timeline, .. } = self.reads;
        let held = timeline.held_at_last(self.segment, self.replica);
        let settled =
            self.history.settled == Some(true) && !after_faults::is_held(self.history, self.replica);
        let end = self.span.end.unwrap_or(u64::MAX).min(log_index.end());
        let parts = match (held, settled) {
            (None, false) => return None,
            (None, true) => vec![(self.span.start, end)],
            (Some(held), true) => vec![(self.span.start, held.start), (held.read_to, end)],
            (Some(held), false) => vec![(held.read_to, held.gap_to)],
        };
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|&(start, end)| start < end && log_index.count(start, end) > 0)
            .map(|(start, end)| format!("[{start}, {end})"))
            .collect();
        if parts.is_empty() || self.is_torn() {
            return None;
        }
        let silence = after_faults::silence(self.history, self.replica);
        if silence.as_ref().is_some_and(|silence| silence.is_reported) {
            return None;
        }
        let (kind, why) = self.why(held.is_some_and(|held| held.read_to < held.gap_to), silence);
        let partition = log_index.partition;
        let offsets = parts.join(" and ");
        let detail =
            format!("offsets {offsets} of {}, partition {partition}, were never read: {why}", self.span.name);
        Some(OwedRead { replica: self.replica, kind, detail, joins: true })
    }

    /// A copy that covers less than before. What it no longer covers was not judged again.
    fn shrunk(&self) -> Option<OwedRead> {
        let sound: Vec<&RowsRead> =
            self.own_reads().filter(|read| read.header.soundness == ReadValidity::Sound).collect();
        let shrinks = |pair: &&[&RowsRead]| {
            let (before, after) = (pair[0].held, pair[1].held);
            before.copy == after.copy && (after.end < before.end || after.start > before.start)
        };
        let pair = sound.windows(2).find(shrinks)?;
        let (before, after) = (pair[0].held, pair[1].held);
        let detail = format!(
            "its copy of {}, partition {}, covered [{}, {}), and later [{}, {})",
            self.span.name, self.reads.log_index.partition, before.start, before.end, after.start, after.end
        );
        Some(OwedRead { replica: self.replica, kind: DoubtKind::UnmetAssumption, detail, joins: true })
    }

    /// Why no read returned them, as far as the record shows.
    fn why(&self, has_gap: bool, silence: Option<UnansweredRead<'_>>) -> (DoubtKind, String) {
        let capture = |read: &RowsRead| self.history.captures[read.header.capture].number;
        if has_gap {
            return (DoubtKind::Unread, "later reads of the same copy begin above them".to_owned());
        }
        if let Some(silence) = silence {
            return (DoubtKind::Unreadable, format!("it did not say what it covers: {}", silence.error));
        }
        let why = match self.own_reads().last() {
            None => "no read of it is on record".to_owned(),
            Some(read) if read.header.soundness == ReadValidity::CopyChanged => {
                format!("the copy changed each time that it was read in capture {}", capture(read))
            }
            Some(read) if !read.held.is_visible() => {
                format!("in capture {} it was not registered yet", capture(read))
            }
            Some(read) => {
                format!("in capture {} it covered [{}, {})", capture(read), read.held.start, read.held.end)
            }
        };
        (DoubtKind::Unread, why)
    }

    /// Whether a read of it is torn on disk, which is reported as damage.
    fn is_torn(&self) -> bool {
        self.own_reads().any(|read| self.reads.timeline.is_torn(read.header.id))
    }
}
