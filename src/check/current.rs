//! Current flags: which row of a key each replica shows to a user's query (`semantics` 4, 5).
//!
//! They are compared only where nothing that matters to the key moved while they were read.

use super::absence::Absences;
use super::deviation::{Cause, Content, Deviation, Expected, View, Wrong};
use super::history::{FlagsRead, Held, History, Look};
use super::ledger::{Effect, Ledger, Line};
use super::verdict::{Origin, RootCause, What};
use crate::record::evidence::Recorded;
use crate::record::row::{Base, Soundness};
use std::collections::{BTreeMap, BTreeSet};

/// The flags of a key, and the read that brought them, as index of [`History::flag_reads`].
type Change = (usize, Vec<u64>);

/// The flags of a partition over all captures. Reads are incremental: a key's flags hold until a later read
/// of the same incarnation brings others; a new incarnation starts from nothing.
pub(super) struct Flags<'h> {
    /// By replica, by key, in time.
    changes: Vec<Vec<Vec<Change>>>,
    /// By capture, by replica: the last sound read of the capture, as index of [`History::flag_reads`].
    reads: Vec<Vec<Option<usize>>>,
    history: &'h History<'h>,
    /// Reads whose flags are torn on disk, by id.
    pub(super) torn: Vec<u64>,
    /// By replica: what its reads come to in the life that was read last.
    chains: Vec<Chain>,
    /// By index of [`History::flag_reads`]: the read that brought all flags, which this one's build on.
    wholes: Vec<usize>,
}

/// Whether the flags of a replica are known: a life's reads bring all flags once, and then what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// They are.
    Whole,
    /// No sound read of this life.
    Unread,
    /// Flags are torn on disk.
    Torn,
    /// What this read builds on is not there.
    Broken {
        /// The first such read, by id.
        read: u64,
    },
}

impl<'h> Flags<'h> {
    /// Reads all flags of a partition.
    pub(super) fn read(evidence: &dyn Recorded, history: &'h History<'h>, ledger: &Ledger) -> Flags<'h> {
        let replicas = history.facts.roster.len();
        let mut changes = vec![vec![Vec::new(); ledger.keys.len()]; replicas];
        let mut brought = vec![0_u64; history.flag_reads.len()];
        for (id, current) in evidence.currents(ledger.partition) {
            let Ok(at) = history.flag_reads.binary_search_by_key(&id, |read| read.look.id) else { continue };
            let look = history.flag_reads[at].look;
            brought[at] += 1;
            if let Some(key) = ledger.key(&current.key)
                && look.soundness == Soundness::Sound
            {
                changes[look.replica][key].push((at, current.offs.clone()));
            }
        }
        let mut flags = Flags {
            changes,
            reads: vec![vec![None; replicas]; history.captures.len()],
            history,
            torn: Vec::new(),
            chains: vec![Chain::Unread; replicas],
            wholes: Vec::new(),
        };
        let mut whole = vec![0; replicas];
        let mut lives: Vec<Option<u64>> = vec![None; replicas];
        for (at, read) in history.flag_reads.iter().enumerate() {
            let look = read.look;
            flags.wholes.push(whole[look.replica]);
            if look.partition != ledger.partition || look.soundness != Soundness::Sound {
                continue;
            }
            let chain = &mut flags.chains[look.replica];
            if lives[look.replica].replace(look.incarnation) != Some(look.incarnation) {
                *chain = Chain::Unread;
            }
            if *chain == Chain::Unread || read.base == Base::Nothing {
                whole[look.replica] = at;
                flags.wholes[at] = at;
            }
            *chain = chain.and(read, history);
            if brought[at] != look.count {
                flags.torn.push(look.id);
                *chain = Chain::Torn;
            }
            if *chain == Chain::Whole {
                flags.reads[look.capture][look.replica] = Some(at);
            }
        }
        flags
    }

    /// Whether the flags of a replica are known to the end.
    pub(super) fn chain(&self, replica: usize) -> Chain {
        self.chains[replica]
    }

    /// The offsets that a replica flagged as current for a key when last read, at this capture or before.
    pub(super) fn shown(&self, replica: usize, key: usize, capture: usize) -> Option<&[u64]> {
        let read = self.reads[..=capture].iter().rev().find_map(|reads| reads[replica])?;
        Some(self.shown_by(read, key))
    }

    fn shown_by(&self, read: usize, key: usize) -> &[u64] {
        let look = self.history.flag_reads[read].look;
        let known = self.changes[look.replica][key].iter().rev().find(|(at, _)| *at <= read);
        known.filter(|(at, _)| *at >= self.wholes[read]).map_or(&[], |(_, offs)| offs)
    }
}

impl Chain {
    /// The chain with one more sound read.
    fn and(self, read: &FlagsRead, history: &History<'_>) -> Chain {
        match (read.base, self) {
            (Base::Nothing, _) => Chain::Whole,
            (Base::Unknown, Chain::Unread) => match passed_over(read, history) {
                true => Chain::Broken { read: read.look.id },
                false => Chain::Whole,
            },
            (Base::Read(base), Chain::Whole | Chain::Unread) => {
                let sound =
                    |read: &FlagsRead| read.look.id == base && read.look.soundness == Soundness::Sound;
                match self == Chain::Whole && history.flag_reads.iter().any(sound) {
                    true => Chain::Whole,
                    false => Chain::Broken { read: read.look.id },
                }
            }
            (_, broken) => broken,
        }
    }
}

/// Whether an earlier capture read rows of this life, and no flags: those were read as well, and are lost.
fn passed_over(read: &FlagsRead, history: &History<'_>) -> bool {
    let of_life = |look: &Look| (look.replica, look.partition, look.incarnation);
    let tried = |capture| {
        let reads = history.flag_reads.iter().map(|read| read.look);
        reads.filter(|look| look.capture == capture).any(|look| of_life(&look) == of_life(&read.look))
    };
    history.reads.iter().map(|read| read.look).any(|earlier| {
        of_life(&earlier) == of_life(&read.look)
            && earlier.capture < read.look.capture
            && earlier.soundness == Soundness::Sound
            && !tried(earlier.capture)
    })
}

/// What the comparison of one partition's flags came to.
#[derive(Default)]
pub(super) struct FlagsCompared {
    /// (replica x key) flags compared.
    pub(super) flags: u64,
    pub(super) deviations: Vec<Deviation>,
}

/// Compares the flags of a partition, but of no read that reached beyond `judged_to`: entries that are not
/// known may have moved them. `absent` names (replica, offset) pairs whose row is missing: their keys are
/// reported for that, and not for the flag that cannot be there.
pub(super) fn compare(
    flags: &Flags<'_>,
    ledger: &Ledger,
    absences: &Absences<'_>,
    judged_to: u64,
    absent: &BTreeSet<(usize, u64)>,
) -> FlagsCompared {
    let history = flags.history;
    let mut compared = FlagsCompared::default();
    let mut wrong: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut glances: Vec<Vec<Glance>> = Vec::new();
    for reads in &flags.reads {
        let of_capture = reads.iter().flatten().map(|&at| Glance::of(at, &history.flag_reads[at]));
        glances.push(of_capture.filter(|glance| glance.reach() <= judged_to).collect());
    }
    let mut past = Vec::new();
    for key in 0..ledger.keys.len() {
        ledger.past(key, &mut past);
        let mut judged = vec![false; history.facts.roster.len()];
        for glance in glances.iter().flatten() {
            let Some(line) = glance.expects(&past, absent) else { continue };
            compared.flags += u64::from(!std::mem::replace(&mut judged[glance.replica], true));
            let look = &history.flag_reads[glance.read].look;
            if fault(line, flags.shown_by(glance.read, key), absences, look).is_some() {
                wrong.entry(key).or_default().extend(ledger.at(line.off));
            }
        }
    }
    for (key, lines) in wrong {
        ledger.past(key, &mut past);
        for at in lines {
            let line = ledger.line(at);
            let mut deviation = Deviation {
                off: line.off,
                key: ledger.keys[key].clone(),
                segment: line.segment,
                op: Some(line.op),
                modelled: true,
                expected: Some(Expected::Current((line.effect == Effect::Merged).then_some(line.off))),
                views: Vec::new(),
                scenes: Vec::new(),
            };
            for (capture, glances) in glances.iter().enumerate() {
                let expecting = glances.iter().filter(|glance| {
                    glance.expects(&past, absent).is_some_and(|found| found.off == line.off)
                });
                let offs = expecting.map(|glance| (glance, flags.shown_by(glance.read, key)));
                let views = offs.map(|(glance, offs)| {
                    let look = &history.flag_reads[glance.read].look;
                    view(&mut deviation.views, look, &line, offs, absences)
                });
                let views = views.collect();
                deviation.show(capture, views);
            }
            name_roots(&mut deviation);
            compared.deviations.push(deviation);
        }
    }
    compared
}

/// One read of flags: what it covers without a move.
struct Glance {
    read: usize,
    replica: usize,
    /// One past the highest offset covered.
    top: u64,
    /// What was covered before and after, by the same copy.
    steady: Vec<(u64, u64)>,
    /// What was covered only before, or only after.
    moved: Vec<(u64, u64)>,
}

impl Glance {
    fn of(at: usize, read: &FlagsRead) -> Glance {
        let visible = |held: &&Held| held.is_visible();
        let twin = |held: &Held, others: &[Held]| {
            let same = |other: &&Held| other.seq == held.seq && other.copy == held.copy;
            others.iter().filter(visible).find(same).map(|other| other.end)
        };
        let mut glance =
            Glance { read: at, replica: read.look.replica, top: 0, steady: Vec::new(), moved: Vec::new() };
        for held in read.before.iter().filter(visible) {
            glance.top = glance.top.max(held.end);
            match twin(held, &read.after) {
                Some(end) => glance.steady.push((held.start, held.end.min(end))),
                None => glance.moved.push((held.start, held.end)),
            }
        }
        for held in read.after.iter().filter(visible) {
            let before = twin(held, &read.before).unwrap_or(held.start);
            glance.moved.push((before, held.end));
        }
        glance.moved.retain(|(start, end)| start < end);
        glance
    }

    /// One past the last offset that the replica may have seen when it was read.
    fn reach(&self) -> u64 {
        self.moved.iter().map(|(_, end)| *end).fold(self.top, u64::max)
    }

    /// The last accepted entry of a key that the replica covers, if its flags can be judged by it; `past` are
    /// the key's lines in log order.
    fn expects<'l>(&self, past: &'l [Line], absent: &BTreeSet<(usize, u64)>) -> Option<&'l Line> {
        let below = |off| past.partition_point(|line| line.off < off);
        let line = past[..below(self.top)].iter().rfind(|line| line.effect.is_accepted())?;
        let steady = self.steady.iter().any(|&(start, end)| start <= line.off && line.off < end);
        let moved = self.moved.iter().any(|&(start, end)| below(start) < below(end));
        (steady && !moved && !absent.contains(&(self.replica, line.off))).then_some(line)
    }
}

fn fault(line: &Line, shown: &[u64], absences: &Absences<'_>, look: &Look) -> Option<What> {
    match (line.effect, shown) {
        _ if absences.excuse_flags(look.replica, line, shown, look.t) => None,
        (Effect::Deleted, []) => None,
        (Effect::Deleted, _) => Some(What::Resurrected),
        (_, []) => Some(What::NoCurrent),
        (_, [one]) if *one == line.off => None,
        (_, [_]) => Some(What::StaleCurrent),
        _ => Some(What::DuplicateCurrent),
    }
}

/// The index of the view of a replica with these flags, made if it is new.
fn view(views: &mut Vec<View>, look: &Look, line: &Line, offs: &[u64], absences: &Absences<'_>) -> usize {
    let shows = |view: &View| matches!(&view.content, Some(Content::Flags(known)) if known == offs);
    if let Some(at) = views.iter().position(|view| view.replica == look.replica && shows(view)) {
        return at;
    }
    let group = views.iter().position(shows).map_or(views.len(), |at| views[at].group);
    let wrong = fault(line, offs, absences, look).map(|what| Wrong {
        what,
        origin: Origin::Root,
        cause: Cause { class: RootCause::NoProvenance, roots: BTreeSet::new() },
        lost: None,
        columns: Vec::new(),
        shows_default: false,
        stale: Vec::new(),
    });
    let content = Some(Content::Flags(offs.to_vec()));
    views.push(View { replica: look.replica, state: None, read: Some(look.id), group, wrong, content });
    views.len() - 1
}

/// The roots are the replicas that were wrong first.
fn name_roots(deviation: &mut Deviation) {
    let whats: BTreeSet<What> = deviation.views.iter().filter_map(|view| view.what()).collect();
    for what in whats {
        let first = deviation.scenes.iter().find_map(|scene| {
            let views = scene.views.iter().map(|&at| &deviation.views[at]);
            let wrong: BTreeSet<usize> =
                views.filter(|view| view.what() == Some(what)).map(|view| view.replica).collect();
            (!wrong.is_empty()).then_some(wrong)
        });
        let wrong = deviation.views.iter_mut().filter_map(|view| view.wrong.as_mut());
        for wrong in wrong.filter(|wrong| wrong.what == what) {
            wrong.cause.roots = first.clone().unwrap_or_default();
        }
    }
}
