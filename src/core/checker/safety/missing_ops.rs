//! The state that was missing when a root row was merged: the expected ops minus the actual ones (`RULES.md`
//! 5).
//!
//! In mode `full`, rows name their ops. In mode `digest`, hypotheses are tested against the row's count and
//! sum.
//!
//! If the whole past of a key is missing, either the key was dropped from metadata, or none of the segments
//! of its past was seen. The key is *dropped* iff the replica had already seen one of those segments: this
//! segment's own events, or, in the same incarnation, an earlier row that was merged onto state of that
//! segment. The first observation of a segment is final, since a segment that registers late is seen by all
//! later rows. Two more observations decide: a capture that found the segment registered before the row was
//! merged, and the target's own record of keys that it dropped.
//!
//! ```text
//! SEG_M = [0,10) k1@0 k2@1, SEG_M1 = [10,20) k1@10 k2@15. The victim registers SEG_M between 10 and 15.
//! Row 10 lacks op 0, all of k1's past, and row 15 is right. If "some other key of SEG_M was merged rightly"
//! counted in any order, the seed's whole-segment race would read "k1 was dropped".
//! ```

use super::mismatch::MissingOps;
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::checker::verdict::RootCause;
use crate::history::schema::{Provenance, Role, Schema, Value, op_hash};
use std::collections::{BTreeMap, BTreeSet};

/// The number of (segment x key) groups, counted back from the row, whose unions are tested in mode
/// `digest`.
const GROUPS_MAX: usize = 8;

/// How rows show their ops, with the positions of the columns.
#[derive(Clone, Copy)]
enum ProvenanceColumns {
    List(usize),
    Digest { count: usize, sum: usize },
    Nothing,
}

/// What an incarnation was first seen to do with a segment's state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstSeen {
    Unknown,
    /// Seen by the row at this offset.
    Seen(u64),
    Missed,
}

/// Finds the missing state of roots, in log order.
pub(crate) struct MissingOpsFinder {
    columns: ProvenanceColumns,
    newest_only: bool,
    /// By incarnation, by segment.
    first: Vec<Vec<FirstSeen>>,
}

impl MissingOpsFinder {
    /// `model_on` has the columns for which the model holds. Ops columns for which it does not hold prove
    /// nothing.
    pub(crate) fn new(schema: &Schema, model_on: &[bool], lives: usize, segments: usize) -> MissingOpsFinder {
        let role = |role| schema.role(role).filter(|&at| model_on[at]);
        let columns = match schema.provenance {
            Provenance::Full => role(Role::Ops).map(ProvenanceColumns::List),
            Provenance::Digest => role(Role::OpCount)
                .zip(role(Role::OpSum))
                .map(|(count, sum)| ProvenanceColumns::Digest { count, sum }),
            Provenance::None => None,
        };
        let columns = columns.unwrap_or(ProvenanceColumns::Nothing);
        let newest_only = schema.rules.keeps_newest_only();
        MissingOpsFinder { columns, newest_only, first: vec![vec![FirstSeen::Unknown; segments]; lives] }
    }

    /// Notes that this incarnation merged the right row at this offset onto state of that segment.
    pub(crate) fn mark_seen(&mut self, life: usize, segment: usize, off: u64) {
        self.mark(life, segment, FirstSeen::Seen(off));
    }

    /// The state that a wrong row lacks, or has twice. A downloaded row has no incarnation (`life`), and
    /// nothing is learned from it.
    pub(crate) fn of(
        &mut self,
        log_index: &LogIndex,
        at: usize,
        expected: &[Value],
        row: &[Value],
        merged: &MergeContext<'_>,
    ) -> MissingOps {
        let past = log_index.merged_before(at);
        let entry = &log_index.entry(at);
        let nothing = |class| MissingOps { class, segments: BTreeSet::new(), ops: 0 };
        let Some((gone, twice)) = self.compare(&past, entry, expected, row) else {
            return nothing(RootCause::NoProvenance);
        };
        if !twice.is_empty() {
            let segments = twice.iter().filter_map(|entry| entry.segment).collect();
            return MissingOps { class: RootCause::AppliedTwice, segments, ops: twice.len() as u64 };
        }
        let Some(gone) = gone.filter(|gone| gone.iter().any(|gone| *gone)) else {
            return nothing(RootCause::Unexplained);
        };
        let life = merged.life;
        let class = self.class_of_first(&past, &gone, entry, merged);
        let lost = past.iter().zip(&gone).filter(|(_, gone)| **gone);
        let segments: BTreeSet<usize> = lost.filter_map(|(entry, _)| entry.segment).collect();
        if let Some(life) = life {
            let kept = past.iter().zip(&gone).rev().find(|(_, gone)| !**gone);
            if let Some(segment) = kept.and_then(|(entry, _)| entry.segment) {
                self.mark(life, segment, FirstSeen::Seen(entry.off));
            }
            if class == RootCause::WholeSegment {
                segments.iter().for_each(|&segment| self.mark(life, segment, FirstSeen::Missed));
            }
        }
        let ops = gone.iter().filter(|gone| **gone).count() as u64;
        MissingOps { class, segments, ops }
    }

    /// By entry of the past: whether the row lacks it, if that can be told; and the entries that it has
    /// twice.
    /// `None` if rows do not tell their ops.
    fn compare(
        &self,
        past: &[IndexedEntry],
        entry: &IndexedEntry,
        expected: &[Value],
        row: &[Value],
    ) -> Option<(Option<Vec<bool>>, Vec<IndexedEntry>)> {
        match self.columns {
            ProvenanceColumns::List(ops) => {
                Some((missing_by_list(past, entry, &row[ops]), repeated_by_list(past, entry, &row[ops])))
            }
            ProvenanceColumns::Digest { count, sum } => {
                let (expected, shown) = ((&expected[count], &expected[sum]), (&row[count], &row[sum]));
                let twice = repeated_by_digest(past, entry, expected, shown);
                Some((missing_by_digest(past, expected, shown), twice))
            }
            ProvenanceColumns::Nothing => None,
        }
    }

    /// Where only the newest rows are kept: the entry whose row, which is hidden, was merged without its
    /// past.
    pub(crate) fn hidden_root(
        &self,
        log_index: &LogIndex,
        at: usize,
        expected: &[Value],
        row: &[Value],
    ) -> Option<IndexedEntry> {
        if !self.newest_only {
            return None;
        }
        let past = log_index.merged_before(at);
        let (gone, _) = self.compare(&past, &log_index.entry(at), expected, row)?;
        kept_again(&past, &gone?).map(|at| past[at])
    }

    /// Where only the newest rows are kept, the row that was first merged without its past may be hidden:
    /// this one has what came after it. What was missing then tells the class.
    ///
    /// ```text
    /// k@1 k@4 are lost; k@7 was merged onto nothing, and k@9 onto that: the newest row lacks 1 and 4, has 7
    /// ```
    fn class_of_first(
        &self,
        past: &[IndexedEntry],
        gone: &[bool],
        entry: &IndexedEntry,
        merged: &MergeContext<'_>,
    ) -> RootCause {
        match kept_again(past, gone).filter(|_| self.newest_only) {
            Some(at) => self.class(&past[..at], &gone[..at], &past[at], merged),
            None => self.class(past, gone, entry, merged),
        }
    }

    fn class(
        &self,
        past: &[IndexedEntry],
        gone: &[bool],
        entry: &IndexedEntry,
        merged: &MergeContext<'_>,
    ) -> RootCause {
        let own = entry.segment;
        let seen = |segment: Option<usize>| {
            segment == own
                || matches!((merged.life, segment), (Some(life), Some(segment))
                    if self.saw_before(life, segment, entry.off))
        };
        let groups = groups(past);
        let touched: Vec<_> =
            groups.iter().filter(|group| group.entries.iter().any(|&at| gone[at])).collect();
        let whole = touched.iter().all(|group| group.entries.iter().all(|&at| gone[at]));
        let registered = |segment| (merged.was_registered)(segment, entry.off);
        let was_registered = touched.iter().any(|group| group.segment.is_some_and(registered));
        if gone.iter().all(|gone| *gone) {
            let is_dropped =
                was_registered || merged.keys_dropped || groups.iter().any(|group| seen(group.segment));
            return if is_dropped { RootCause::DroppedKey } else { RootCause::WholeSegment };
        }
        match touched.as_slice() {
            _ if whole && was_registered => RootCause::DroppedKey,
            // This replica merged the row's own segment itself, so it must have seen it.
            touched if touched.iter().any(|group| group.segment == own) => RootCause::Unexplained,
            _ if whole => RootCause::WholeSegment,
            [one] if is_suffix(one.entries.iter().map(|&at| gone[at])) => RootCause::PartlyRegistered,
            _ => RootCause::Unexplained,
        }
    }

    /// Whether a row below this offset was merged onto state of the segment. A row in question that is
    /// hidden may lie below rows that were seen first.
    fn saw_before(&self, life: usize, segment: usize, off: u64) -> bool {
        matches!(self.first[life][segment], FirstSeen::Seen(seen) if seen < off)
    }

    fn mark(&mut self, life: usize, segment: usize, first: FirstSeen) {
        let known = &mut self.first[life][segment];
        if *known == FirstSeen::Unknown {
            *known = first;
        }
    }
}

/// What is known of a replica at the time when it merged a row.
pub(crate) struct MergeContext<'m> {
    /// `None`: it did not merge the row itself.
    pub(crate) life: Option<usize>,
    /// Whether a capture had shown this segment registered and right before the row at this offset was
    /// merged.
    pub(crate) was_registered: &'m dyn Fn(usize, u64) -> bool,
    /// Whether the target itself reports that it had dropped keys of an earlier segment.
    pub(crate) keys_dropped: bool,
}

/// A key's past in one segment, as indices into the past.
struct PastGroup {
    segment: Option<usize>,
    entries: Vec<usize>,
}

fn groups(past: &[IndexedEntry]) -> Vec<PastGroup> {
    let mut by_segment: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (at, entry) in past.iter().enumerate() {
        by_segment.entry(entry.segment).or_default().push(at);
    }
    by_segment.into_iter().map(|(segment, entries)| PastGroup { segment, entries }).collect()
}

/// By index: the first entry of the past that is kept again, if what is gone is one run of entries.
///
/// ```text
/// k@1 is kept, k@4 k@5 are gone, k@7 k@9 are kept: k@7 was merged onto k@1
/// ```
fn kept_again(past: &[IndexedEntry], gone: &[bool]) -> Option<usize> {
    let begin = gone.iter().position(|gone| *gone)?;
    let end = begin + gone[begin..].iter().take_while(|gone| **gone).count();
    (end < past.len() && gone[end..].iter().all(|gone| !gone)).then_some(end)
}

fn is_suffix(mut gone: impl Iterator<Item = bool>) -> bool {
    gone.by_ref().any(|gone| gone) && gone.all(|gone| gone)
}

/// By entry of the past: whether the row's list lacks it. `None` if the list is not a part of the past, in
/// order, followed by the row's own op.
fn missing_by_list(past: &[IndexedEntry], entry: &IndexedEntry, shown: &Value) -> Option<Vec<bool>> {
    let Value::Longs(shown) = shown else { return None };
    let (own, shown) = shown.split_last()?;
    if own.cast_unsigned() != entry.op {
        return None;
    }
    let mut shown = shown.iter().map(|op| op.cast_unsigned()).peekable();
    let gone = past.iter().map(|entry| shown.next_if_eq(&entry.op).is_none()).collect();
    shown.peek().is_none().then_some(gone)
}

/// The entries that the row's list has more often than the log; an entry that the table ignores should not
/// be in it at all. Empty if an entry is missing as well, or if the list has ops of another key.
fn repeated_by_list(past: &[IndexedEntry], entry: &IndexedEntry, shown: &Value) -> Vec<IndexedEntry> {
    let Value::Longs(shown) = shown else { return Vec::new() };
    let mut rest: Vec<u64> = shown.iter().map(|op| op.cast_unsigned()).collect();
    let own = (entry.effect != Effect::Ignored).then_some(entry);
    let all = || past.iter().chain(own);
    for entry in all() {
        match rest.iter().position(|op| *op == entry.op) {
            Some(at) => drop(rest.remove(at)),
            None => return Vec::new(),
        }
    }
    let twice: Vec<IndexedEntry> =
        rest.iter().filter_map(|op| all().find(|entry| entry.op == *op)).copied().collect();
    if twice.len() == rest.len() { twice } else { Vec::new() }
}

/// As [`repeated_by_list`], but finds only a single repeated op.
fn repeated_by_digest(
    past: &[IndexedEntry],
    entry: &IndexedEntry,
    expected: (&Value, &Value),
    shown: (&Value, &Value),
) -> Vec<IndexedEntry> {
    let (Value::Long(count), Value::Long(sum)) = expected else { return Vec::new() };
    let (Value::Long(shown_count), Value::Long(shown_sum)) = shown else { return Vec::new() };
    let more = (shown_count.wrapping_sub(*count), shown_sum.wrapping_sub(*sum));
    let is_more = |entry: &&IndexedEntry| more == (1, op_hash(entry.op));
    past.iter().chain([entry]).find(is_more).into_iter().copied().collect()
}

/// By entry of the past: whether it is missing, so that the difference of count and sum is explained. Tries
/// unions of whole groups first, beginning with the nearest, and then suffixes of one group.
fn missing_by_digest(
    past: &[IndexedEntry],
    expected: (&Value, &Value),
    shown: (&Value, &Value),
) -> Option<Vec<bool>> {
    let (Value::Long(count), Value::Long(sum)) = expected else { return None };
    let (Value::Long(shown_count), Value::Long(shown_sum)) = shown else { return None };
    let missing = (count.wrapping_sub(*shown_count), sum.wrapping_sub(*shown_sum));
    let explains = |gone: &[bool]| {
        let lost = past.iter().zip(gone).filter(|(_, gone)| **gone);
        lost.fold((0_i64, 0_i64), |(count, sum), (entry, _)| (count + 1, sum.wrapping_add(op_hash(entry.op))))
            == missing
    };
    if !(1..=past.len() as i64).contains(&missing.0) {
        return None;
    }
    let everything = vec![true; past.len()];
    if explains(&everything) {
        return Some(everything);
    }
    let groups = groups(past);
    let near: Vec<&PastGroup> = groups.iter().rev().take(GROUPS_MAX).collect();
    for union in 1_usize..1 << near.len() {
        let mut gone = vec![false; past.len()];
        let members = near.iter().enumerate().filter(|(at, _)| union >> at & 1 == 1);
        members.for_each(|(_, group)| group.entries.iter().for_each(|&at| gone[at] = true));
        if explains(&gone) {
            return Some(gone);
        }
    }
    for group in groups.iter().rev() {
        let mut gone = vec![false; past.len()];
        for &at in group.entries.iter().rev() {
            gone[at] = true;
            if explains(&gone) {
                return Some(gone);
            }
        }
    }
    None
}
