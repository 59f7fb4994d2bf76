//! A simulated cluster as a store without a log of its own: the log is that of our sessions, and some ops are
//! never answered (`RULES.md` 15).

use dissent_core::conductor::{Input, SessionLog};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::row::{CopyState, Cover, Observed, Segment};
use dissent_core::history::run_record::RunMeta;
use dissent_core::seed::{Stream, below};
use rand_chacha::ChaCha8Rng;
use specimen::segments::World;

/// The only partition.
pub(super) const PARTITION: u32 = 0;
/// How long an op may be under way after its session has given up, in milliseconds.
const LATE_MS_MAX: u32 = 3_000;

/// The log of our sessions, and the ops without an answer.
pub(super) struct Sessions {
    pub(super) log: SessionLog,
    /// How many of 100 ops are never answered.
    timeouts: u32,
    draw: ChaCha8Rng,
    /// By offset of the cluster's log: the offset in ours.
    placed: Vec<u64>,
    /// Ops that arrive after their session has given up, with the time.
    late: Vec<(u64, Op)>,
    segment: Segment,
}

impl Sessions {
    pub(super) fn new(meta: &RunMeta, timeouts: u32) -> Sessions {
        let segment = Segment {
            name: meta.schema.table.clone(),
            partition: PARTITION,
            seq: 0,
            start: 0,
            end: None,
            crc: None,
            replicas: meta.roster.clone(),
        };
        Sessions {
            log: SessionLog::default(),
            timeouts,
            draw: meta.seed.stream(Stream::Timeouts),
            placed: Vec::new(),
            late: Vec::new(),
            segment,
        }
    }

    /// Sends an op. An op without an answer is lost, takes effect in time, or takes effect late.
    pub(super) fn produce(&mut self, world: &mut World, now: u64, op: Op) -> Input {
        let (id, off) = (op.id, self.log.send(&op));
        let is_answered = below(&mut self.draw, 100) >= self.timeouts;
        if is_answered {
            self.apply(world, off, op);
            self.log.end(id, OpOutcome::Ok);
            return Input::Completed { op: id, outcome: OpOutcome::Ok, off: Some(off) };
        }
        match below(&mut self.draw, 3) {
            0 => {}
            1 => self.apply(world, off, op),
            _ => {
                let delay = u64::from(below(&mut self.draw, LATE_MS_MAX)) * 1_000_000;
                self.late.push((now + delay, op));
            }
        }
        self.log.end(id, OpOutcome::Unknown);
        Input::Completed { op: id, outcome: OpOutcome::Unknown, off: Some(off) }
    }

    /// Runs the cluster up to a time, with the late ops that arrive until then.
    pub(super) fn advance(&mut self, world: &mut World, to: u64) {
        self.late.sort_by_key(|(due, op)| (*due, op.id));
        while self.late.first().is_some_and(|(due, _)| *due <= to) {
            let (due, op) = self.late.remove(0);
            world.advance(due);
            let off = self.log.place(&op.key, op.id);
            self.apply(world, off, op);
        }
    }

    fn apply(&mut self, world: &mut World, off: u64, op: Op) {
        if world.produce(op.partition, super::cluster::entry_of(op)).is_ok() {
            self.placed.push(off);
        }
    }

    /// The offset in our log of an offset of the cluster's.
    pub(super) fn offset(&self, off: u64) -> u64 {
        usize::try_from(off).ok().and_then(|at| self.placed.get(at)).copied().unwrap_or(u64::MAX)
    }

    /// Reads the end of the cluster's log, and then of ours.
    pub(super) fn mark(&mut self, world: &World) -> u64 {
        let ended = self.log.ended();
        self.log.mark(ended, world.log_ends()[PARTITION as usize]);
        ended
    }

    /// The table's only segment.
    pub(super) fn segment(&self) -> Segment {
        self.segment.clone()
    }

    /// What a server covers that has consumed the cluster's log up to `position`.
    pub(super) fn cover(&self, incarnation: u64, position: u64) -> Cover {
        Cover {
            segment: self.segment.name.clone(),
            partition: PARTITION,
            seq: 0,
            start: 0,
            end: self.log.covered(position),
            state: CopyState::Consuming,
            registered: Observed::Known(true),
            copy: incarnation,
            rows: 0,
            position: Some(position),
            checksum: None,
        }
    }
}
