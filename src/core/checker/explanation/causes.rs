//! From the roots of a finding to their causes: roots that one consumption made are explained together,
//! and what that leaves is searched again (`RULES.md` 9).

use super::dropped_keys;
use super::explainer::{Explainer, PartitionTables, Root, RootGroup};
use super::guard::{self, Consumption};
use super::node_events::EventIndex;
use super::ordering_break;
use super::timeline;
use crate::checker::tables::history::History;
use crate::checker::verdict::{Explanation, NotShown, ShownCause};
use std::collections::{BTreeMap, BTreeSet};

impl Explainer<'_> {
    /// Explains the roots of one finding.
    pub(crate) fn explain(&mut self, tables: PartitionTables<'_>, roots: &[Root]) -> Explanation {
        let partition = tables.log_index.partition;
        let (groups, unknown) = self.groups(partition, roots);
        let mut causes: Vec<ShownCause> = groups.iter().map(|group| self.cause(tables, group)).collect();
        if groups.is_empty() || unknown {
            let reason = if roots.is_empty() { NotShown::NoRoot } else { NotShown::NoEvents };
            causes.push(ShownCause::NotShown { reason });
        }
        let not_logged = self.not_logged();
        let cause = causes.remove(0);
        let (guard, timelines) = match groups.first() {
            Some(group) => {
                let needed = needed(&cause, group, self.history, partition);
                let consumption = Consumption {
                    partition,
                    segment: group.segment,
                    began: Some(group.began),
                    node: group.began.node,
                    needed: &needed,
                };
                let guard = guard::find(&self.events, self.history, &consumption);
                let timelines = timeline::side_by_side(&self.events, self.history, group, partition, &cause);
                (guard, timelines)
            }
            None => (guard::unseen(&self.events), Vec::new()),
        };
        Explanation { cause, further: causes, guard, timelines, not_logged }
    }

    /// The roots by the consumption that made them, in the order of the lowest offset; and whether there
    /// are roots of which no event tells.
    fn groups<'r>(&self, partition: u32, roots: &'r [Root]) -> (Vec<RootGroup<'r>>, bool) {
        let mut by_consumption: BTreeMap<(EventIndex, usize), Vec<&'r Root>> = BTreeMap::new();
        let mut unknown = false;
        for root in roots {
            match self.consumption_of(partition, root) {
                Some(began) => by_consumption.entry((began, root.segment)).or_default().push(root),
                None => unknown = true,
            }
        }
        let groups = by_consumption.into_iter().map(|((began, segment), mut roots)| {
            roots.sort_by_key(|root| root.off);
            RootGroup { replica: roots[0].replica, segment, began, roots }
        });
        let mut groups: Vec<RootGroup<'r>> = groups.collect();
        groups.sort_by_key(|group| group.roots[0].off);
        (groups, unknown)
    }

    /// The event that began the consumption that made a row: the last one before the read that showed it,
    /// in the incarnation that the read names, if events name it too.
    fn consumption_of(&self, partition: u32, root: &Root) -> Option<EventIndex> {
        let node = self.events.node(&self.history.meta.roster[root.replica])?;
        let read = root.read.and_then(|read| self.history.read_index(read));
        let header = read.map(|at| self.history.reads[at].header);
        let begun = self.events.of(node).filter(|(_, event)| event.begins((partition, root.segment)));
        let all: Vec<EventIndex> = begun.map(|(index, _)| index).collect();
        let known = |fits: &dyn Fn(EventIndex) -> bool| all.iter().rev().copied().find(|at| fits(*at));
        let header = header?;
        known(&|at| self.events.event(at).record.incarnation == header.incarnation)
            .or_else(|| known(&|at| self.events.event(at).seen.is_some_and(|seen| seen <= header.t)))
            .or_else(|| known(&|_| true))
    }

    fn cause(&mut self, tables: PartitionTables<'_>, group: &RootGroup<'_>) -> ShownCause {
        if let Some(found) = ordering_break::find(self, tables, group) {
            return ShownCause::OrderingBreak(Box::new(found));
        }
        if let Some(found) = dropped_keys::find(self, tables.log_index.partition, group) {
            return ShownCause::DroppedKeys(Box::new(found));
        }
        let is_told = group.roots.iter().any(|root| !root.missing.is_empty());
        let reason = if is_told { NotShown::OrderWasKept } else { NotShown::NoMissingSegment };
        ShownCause::NotShown { reason }
    }
}

/// The segments that the guard of a consumption had to wait for: those that it broke the order with, else
/// those whose state its rows lack.
fn needed(cause: &ShownCause, group: &RootGroup<'_>, history: &History<'_>, partition: u32) -> Vec<usize> {
    match cause {
        ShownCause::OrderingBreak(it) => {
            let spans = &history.segments[partition as usize];
            let of_name = |name: &String| spans.iter().position(|span| span.name == *name);
            it.dependencies.iter().filter_map(of_name).collect()
        }
        _ => {
            let missing: BTreeSet<usize> = group.roots.iter().flat_map(|root| root.missing.clone()).collect();
            missing.into_iter().filter(|segment| *segment != group.segment).collect()
        }
    }
}
