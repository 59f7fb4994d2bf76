//! The current flags of every replica that shows rows: whole once in its last life, and then without a
//! missing change.

use super::{Debt, Reads, of_unsound};
use crate::checker::safety::live_rows::Chain;
use crate::checker::tables::history::{FlagsRead, History, Look};
use crate::checker::verdict::DoubtKind;
use crate::history::row::Soundness;
use std::collections::BTreeSet;

/// Adds what the replicas of one partition owe of their flags; returns how many replicas were asked for.
pub(super) fn owed(history: &History<'_>, reads: &Reads<'_>, debts: &mut Vec<Debt>) -> u64 {
    let mut asked = 0;
    for replica in showing(history, reads) {
        asked += 1;
        debts.extend(List { history, reads, replica }.debt());
    }
    asked
}

/// The replicas that are assigned a part of the partition, and had something of it read, or tried.
fn showing(history: &History<'_>, reads: &Reads<'_>) -> BTreeSet<usize> {
    let spans = &history.segments[reads.ledger.partition as usize];
    let last = history.captures.len().saturating_sub(1);
    let assigned = spans
        .iter()
        .enumerate()
        .flat_map(|(segment, span)| span.assigned(last).iter().map(move |&replica| (segment, replica)));
    let partition = reads.ledger.partition;
    let tried = |replica| {
        let mut looks = history.flag_reads.iter().map(|read| read.look);
        looks.any(|look| (look.replica, look.partition) == (replica, partition))
    };
    let shows = |&(segment, replica): &(usize, usize)| {
        reads.stage.held_at_last(segment, replica).is_some() || tried(replica)
    };
    assigned.filter(shows).map(|(_, replica)| replica).collect()
}

/// The flags of a partition on a replica.
struct List<'l> {
    history: &'l History<'l>,
    reads: &'l Reads<'l>,
    replica: usize,
}

impl<'l> List<'l> {
    fn debt(&self) -> Option<Debt> {
        let unsound = self.of_it().filter(|read| read.look.soundness != Soundness::Sound);
        let unsound = unsound.filter(|read| !self.is_made_up_for(&read.look));
        let reason = unsound.filter_map(|read| of_unsound(self.history, &read.look, "current flags of"));
        reason.last().or_else(|| self.unread())
    }

    /// The flag reads of this partition on this replica, in order.
    fn of_it(&self) -> impl Iterator<Item = &'l FlagsRead> {
        let (replica, partition) = (self.replica, self.reads.ledger.partition);
        let reads = self.history.flag_reads.iter();
        reads.filter(move |read| (read.look.replica, read.look.partition) == (replica, partition))
    }

    /// Whether a later read of the same capture or the same life brought what this one did not.
    fn is_made_up_for(&self, look: &Look) -> bool {
        self.of_it().any(|later| {
            later.look.soundness == Soundness::Sound
                && later.look.id > look.id
                && (later.look.capture == look.capture || later.look.incarnation == look.incarnation)
        })
    }

    fn unread(&self) -> Option<Debt> {
        let why = match self.reads.flags.chain(self.replica) {
            Chain::Whole | Chain::Torn => return None,
            Chain::Unread => "no read of them is on record since the replica last started".to_owned(),
            Chain::Broken { read } => {
                format!("read {read} brought only what had changed since a read that is not on record")
            }
        };
        let partition = self.reads.ledger.partition;
        let detail = format!("the current flags of partition {partition} are not known: {why}");
        Some(Debt { replica: self.replica, kind: DoubtKind::Unread, detail, joins: true })
    }
}
