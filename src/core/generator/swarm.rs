//! Draws the steps of a plan that leaves them open: which faults, how many, when, and on whom.
//!
//! Faults that silence a replica take turns, so that no two of them are in force at the same time: a process
//! cannot be stopped while it is dead, and with two replicas silent nothing is compared. All others overlap
//! as they come. Half of the steps hit the victim of the step before.

use crate::history::fault::{Condition, FaultKind, NetworkMode};
use crate::history::nemesis::{Nemesis, Select, StepSpec, Swarm};
use crate::history::time::Nanos;
use crate::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;

/// One millisecond.
const MS: u64 = 1_000_000;
/// When a second writer starts, so that all other steps find it.
const SECOND_WRITER_AT: u64 = 300 * MS;
/// No other step begins earlier.
const FIRST_AT: u64 = 600 * MS;
/// The most entries of the next segment for which a message is held.
const HELD_EVENTS: u32 = 300;
/// A held message is released at the latest so long after the next segment opened.
const HELD_AT_MOST: Nanos = Nanos(5_000 * MS);
/// The boundaries before the segment whose message is held, from the first to the last possible number.
const HELD_SEGMENTS: (u32, u32) = (2, 4);
/// The greatest lag and delay: timestamps and milliseconds.
const MEASURES: (u32, u32) = (4, 150);
/// The greatest share of messages that are lost, in percent.
const LOST_MOST: u32 = 60;
/// The most messages a second that a throttled network lets pass.
const PASSED_MOST: u32 = 20;
/// A clock jumps by at most so many milliseconds: an hour.
const JUMP_MOST: u32 = 3_600_000;
/// A slow node takes at most so many times longer than usual.
const SLOWER_MOST: u32 = 100;

/// Whether a fault may be drawn. Others never end, need a server to move to, or are damage in themselves.
/// What a command does is not known.
pub fn is_drawable(kind: FaultKind) -> bool {
    !matches!(
        kind,
        FaultKind::Rebalance
            | FaultKind::Reload
            | FaultKind::Cutover
            | FaultKind::SkipTransaction
            | FaultKind::Command(_)
    )
}

/// The plan with its steps drawn, if it leaves them open.
pub fn drawn(nemesis: &Nemesis, seed: Seed) -> Nemesis {
    let Some(swarm) = &nemesis.swarm else { return nemesis.clone() };
    let steps = Drawing { swarm, rng: seed.stream(Stream::Swarm), steps: Vec::new() }.steps();
    Nemesis { swarm: None, steps, ..nemesis.clone() }
}

/// Steps, while they are drawn.
struct Drawing<'s> {
    swarm: &'s Swarm,
    rng: ChaCha8Rng,
    steps: Vec<StepSpec>,
}

impl Drawing<'_> {
    fn steps(mut self) -> Vec<StepSpec> {
        let has = |kind| self.swarm.faults.contains(&kind);
        let (joins, leaves) = (has(FaultKind::SecondWriter), has(FaultKind::DropWriter));
        if joins {
            self.push(FaultKind::SecondWriter, Select::Last, at(SECOND_WRITER_AT), after(FIRST_AT / 2));
        }
        let kinds = self.kinds();
        let turns = kinds.iter().filter(|kind| kind.silences()).count() as u64;
        let mut turn = 0;
        for kind in kinds {
            let (begin, until) = match kind {
                _ if kind.silences() => {
                    let length = self.swarm.within.0 / turns;
                    let (begin, lasts) = (self.up_to(length / 3), self.lasts(length / 3));
                    let begin = turn * length + begin;
                    turn += 1;
                    (at(FIRST_AT + begin), after(lasts))
                }
                FaultKind::HoldMessage(_) | FaultKind::SlowDownload => self.while_held(),
                _ => (at(FIRST_AT + self.up_to(self.swarm.within.0)), after(self.lasts(self.swarm.lasts.0))),
            };
            let select = self.select(kind, joins);
            let kind = self.measured(kind);
            self.push(kind, select, begin, until);
        }
        // It never comes back, so it goes last, and the other one stays.
        if joins && leaves && below(&mut self.rng, 2) == 0 {
            let end = at(FIRST_AT + self.swarm.within.0 + self.swarm.lasts.0);
            self.push(FaultKind::DropWriter, Select::First, end, after(FIRST_AT));
        }
        self.steps
    }

    /// The kinds of the steps: each once, but a replica may be silenced again.
    fn kinds(&mut self) -> Vec<FaultKind> {
        let of_writers = [FaultKind::SecondWriter, FaultKind::DropWriter];
        let drawable = |kind: &FaultKind| is_drawable(*kind) && !of_writers.contains(kind);
        let mut left: Vec<FaultKind> = self.swarm.faults.iter().copied().filter(drawable).collect();
        let count = 1 + below(&mut self.rng, self.swarm.steps);
        let mut kinds = Vec::new();
        while kinds.len() < count as usize && !left.is_empty() {
            let drawn = below(&mut self.rng, left.len() as u32) as usize;
            kinds.push(left[drawn]);
            if !left[drawn].silences() {
                left.remove(drawn);
            }
        }
        kinds
    }

    /// A segment's message is held until the others have gone on, or the log has.
    fn while_held(&mut self) -> (Condition, Condition) {
        let (first, last) = HELD_SEGMENTS;
        let begin = Condition::Boundaries(first + below(&mut self.rng, last - first + 1));
        let events = 1 + u64::from(below(&mut self.rng, HELD_EVENTS));
        let until = match below(&mut self.rng, 3) {
            0 => Condition::OthersCommitted,
            _ => Condition::EventsInNext { events, or_after: HELD_AT_MOST, of: None },
        };
        (begin, until)
    }

    fn select(&mut self, kind: FaultKind, has_two_writers: bool) -> Select {
        let (same, first) = (below(&mut self.rng, 2) == 0, below(&mut self.rng, 2) == 0);
        match (kind, self.steps.last()) {
            // The first replica may be the primary, which applies nothing.
            (FaultKind::LockTable | FaultKind::LongSnapshot, _) => Select::Last,
            (_, Some(before)) if same => Select::SameAs(before.id.clone()),
            _ if !has_two_writers => Select::One,
            _ if first => Select::First,
            _ => Select::Last,
        }
    }

    /// The fault with its measure drawn, if it has one.
    fn measured(&mut self, kind: FaultKind) -> FaultKind {
        let (lag, delay) = MEASURES;
        let mut of = |most| 1 + u64::from(below(&mut self.rng, most));
        match kind {
            FaultKind::Lag { .. } => FaultKind::Lag { timestamps: of(lag) },
            FaultKind::DelayQueue { queue, .. } => FaultKind::DelayQueue { queue, ms: of(delay) },
            FaultKind::SlowNode { .. } => FaultKind::SlowNode { times: 1 + of(SLOWER_MOST) },
            FaultKind::ClockJump { .. } => {
                let (ms, is_back) = (of(JUMP_MOST).cast_signed(), of(2) == 1);
                FaultKind::ClockJump { ms: if is_back { -ms } else { ms } }
            }
            FaultKind::Network { peer, mode } => {
                let mode = match mode {
                    NetworkMode::DelayMs(_) => NetworkMode::DelayMs(of(delay)),
                    NetworkMode::DropPercent(_) => NetworkMode::DropPercent(of(LOST_MOST)),
                    NetworkMode::ThrottlePerSecond(_) => NetworkMode::ThrottlePerSecond(of(PASSED_MOST)),
                    whole => whole,
                };
                FaultKind::Network { peer, mode }
            }
            other => other,
        }
    }

    /// How long a step lasts: at most this long, and not much shorter than a tenth of it.
    fn lasts(&mut self, most: u64) -> u64 {
        most / 10 + self.up_to(most - most / 10)
    }

    /// A time up to this one, in whole milliseconds.
    fn up_to(&mut self, most: u64) -> u64 {
        let ms = u32::try_from(most / MS).unwrap_or(u32::MAX - 1);
        u64::from(below(&mut self.rng, ms + 1)) * MS
    }

    fn push(&mut self, fault: FaultKind, select: Select, begin: Condition, until: Condition) {
        let id = format!("{}-{}", fault.name(), self.steps.len() + 1);
        self.steps.push(StepSpec {
            id,
            fault,
            select,
            partition: None,
            begin,
            until,
            jitter: Nanos(0),
            repeat: None,
        });
    }
}

fn at(t: u64) -> Condition {
    Condition::At(Nanos(t))
}

fn after(t: u64) -> Condition {
    Condition::After(Nanos(t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::fault::{Queue, Transition};
    use std::collections::BTreeSet;

    fn plan(faults: &[FaultKind]) -> Nemesis {
        let (within, lasts) = (Nanos(3_000 * MS), Nanos(1_500 * MS));
        let swarm = Swarm { faults: faults.to_vec(), steps: 4, within, lasts };
        Nemesis { swarm: Some(swarm), ..Nemesis::none() }
    }

    const OF_SEGMENTS: [FaultKind; 5] = [
        FaultKind::HoldMessage(Transition::OfflineToConsuming),
        FaultKind::HoldMessage(Transition::ConsumingToOnline),
        FaultKind::Restart,
        FaultKind::Pause,
        FaultKind::CommitWinner,
    ];

    /// When a step with fixed times begins and ends.
    fn span(step: &StepSpec) -> (u64, u64) {
        let (Condition::At(begin), Condition::After(lasts)) = (&step.begin, &step.until) else {
            panic!("it has no fixed times: {step:?}")
        };
        (begin.0, begin.0 + lasts.0)
    }

    #[test]
    fn silencing_steps_never_overlap_and_every_pair_of_faults_is_drawn() {
        let plan = plan(&OF_SEGMENTS);
        let mut pairs = BTreeSet::new();
        for seed in (0..300).map(Seed) {
            let drawn = drawn(&plan, seed);
            assert_eq!(drawn, super::drawn(&plan, seed), "a seed draws the same again");
            assert!(drawn.swarm.is_none() && (1..=4).contains(&drawn.steps.len()));
            let silencing: Vec<_> =
                drawn.steps.iter().filter(|step| step.fault.silences()).map(span).collect();
            assert!(silencing.windows(2).all(|two| two[0].1 < two[1].0), "{silencing:?}");
            let kinds: Vec<FaultKind> = drawn.steps.iter().map(|step| step.fault).collect();
            pairs.extend(kinds.iter().flat_map(|one| kinds.iter().map(|other| (*one, *other))));
        }
        assert_eq!(pairs.len(), OF_SEGMENTS.len() * OF_SEGMENTS.len());
    }

    #[test]
    fn a_writer_leaves_last_and_only_where_another_one_was_started() {
        let queue = Queue::Append;
        let some = [FaultKind::Pause, FaultKind::DelayQueue { queue, ms: 1 }, FaultKind::DropWriter];
        let without = plan(&some);
        let with = plan(&[&some[..], &[FaultKind::SecondWriter]].concat());
        let leaves = |step: &StepSpec| step.fault == FaultKind::DropWriter;
        let mut left = 0;
        for seed in (0..100).map(Seed) {
            assert!(!drawn(&without, seed).steps.iter().any(leaves), "the last writer must stay");
            let steps = drawn(&with, seed).steps;
            assert_eq!((steps[0].fault, &steps[0].select), (FaultKind::SecondWriter, &Select::Last));
            let end = |step: &StepSpec| span(step).1;
            if let Some(last) = steps.last().filter(|step| leaves(step)) {
                left += 1;
                assert!(steps[..steps.len() - 1].iter().all(|step| end(step) <= span(last).0), "{steps:?}");
            }
        }
        assert!((30..70).contains(&left), "in about half of the runs, not in {left}");
    }
}
