//! Every declared frontier must be sampled to the end of the run, and every shard must be read up to its
//! frontier.

use crate::checker::safety::newest_rows::NewestRowsCompared;
use crate::checker::tables::history::{FaultSpan, History};
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::{Doubt, DoubtKind, Finding, FindingKind};
use crate::history::fault::FaultKind;
use crate::history::frontier::{Frontier, FrontierKind};
use crate::history::time::Nanos;
use std::collections::BTreeSet;

/// What is known when owed samples and reads are checked.
pub(crate) struct FrontiersOwed<'k> {
    pub(crate) history: &'k History<'k>,
    pub(crate) log_indexes: &'k [LogIndex],
    /// `None`: shards are not compared with the log.
    pub(crate) contents: Option<&'k NewestRowsCompared>,
    pub(crate) findings: &'k [Finding],
    pub(crate) doubts: &'k [Doubt],
}

impl FrontiersOwed<'_> {
    /// The number of samples and reads that were owed, and a doubt for each object that lacks them, unless a
    /// finding or a doubt names it already. A run that was cut off owes nothing.
    pub(crate) fn check(&self) -> (u64, Vec<Doubt>) {
        let is_cut_off = self.doubts.iter().any(|doubt| doubt.kind == DoubtKind::Interrupted);
        let frontiers = &self.history.frontier_samples.frontiers;
        let (mut owed, mut doubts) = (0, Vec::new());
        for (frontier, samples) in frontiers.iter().filter(|_| !is_cut_off) {
            let last = samples.last();
            let is_sealed = last.is_some_and(|last| last.f.is_none());
            if !is_sealed && self.is_owed(frontier, last.is_some()) {
                owed += 1;
                doubts.extend(self.unseen(frontier, last.map(|last| last.t)));
            }
            if let Some(contents) = self.contents.filter(|_| frontier.kind == FrontierKind::ShardUpper) {
                owed += 1;
                doubts.extend(self.unread(frontier, last.is_some(), contents));
            }
        }
        if !is_cut_off {
            let (positions, unsampled) = self.unsampled();
            owed += positions;
            doubts.extend(unsampled);
        }
        (owed, doubts)
    }

    /// The last time at which anything was sampled, or a capture began.
    fn end(&self) -> Option<Nanos> {
        let history = self.history;
        let positions = history.frontier_samples.positions.values().filter_map(|samples| samples.last());
        let declared = history.frontier_samples.frontiers.iter().filter_map(|(_, samples)| samples.last());
        let samples = positions.chain(declared).map(|last| last.t);
        samples.chain(history.captures.iter().map(|capture| capture.t)).max()
    }

    /// Whether samples of it are owed: to the end of the run if its process existed at the end, and at least
    /// one if it existed at any time. A process that a fault of the plan adds or removes exists from then on,
    /// or until then.
    fn is_owed(&self, frontier: &Frontier, was_seen: bool) -> bool {
        let (mut was_there, mut is_there) = (frontier.from_start, frontier.from_start || was_seen);
        let replica = self.replica(frontier);
        let is_own = |span: &FaultSpan| replica.is_some() && span.replica == replica;
        for span in self.history.faults.iter().filter(|span| span.may_be_in_force()) {
            match span.fault.kind {
                FaultKind::SecondWriter | FaultKind::Cutover if is_own(span) => is_there = true,
                FaultKind::DropWriter if is_own(span) => is_there = false,
                FaultKind::Cutover => is_there &= span.cure_begun.is_none(),
                _ => {}
            }
            was_there |= is_there;
        }
        if was_seen { is_there } else { was_there }
    }

    /// The doubt that it was never sampled, or not for long enough.
    fn unseen(&self, frontier: &Frontier, last: Option<Nanos>) -> Option<Doubt> {
        let (object, floor) = (&frontier.object, self.history.meta.frozen_floor);
        let end = self.end()?;
        let frontiers = &self.history.frontier_samples.frontiers;
        let is_fed =
            frontiers.iter().any(|(it, samples)| it.feeds.as_ref() == Some(object) && !samples.is_empty());
        // If the writers of a shard are not sampled either, reads of the shard show its progress as well.
        let was_read = !is_fed && self.contents.is_some_and(|contents| contents.unseen.contains_key(object));
        let is_in_time = last.is_some_and(|last| end.0 - last.0 <= floor.0);
        let is_known = is_in_time || was_read && last.is_none() || self.is_named(object);
        if is_known || self.is_excused(frontier, last.unwrap_or(Nanos(0)), end) {
            return None;
        }
        let detail = match last {
            None => format!("{object} is declared, and was never looked at"),
            Some(last) => {
                format!("{object} was looked at last at {} ns, and the run went on to {} ns", last.0, end.0)
            }
        };
        Some(Doubt { kind: DoubtKind::Unread, detail })
    }

    /// Whether its replica did not answer, which is reported already, or a fault of ours silenced it so late
    /// that no later sample could have come.
    fn is_excused(&self, frontier: &Frontier, last: Nanos, end: Nanos) -> bool {
        let Some(replica) = self.replica(frontier) else { return false };
        let floor = self.history.meta.frozen_floor;
        let silenced = |it: &FaultSpan| {
            it.is_on(replica)
                && it.fault.kind.silences()
                && it.may_be_in_force()
                && it.excused_until(floor) >= end
        };
        let is_silent = self.history.silences.iter().any(|(silent, t, _)| *silent == replica && *t > last);
        is_silent || self.history.faults.iter().any(silenced)
    }

    /// The number of positions that are owed, with doubts about those never sampled although the run waited
    /// for all replicas. The positions of a partition are owed only if most of its replicas were sampled,
    /// since a record may cover only one.
    fn unsampled(&self) -> (u64, Vec<Doubt>) {
        let history = self.history;
        let waited = history.captures.len().checked_sub(1).filter(|_| history.settled.is_some());
        let Some(last) = waited else { return (0, Vec::new()) };
        let (mut owed, mut doubts) = (0, Vec::new());
        for (partition, spans) in (0..).zip(&history.segments) {
            let assigned: BTreeSet<usize> =
                spans.iter().flat_map(|span| span.assigned(last)).copied().collect();
            let is_sampled =
                |replica: &usize| history.frontier_samples.positions.contains_key(&(*replica, partition));
            let (sampled, missing): (Vec<usize>, Vec<usize>) = assigned.into_iter().partition(is_sampled);
            if missing.len() < sampled.len() {
                owed += (sampled.len() + missing.len()) as u64;
                let unreported = missing.into_iter().filter(|&replica| !self.is_silent(replica));
                doubts.extend(unreported.map(|replica| self.never_sampled(replica, partition)));
            }
        }
        (owed, doubts)
    }

    fn never_sampled(&self, replica: usize, partition: u32) -> Doubt {
        let name = &self.history.meta.roster[replica];
        let detail = format!(
            "{name} is assigned segments of partition {partition}: its position there was never looked at"
        );
        Doubt { kind: DoubtKind::Unread, detail }
    }

    /// Whether it is already reported that a replica did not answer.
    fn is_silent(&self, replica: usize) -> bool {
        let name = &self.history.meta.roster[replica];
        self.history.silences.iter().any(|(silent, ..)| *silent == replica)
            || self.is_named(name)
            || self.is_named(&format!("{name}:"))
    }

    /// The doubt that a shard was never read, or not up to its end.
    fn unread(&self, frontier: &Frontier, was_seen: bool, contents: &NewestRowsCompared) -> Option<Doubt> {
        let object = &frontier.object;
        let has_entries = self.log_indexes.iter().any(|log_index| log_index.len() > 0);
        if !has_entries || !was_seen || self.is_named(object) {
            return None;
        }
        let detail = match contents.unseen.get(object) {
            None if self.history.settled == Some(true) => {
                format!("{object} was never read: what it holds is not known")
            }
            Some(unseen) if unseen.entries > 0 => format!(
                "{object} was read up to offset {} only: {} log entries of {} keys lie beyond",
                unseen.from, unseen.entries, unseen.keys
            ),
            _ => return None,
        };
        Some(Doubt { kind: DoubtKind::Unread, detail })
    }

    /// Whether a freeze or a doubt names this object.
    fn is_named(&self, object: &str) -> bool {
        let frozen = |finding: &Finding| match &finding.kind {
            FindingKind::Frozen(frozen) => frozen.all().any(|it| it.object == object),
            _ => false,
        };
        let names = |doubt: &Doubt| doubt.detail.split_whitespace().next() == Some(object);
        self.findings.iter().any(frozen) || self.doubts.iter().any(names)
    }

    fn replica(&self, frontier: &Frontier) -> Option<usize> {
        self.history.replica(frontier.replica.as_deref()?)
    }
}
