//! The current flags of every replica that shows rows: read once completely in its last incarnation, and then
//! without a missing change.

use super::after_faults::of_unsound;
use super::owed_read::OwedRead;
use super::owed_read::Reads;
use crate::checker::safety::current_rows::ReadChain;
use crate::checker::tables::history::{CurrentRowsRead, History, ReadHeader};
use crate::checker::verdict::DoubtKind;
use crate::history::row::ReadValidity;
use std::collections::BTreeSet;

/// Adds what the replicas of one partition owe of their flags. Returns how many replicas were checked.
pub(super) fn owed(history: &History<'_>, reads: &Reads<'_>, owed_reads: &mut Vec<OwedRead>) -> u64 {
    let mut asked = 0;
    for replica in showing(history, reads) {
        asked += 1;
        owed_reads.extend(CurrentRowsOwed { history, reads, replica }.owed());
    }
    asked
}

/// The replicas that are assigned a part of the partition, and of which something there was read, or tried.
fn showing(history: &History<'_>, reads: &Reads<'_>) -> BTreeSet<usize> {
    let spans = &history.segments[reads.log_index.partition as usize];
    let last = history.captures.len().saturating_sub(1);
    let assigned = spans
        .iter()
        .enumerate()
        .flat_map(|(segment, span)| span.assigned(last).iter().map(move |&replica| (segment, replica)));
    let partition = reads.log_index.partition;
    let tried = |replica| {
        let mut headers = history.current_reads.iter().map(|read| read.header);
        headers.any(|header| (header.replica, header.partition) == (replica, partition))
    };
    let shows = |&(segment, replica): &(usize, usize)| {
        reads.timeline.held_at_last(segment, replica).is_some() || tried(replica)
    };
    assigned.filter(shows).map(|(_, replica)| replica).collect()
}

/// The flags of a partition on a replica.
struct CurrentRowsOwed<'l> {
    history: &'l History<'l>,
    reads: &'l Reads<'l>,
    replica: usize,
}

impl<'l> CurrentRowsOwed<'l> {
    fn owed(&self) -> Option<OwedRead> {
        let unsound = self.own_reads().filter(|read| read.header.soundness != ReadValidity::Sound);
        let unsound = unsound.filter(|read| !self.is_superseded(&read.header));
        let reason = unsound.filter_map(|read| of_unsound(self.history, &read.header, "current flags of"));
        reason.last().or_else(|| self.unread())
    }

    /// The reads of flags of this partition on this replica, in order.
    fn own_reads(&self) -> impl Iterator<Item = &'l CurrentRowsRead> {
        let (replica, partition) = (self.replica, self.reads.log_index.partition);
        let reads = self.history.current_reads.iter();
        reads.filter(move |read| (read.header.replica, read.header.partition) == (replica, partition))
    }

    /// Whether a later read of the same capture or the same incarnation returned what this one did not.
    fn is_superseded(&self, header: &ReadHeader) -> bool {
        self.own_reads().any(|later| {
            later.header.soundness == ReadValidity::Sound
                && later.header.id > header.id
                && (later.header.capture == header.capture || later.header.incarnation == header.incarnation)
        })
    }

    fn unread(&self) -> Option<OwedRead> {
        let why = match self.reads.flags.chain(self.replica) {
            ReadChain::Whole | ReadChain::Torn => return None,
            ReadChain::Unread => "no read of them is on record since the replica last started".to_owned(),
            ReadChain::Broken { read } => {
                format!("read {read} brought only what had changed since a read that is not on record")
            }
        };
        let partition = self.reads.log_index.partition;
        let detail = format!("the current flags of partition {partition} are not known: {why}");
        Some(OwedRead { replica: self.replica, kind: DoubtKind::Unread, detail, joins: true })
    }
}
