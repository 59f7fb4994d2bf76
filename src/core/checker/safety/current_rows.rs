//! Current flags: which row of a key each replica shows to a user's query (`RULES.md` 4, 5).
//!
//! They are compared only if nothing that matters to the key changed while they were read.

use super::absence::AllowedAbsences;
use super::flag_changes::{FlagChanges, FlagChangesReader};
use super::mismatch::{Content, Expected, Mismatch, ReplicaView, ViewAnomaly};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::tables::history::{CurrentRowsRead, HeldSegment, History, ReadHeader};
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::checker::verdict::{Anomaly, Origin};
use crate::history::row::{Base, ReadValidity};
use crate::history::run_record::RunRecord;
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// The flags of a partition over all captures. Reads are incremental: a key's flags hold until a later read
/// of the same incarnation returns others. A new incarnation starts from nothing.
pub(crate) struct CurrentRows<'h> {
    /// By replica. Reads are indices in [`History::current_reads`]. The keys of the log index come first,
    /// then keys that are not in the log.
    changes: Vec<FlagChanges>,
    /// Keys that are not in the log, numbered after those of the log index.
    unlogged: BTreeMap<String, usize>,
    /// By replica: the last sound read of a capture. If a capture read flags again, one element for each
    /// step.
    reads: Vec<(CapturePoint, Vec<Option<usize>>)>,
    history: &'h History<'h>,
    log_index: &'h LogIndex,
    /// Ids of the reads whose flags are torn on disk.
    pub(crate) torn: Vec<u64>,
    /// By replica: whether its flags are known in the last incarnation that was read.
    chains: Vec<ReadChain>,
    /// By index in [`History::current_reads`]: the read of all flags that this read builds on.
    full_reads: Vec<usize>,
}

/// Whether the flags of a replica are known. The reads of an incarnation return all flags once, and then
/// changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadChain {
    /// They are known.
    Whole,
    /// No sound read of this incarnation.
    Unread,
    /// Flags are torn on disk.
    Torn,
    /// A read builds on a read that is missing or unsound.
    Broken {
        /// The id of the first read that does.
        read: u64,
    },
}

impl<'h> CurrentRows<'h> {
    /// Reads all flags of a partition.
    pub(crate) fn read(
        record: &dyn RunRecord,
        history: &'h History<'h>,
        log_index: &'h LogIndex,
    ) -> CurrentRows<'h> {
        let replicas = history.meta.roster.len();
        let mut flags = CurrentRows {
            changes: Vec::new(),
            unlogged: BTreeMap::new(),
            reads: Vec::new(),
            history,
            log_index,
            torn: Vec::new(),
            chains: vec![ReadChain::Unread; replicas],
            full_reads: Vec::new(),
        };
        let mut changes: Vec<_> = (0..replicas).map(|_| FlagChangesReader::with(record.scratch())).collect();
        let mut keys_read = vec![0_u64; history.current_reads.len()];
        for (id, current) in record.current_rows(log_index.partition) {
            let Some(at) = history.flags_index(id) else { continue };
            let header = history.current_reads[at].header;
            keys_read[at] += 1;
            if header.soundness == ReadValidity::Sound {
                let key = flags.number(&current.key);
                changes[header.replica].push(key, at, &current.offs);
            }
        }
        let keys = log_index.keys.len() + flags.unlogged.len();
        flags.changes = changes.into_iter().map(|replica| replica.by_key(keys)).collect();
        let mut full_read = vec![0; replicas];
        let mut incarnations: Vec<Option<u64>> = vec![None; replicas];
        let mut sound = vec![vec![Vec::new(); replicas]; history.captures.len()];
        for (at, read) in history.current_reads.iter().enumerate() {
            let header = read.header;
            flags.full_reads.push(full_read[header.replica]);
            if header.partition != log_index.partition || header.soundness != ReadValidity::Sound {
                continue;
            }
            let chain = &mut flags.chains[header.replica];
            if incarnations[header.replica].replace(header.incarnation) != Some(header.incarnation) {
                *chain = ReadChain::Unread;
            }
            if *chain == ReadChain::Unread || read.base == Base::Nothing {
                full_read[header.replica] = at;
                flags.full_reads[at] = at;
            }
            *chain = chain.and(read, history);
            if keys_read[at] != header.count {
                flags.torn.push(header.id);
                *chain = ReadChain::Torn;
            }
            if *chain == ReadChain::Whole {
                sound[header.capture][header.replica].push(at);
            }
        }
        for (capture, sound) in sound.iter().enumerate() {
            flags.reads.extend(steps(capture, sound));
        }
        flags
    }

    /// Whether the flags of a replica are known to the end.
    pub(crate) fn chain(&self, replica: usize) -> ReadChain {
        self.chains[replica]
    }

    /// The number of a key. A new key gets the next number.
    fn number(&mut self, key: &str) -> usize {
        if let Some(known) = self.key(key) {
            return known;
        }
        let next = self.log_index.keys.len() + self.unlogged.len();
        self.unlogged.insert(key.to_owned(), next);
        next
    }

    /// The number of a key that is in the log, or that any replica showed.
    pub(crate) fn key(&self, name: &str) -> Option<usize> {
        self.log_index.key(name).or_else(|| self.unlogged.get(name).copied())
    }

    /// The offsets that a replica flagged as current for a key in its last read at or before this point.
    pub(crate) fn shown(&self, replica: usize, key: usize, at: CapturePoint) -> Option<Vec<u64>> {
        let mut offs = Vec::new();
        self.shown_by(self.read_index(replica, at)?, key, &mut offs);
        Some(offs)
    }

    /// A replica's last read of flags at or before this point.
    pub(crate) fn read_of(&self, replica: usize, at: CapturePoint) -> Option<&CurrentRowsRead> {
        self.history.current_reads.get(self.read_index(replica, at)?)
    }

    fn read_index(&self, replica: usize, at: CapturePoint) -> Option<usize> {
        let mut before = self.reads.iter().rev().skip_while(|(when, _)| *when > at);
        before.find_map(|(_, reads)| reads[replica])
    }

    /// Replaces what `offs` holds by the offsets that a replica flagged for a key, as of this read.
    fn shown_by(&self, read: usize, key: usize, offs: &mut Vec<u64>) {
        let header = self.history.current_reads[read].header;
        let known = self.changes[header.replica].last(key, read, offs);
        if known.is_none_or(|at| at < self.full_reads[read]) {
            offs.clear();
        }
    }
}

impl ReadChain {
    /// The chain after one more sound read.
    fn and(self, read: &CurrentRowsRead, history: &History<'_>) -> ReadChain {
        match (read.base, self) {
            (Base::Nothing, _) => ReadChain::Whole,
            (Base::Unknown, ReadChain::Unread) => match passed_over(read, history) {
                true => ReadChain::Broken { read: read.header.id },
                false => ReadChain::Whole,
            },
            (Base::Read(base), ReadChain::Whole | ReadChain::Unread) => {
                let known = history.flags_index(base).map(|at| history.current_reads[at].header.soundness);
                match self == ReadChain::Whole && known == Some(ReadValidity::Sound) {
                    true => ReadChain::Whole,
                    false => ReadChain::Broken { read: read.header.id },
                }
            }
            (_, broken) => broken,
        }
    }
}

/// Whether an earlier capture read rows of this incarnation but no flags. Flags were read as well then, and
/// are lost.
fn passed_over(read: &CurrentRowsRead, history: &History<'_>) -> bool {
    let incarnation_of = |header: &ReadHeader| (header.replica, header.partition, header.incarnation);
    let tried = |capture| {
        let reads = history.current_reads.iter().map(|read| read.header);
        reads
            .filter(|header| header.capture == capture)
            .any(|header| incarnation_of(&header) == incarnation_of(&read.header))
    };
    history.reads.iter().map(|read| read.header).any(|earlier| {
        incarnation_of(&earlier) == incarnation_of(&read.header)
            && earlier.capture < read.header.capture
            && earlier.soundness == ReadValidity::Sound
            && !tried(earlier.capture)
    })
}

/// The sound reads of a capture, by replica, at each step of it and at its end.
fn steps(capture: usize, sound: &[Vec<usize>]) -> impl Iterator<Item = (CapturePoint, Vec<Option<usize>>)> {
    let again = sound.iter().map(|reads| reads.len().saturating_sub(1)).max().unwrap_or(0);
    let at = move |step: usize| {
        let of = |reads: &Vec<usize>| reads.get(step).or(reads.last()).copied();
        sound.iter().map(of).collect()
    };
    let ends = sound.iter().map(|reads| reads.last().copied()).collect();
    (0..again)
        .map(move |step| (CapturePoint::step(capture, step), at(step)))
        .chain([(CapturePoint::end_of(capture), ends)])
}

/// The result of comparing one partition's flags.
#[derive(Default)]
pub(crate) struct CurrentRowsCompared {
    /// (replica x key) pairs compared.
    pub(crate) flags: u64,
    pub(crate) mismatches: Vec<Mismatch>,
}

/// Compares the flags of a partition. Reads that reach beyond `judged_to` are left out, since unknown entries
/// may have moved their flags. `absent` has the (replica, offset) pairs whose row is missing: their keys are
/// reported for that, and not for a flag that cannot be there.
pub(crate) fn compare(
    flags: &CurrentRows<'_>,
    absences: &AllowedAbsences<'_>,
    judged_to: u64,
    absent: &BTreeSet<(usize, u64)>,
) -> CurrentRowsCompared {
    let replica_flags = flags.reads.iter().map(|(when, reads)| {
        let reads = reads.iter().flatten().map(|&at| ReplicaFlags::of(at, &flags.history.current_reads[at]));
        (*when, reads.filter(|flags_read| flags_read.reach() <= judged_to).collect())
    });
    let comparison = KeyComparison { flags, absences, absent, replicas: replica_flags.collect() };
    let mut compared = CurrentRowsCompared::default();
    let mut past = Vec::new();
    for key in 0..flags.log_index.keys.len() {
        flags.log_index.past(key, &mut past);
        comparison.of_key(key, &past, &mut compared);
    }
    for (name, &key) in &flags.unlogged {
        compared.mismatches.extend(comparison.of_unlogged_key(name, key));
    }
    compared
}

struct KeyComparison<'c> {
    flags: &'c CurrentRows<'c>,
    absences: &'c AllowedAbsences<'c>,
    absent: &'c BTreeSet<(usize, u64)>,
    replicas: Vec<(CapturePoint, Vec<ReplicaFlags>)>,
}

impl KeyComparison<'_> {
    /// Adds one mismatch for each entry of a key at which flags are wrong.
    fn of_key(&self, key: usize, past: &[IndexedEntry], compared: &mut CurrentRowsCompared) {
        let roster = self.flags.history.meta.roster.len();
        let mut wrong: BTreeSet<u64> = BTreeSet::new();
        // By replica: the entry by which its flags were judged last, and whether they were right.
        let mut last: Vec<Option<(u64, bool)>> = vec![None; roster];
        let mut offs = Vec::new();
        for flags_read in self.replicas.iter().flat_map(|(_, replica_flags)| replica_flags) {
            let Some(entry) = self.expects(flags_read, past) else { continue };
            self.flags.shown_by(flags_read.read, key, &mut offs);
            let is_wrong = self.fault(entry, &offs, flags_read.read).is_some();
            compared.flags += u64::from(last[flags_read.replica].is_none());
            last[flags_read.replica] = Some((entry.off, !is_wrong));
            if is_wrong {
                wrong.insert(entry.off);
            }
        }
        for entry in past.iter().filter(|entry| wrong.contains(&entry.off)) {
            let mut mismatch = Mismatch {
                op: Some(entry.op),
                expected: Some(Expected::Current((entry.effect == Effect::Merged).then_some(entry.off))),
                ..self.nothing_shown(&self.flags.log_index.keys[key], entry.off)
            };
            let fault = |offs: &[u64], read: usize| self.fault(entry, offs, read).map(ViewAnomaly::of);
            self.show(&mut mismatch, key, fault, |flags_read| {
                self.expects(flags_read, past).is_some_and(|found| found.off == entry.off)
            });
            let put_right =
                |last: &Option<(u64, bool)>| last.is_some_and(|(off, right)| right && entry.off < off);
            mismatch.over = (0..roster).filter(|&replica| put_right(&last[replica])).collect();
            compared.mismatches.push(mismatch);
        }
    }

    /// The entry by which the flags of a key can be judged, unless a later op may already have taken effect.
    fn expects<'l>(&self, flags_read: &ReplicaFlags, past: &'l [IndexedEntry]) -> Option<&'l IndexedEntry> {
        let later = past.get(past.partition_point(|entry| entry.off < flags_read.top));
        let is_moving = later.is_some_and(|it| self.absences.may_be_in_flight(it.off, flags_read.t));
        flags_read.expects(past, self.absent).filter(|_| !is_moving)
    }

    /// The mismatch of a key that is not in the log but that some replica shows as current. A row that is
    /// itself extra is reported as that instead.
    fn of_unlogged_key(&self, name: &str, key: usize) -> Option<Mismatch> {
        let mut offs = Vec::new();
        let shown = |flags_read: &ReplicaFlags| {
            self.flags.shown_by(flags_read.read, key, &mut offs);
            offs.iter().copied().find(|off| !self.absent.contains(&(flags_read.replica, *off)))
        };
        let first = self.replicas.iter().flat_map(|(_, replica_flags)| replica_flags).find_map(shown)?;
        let mut mismatch = self.nothing_shown(name, first);
        let fault = |offs: &[u64], _| {
            (!offs.is_empty())
                .then(|| ViewAnomaly { key: Some(name.to_owned()), ..ViewAnomaly::of(Anomaly::Extra) })
        };
        self.show(&mut mismatch, key, fault, |_| true);
        Some(mismatch)
    }

    /// What is wrong with the flags that a read returned for a key whose last entry this is.
    fn fault(&self, entry: &IndexedEntry, offs: &[u64], read: usize) -> Option<Anomaly> {
        fault(entry, offs, self.absences, &self.flags.history.current_reads[read].header)
    }

    fn nothing_shown(&self, key: &str, off: u64) -> Mismatch {
        Mismatch {
            off,
            key: key.to_owned(),
            segment: self.flags.log_index.segment(off),
            op: None,
            modelled: true,
            expected: Some(Expected::Current(None)),
            views: Vec::new(),
            views_by_capture: Vec::new(),
            over: BTreeSet::new(),
        }
    }

    /// Adds what all replicas showed for a key in the reads that can be judged.
    fn show(
        &self,
        mismatch: &mut Mismatch,
        key: usize,
        fault: impl Fn(&[u64], usize) -> Option<ViewAnomaly>,
        counts: impl Fn(&ReplicaFlags) -> bool,
    ) {
        let mut offs = Vec::new();
        for (when, replica_flags) in &self.replicas {
            let views = replica_flags.iter().filter(|flags_read| counts(flags_read)).map(|flags_read| {
                self.flags.shown_by(flags_read.read, key, &mut offs);
                let id = self.flags.history.current_reads[flags_read.read].header.id;
                view(&mut mismatch.views, (flags_read.replica, id), &offs, || fault(&offs, flags_read.read))
            });
            let views = views.collect();
            mismatch.show(*when, views);
        }
        name_roots(mismatch);
    }
}

/// One read of flags, and what the replica covered during it.
struct ReplicaFlags {
    read: usize,
    replica: usize,
    t: Nanos,
    /// One past the highest offset covered before.
    top: u64,
    /// What was covered before and after, by the same copy.
    unchanged: Vec<(u64, u64)>,
    /// What was covered only before, or only after.
    changed: Vec<(u64, u64)>,
}

impl ReplicaFlags {
    fn of(at: usize, read: &CurrentRowsRead) -> ReplicaFlags {
        let visible = |held: &&HeldSegment| held.is_visible();
        let same_copy_end = |held: &HeldSegment, others: &[HeldSegment]| {
            let same = |other: &&HeldSegment| other.seq == held.seq && other.copy == held.copy;
            others.iter().filter(visible).find(same).map(|other| other.end)
        };
        let mut flags_read = ReplicaFlags {
            read: at,
            replica: read.header.replica,
            t: read.header.t,
            top: 0,
            unchanged: Vec::new(),
            changed: Vec::new(),
        };
        for held in read.before.iter().filter(visible) {
            flags_read.top = flags_read.top.max(held.end);
            match same_copy_end(held, &read.after) {
                Some(end) => flags_read.unchanged.push((held.start, held.end.min(end))),
                None => flags_read.changed.push((held.start, held.end)),
            }
        }
        for held in read.after.iter().filter(visible) {
            let before = same_copy_end(held, &read.before).unwrap_or(held.start);
            flags_read.changed.push((before, held.end));
        }
        flags_read.changed.retain(|(start, end)| start < end);
        flags_read
    }

    /// One past the last offset that the replica may have covered when it was read.
    fn reach(&self) -> u64 {
        self.changed.iter().map(|(_, end)| *end).fold(self.top, u64::max)
    }

    /// The last accepted entry of a key that the replica covers, if its flags can be judged by that entry.
    /// `past` has the entries of the key in log order.
    fn expects<'l>(
        &self,
        past: &'l [IndexedEntry],
        absent: &BTreeSet<(usize, u64)>,
    ) -> Option<&'l IndexedEntry> {
        let below = |off| past.partition_point(|entry| entry.off < off);
        // Either state is right; rows are compared for whether replicas agree on it.
        if past.last().is_some_and(|last| last.effect == Effect::Undecided) {
            return None;
        }
        let entry = past[..below(self.top)].iter().rfind(|entry| entry.effect.is_accepted())?;
        let steady = self.unchanged.iter().any(|&(start, end)| start <= entry.off && entry.off < end);
        let moved = self.changed.iter().any(|&(start, end)| below(start) < below(end));
        // Whether a tombstone works does not depend on its own row.
        let is_there = entry.effect == Effect::Deleted || !absent.contains(&(self.replica, entry.off));
        (steady && !moved && is_there).then_some(entry)
    }
}

fn fault(
    entry: &IndexedEntry,
    shown: &[u64],
    absences: &AllowedAbsences<'_>,
    header: &ReadHeader,
) -> Option<Anomaly> {
    match (entry.effect, shown) {
        _ if absences.excuse_flags(header.replica, entry, shown, header.t) => None,
        (Effect::Deleted, []) => None,
        (Effect::Deleted, _) => Some(Anomaly::Resurrected),
        (_, []) => Some(Anomaly::NoCurrent),
        (_, [one]) if *one == entry.off => None,
        (_, [_]) => Some(Anomaly::StaleCurrent),
        _ => Some(Anomaly::DuplicateCurrent),
    }
}

/// The index of the replica's view with these flags, added if it is new.
fn view(
    views: &mut Vec<ReplicaView>,
    (replica, read): (usize, u64),
    offs: &[u64],
    fault: impl Fn() -> Option<ViewAnomaly>,
) -> usize {
    let shows = |view: &ReplicaView| matches!(&view.content, Some(Content::Flags(known)) if known == offs);
    if let Some(at) = views.iter().position(|view| view.replica == replica && shows(view)) {
        return at;
    }
    let group = views.iter().position(shows).map_or(views.len(), |at| views[at].group);
    let wrong = fault().map(|wrong| ViewAnomaly { origin: Origin::Root, ..wrong });
    let content = Some(Content::Flags(offs.to_vec()));
    views.push(ReplicaView {
        replica,
        state: None,
        read: Some(read),
        group,
        anomaly: wrong.map(Box::new),
        content,
    });
    views.len() - 1
}

/// The roots are the replicas that were wrong first.
fn name_roots(mismatch: &mut Mismatch) {
    let whats: BTreeSet<Anomaly> = mismatch.views.iter().filter_map(|view| view.what()).collect();
    for what in whats {
        let first = mismatch.views_by_capture.iter().find_map(|scene| {
            let views = scene.views.iter().map(|&at| &mismatch.views[at]);
            let wrong: BTreeSet<usize> =
                views.filter(|view| view.what() == Some(what)).map(|view| view.replica).collect();
            (!wrong.is_empty()).then_some(wrong)
        });
        let wrong = mismatch.views.iter_mut().filter_map(|view| view.anomaly.as_mut());
        for wrong in wrong.filter(|wrong| wrong.what == what) {
            wrong.cause.roots = first.clone().unwrap_or_default();
        }
    }
}

/// Whether a replica's flags name the row at this offset as the current one of its key.
pub(crate) fn is_current(
    flags: Option<&CurrentRows<'_>>,
    replica: usize,
    key: &str,
    off: u64,
    at: CapturePoint,
) -> bool {
    let shown = flags.and_then(|flags| flags.shown(replica, flags.key(key)?, at));
    shown.is_some_and(|offs| offs.contains(&off))
}
