//! The conductor: a pure state machine that leads a run from set-up to the last capture.
//!
//! `step(now, input, out)`: whatever happened goes in, what is to be done comes out. It has no socket, no
//! file and no clock of its own, so that the very same conductor runs a cluster of processes in real time
//! and a simulated one in virtual time.

mod capture;
mod deaths;
mod faults;
mod fill;
mod probe;
mod sessions;
mod stage;
#[cfg(test)]
mod tests;
mod view;

pub use capture::CurrentRowsAnswer;
pub use view::{FrontierSeen, Snapshot};

use crate::generator::generate::Generator;
use crate::history::event::{CaptureReason, Death, Event, Op, OpOutcome, Phase};
use crate::history::fault::{Fault, StepId};
use crate::history::row::{Coverage, CurrentRead, Read};
use crate::history::run_record::RunMeta;
use crate::history::shard_snapshot::ShardSnapshot;
use crate::history::time::Nanos;
use capture::Captures;
use faults::Faults;
use sessions::Sessions;
use stage::RunStage;
use view::ClusterView;

/// What the conductor wants done. Every command but `Record`, `Wake` and `Finish` is answered by one input.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write this op: [`Input::Completed`].
    Write(Op),
    /// Write the cure down, then begin the fault: [`Input::Begun`].
    Begin {
        /// The step.
        step: StepId,
        /// What goes wrong.
        fault: Fault,
    },
    /// Apply the step's cure and verify it: [`Input::Cured`].
    Cure {
        /// The step.
        step: StepId,
    },
    /// Ask the target to commit every consuming segment: [`Input::BoundaryAsked`].
    Boundary,
    /// Look at the whole cluster: [`Input::Sampled`].
    Sample,
    /// Ask one replica for its coverage: [`Input::Covered`].
    Cover {
        /// The replica.
        replica: String,
    },
    /// Read and store rows `read.from..read.before.end` of a segment: [`Input::RowsRead`].
    Rows {
        /// The read.
        read: Read,
    },
    /// Read and store the current flags that changed: [`Input::FlagsRead`].
    Flags {
        /// The read.
        read: CurrentRead,
        /// Flags up to this version are known; 0: send all.
        since: u64,
    },
    /// Read what the shard holds: [`Input::ContentsRead`].
    Contents {
        /// The capture.
        capture: u32,
    },
    /// Read back and store the whole input log: [`Input::LogRead`].
    ReadLog,
    /// Put this on record.
    Record(Event),
    /// Call again at this time at the latest; replaces any earlier wish.
    Wake(Nanos),
    /// All is done.
    Finish,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Nothing but the passing of time.
    Woken,
    /// An op was answered.
    Completed {
        /// The op.
        op: u64,
        /// What became of it.
        outcome: OpOutcome,
        /// Where it lies.
        off: Option<u64>,
    },
    /// A fault is in force, or could not be begun.
    Begun {
        /// The step.
        step: StepId,
        /// Why not.
        error: Option<String>,
    },
    /// A cure is verified, or failed.
    Cured {
        /// The step.
        step: StepId,
        /// Why not.
        error: Option<String>,
        /// What told that the fault was over before, if it was.
        ended_early: Option<String>,
    },
    /// The target took the wish for a boundary, or did not.
    BoundaryAsked {
        /// Why not.
        error: Option<String>,
    },
    /// The cluster, looked at.
    Sampled(Snapshot),
    /// The cluster could not be looked at.
    SampleFailed {
        /// Where and why.
        error: String,
        /// What of the target has ended.
        deaths: Vec<Death>,
    },
    /// A replica's coverage.
    Covered {
        /// The replica.
        replica: String,
        /// What it said.
        answer: Result<Coverage, String>,
    },
    /// Rows were read and stored.
    RowsRead {
        /// The replica.
        replica: String,
        /// How many.
        answer: Result<u64, String>,
    },
    /// Flags were read and stored.
    FlagsRead {
        /// The replica.
        replica: String,
        /// What came.
        answer: Result<CurrentRowsAnswer, String>,
    },
    /// The shard was read.
    ContentsRead {
        /// What it holds.
        answer: Result<ShardSnapshot, String>,
    },
    /// The log was read back.
    LogRead {
        /// Why not to its end.
        error: Option<String>,
        /// What of the target has ended, if it failed.
        deaths: Vec<Death>,
    },
    /// Stop now: cure everything, keep the data.
    Interrupt {
        /// The signal or the deadline.
        by: String,
    },
}

/// How segments come to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundaries {
    /// On request, while writes go on. They wait where a partition has so many rows since its last boundary,
    /// so that a target that commits slowly gets no load without end; none: they never wait.
    UnderLoad {
        /// So many.
        most: Option<u64>,
    },
    /// On request, while nothing is written: some systems diverge by a boundary under load alone, and then no
    /// run would show what its plan is for.
    StandingStill,
    /// At so many rows, which is the same offset on all replicas, and never on request: for a boundary, what
    /// lacks is written while the load stands still.
    RowThreshold {
        /// The rows of a full segment.
        rows: u64,
    },
}

impl Boundaries {
    /// Whether the load stands still while one is crossed.
    fn are_still(self) -> bool {
        !matches!(self, Boundaries::UnderLoad { .. })
    }

    /// The rows of an open segment from which on the load waits.
    fn most(self) -> Option<u64> {
        match self {
            Boundaries::UnderLoad { most } => most,
            Boundaries::StandingStill => None,
            // What is under way has room.
            Boundaries::RowThreshold { rows } => Some(rows - rows / 4),
        }
    }
}

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two looks at the cluster.
    pub sample_every: Nanos,
    /// Between two captures during the load.
    pub capture_every: Nanos,
    /// The longest wait for replicas to catch up.
    pub quiesce: Nanos,
    /// The longest time in which nothing of the target can be looked at.
    pub blind: Nanos,
    /// The longest time for everything before the cures, and for the probe.
    pub deadline: Nanos,
    /// How segments come to their end.
    pub boundaries: Boundaries,
    /// Whether what has not settled in time is restarted, to see whether a new life goes on.
    pub probe_restart: bool,
}

/// A boundary that was asked for and has not been crossed yet.
#[derive(Debug)]
struct Crossing {
    /// (partition, sequence) of the segments to be committed.
    segments: Vec<(u32, u32)>,
}

/// The state of a run.
pub struct Conductor {
    meta: RunMeta,
    timing: Timing,
    generator: Generator,
    stage: RunStage,
    view: ClusterView,
    sessions: Sessions,
    faults: Faults,
    captures: Captures,
    load_began: Nanos,
    /// Since when nothing is written, for a boundary's sake.
    still_since: Option<Nanos>,
    /// For how long nothing was written so far: arrivals are that much later.
    stood_still: u64,
    next_op: Option<Op>,
    last_id: u64,
    /// Ops that were written to make segments full.
    filled: u64,
    boundaries: u32,
    boundaries_left: Option<u32>,
    logged_at_boundary: u64,
    crossing: Option<Crossing>,
    sampling: bool,
    /// When the newest look at the cluster was asked for.
    sample_asked: Nanos,
    /// Since when no look at the cluster succeeds.
    blind_since: Option<Nanos>,
    next_sample: Nanos,
    next_capture: Nanos,
    wanted_capture: Option<CaptureReason>,
    committed_captured: usize,
    /// What the last wait for all replicas came to.
    settled: bool,
    /// The steps of the probe.
    probes: Vec<StepId>,
    interrupted: bool,
}

impl Conductor {
    /// A run that has not begun; the first `step` with [`Input::Woken`] begins it.
    pub fn new(meta: RunMeta, timing: Timing) -> Conductor {
        let generator = Generator::new(&meta.workload, &meta.schema, meta.seed);
        Conductor {
            stage: RunStage::Begin,
            view: ClusterView::new(&meta),
            sessions: Sessions::default(),
            faults: Faults::new(&meta.steps),
            captures: Captures::new(meta.partitions),
            load_began: Nanos(0),
            still_since: None,
            stood_still: 0,
            next_op: None,
            last_id: 0,
            filled: 0,
            boundaries: 0,
            boundaries_left: None,
            logged_at_boundary: 0,
            crossing: None,
            sampling: false,
            sample_asked: Nanos(0),
            blind_since: None,
            next_sample: Nanos(0),
            next_capture: Nanos(0),
            wanted_capture: None,
            committed_captured: 0,
            settled: false,
            probes: Vec::new(),
            interrupted: false,
            generator,
            meta,
            timing,
        }
    }

    /// The phase that the run is in, for the live line.
    pub fn phase(&self) -> Phase {
        self.stage.phase().unwrap_or(Phase::SetUp)
    }

    /// Takes in what happened and says what to do.
    pub fn step(&mut self, now: Nanos, input: Input, out: &mut Vec<Command>) {
        self.absorb(now, input, out);
        if now >= self.timing.deadline && (self.stage < RunStage::Heal || self.stage.is_probe()) {
            self.interrupt(now, "the deadline of the run (--timeout)", out);
        }
        self.advance(now, out);
        if self.stage != RunStage::Done {
            out.push(Command::Wake(self.next_wake(now)));
        }
    }

    fn absorb(&mut self, now: Nanos, input: Input, out: &mut Vec<Command>) {
        match input {
            Input::Woken => {}
            Input::Completed { op, outcome, off } => self.completed(op, outcome, off, out),
            Input::Begun { step, error } => {
                self.faults.begun(&step, now, error.is_none());
                out.push(Command::Record(Event::FaultBegun { step, error }));
            }
            Input::Cured { step, error, ended_early } => {
                self.faults.cured(&step, now);
                out.push(Command::Record(Event::Cured { step, error, ended_early }));
                self.wanted_capture = Some(CaptureReason::Release);
            }
            Input::BoundaryAsked { error } => {
                if let Some(error) = error {
                    self.crossing = None;
                    self.trouble("boundary", error, out);
                }
            }
            Input::Sampled(mut snapshot) => {
                self.sampling = false;
                self.blind_since = None;
                let deaths = std::mem::take(&mut snapshot.deaths);
                let events = self.view.absorb(now, snapshot);
                out.extend(events.into_iter().map(Command::Record));
                self.cross();
                if !self.interrupted {
                    self.fill(out);
                }
                self.stop_for_deaths(now, deaths, out);
            }
            Input::SampleFailed { error, deaths } => {
                self.sampling = false;
                self.could_not_look(now, error, deaths, out);
            }
            Input::Covered { replica, answer } => self.captures.covered(&replica, answer, out),
            Input::RowsRead { replica, answer } => self.captures.rows_read(&replica, answer, out),
            Input::FlagsRead { replica, answer } => self.captures.flags_read(&replica, answer, out),
            Input::ContentsRead { answer } => {
                if let Err(error) = &answer {
                    self.trouble("shard", error.clone(), out);
                }
                self.captures.contents_read(answer.ok(), out);
            }
            Input::LogRead { error, deaths } => {
                self.stop_for_deaths(now, deaths, out);
                if let Some(error) = error {
                    self.trouble("log", error, out);
                }
                self.enter(now, RunStage::Done, out);
            }
            Input::Interrupt { by } => self.interrupt(now, &by, out),
        }
    }

    fn completed(&mut self, op: u64, outcome: OpOutcome, off: Option<u64>, out: &mut Vec<Command>) {
        out.push(Command::Record(Event::Complete { op, outcome, off }));
        let Some((partition, next)) = self.sessions.complete(op) else { return };
        if let Some(off) = off {
            self.view.acknowledged(partition, off);
        }
        if let Some(next) = next {
            write(next, out);
        }
    }

    fn offer(&mut self, op: Op, out: &mut Vec<Command>) {
        self.last_id = self.last_id.max(op.id);
        if let Some(op) = self.sessions.offer(op) {
            write(op, out);
        }
    }

    fn trouble(&self, at: &str, error: String, out: &mut Vec<Command>) {
        out.push(Command::Record(Event::Trouble { at: at.to_owned(), error }));
    }

    fn interrupt(&mut self, now: Nanos, by: &str, out: &mut Vec<Command>) {
        if self.stage < RunStage::ReadLog {
            self.cut_off(now, Event::Interrupted { by: by.to_owned() }, out);
        }
    }

    /// Cures come before anything else; then the log is read back, so that what was written can be judged.
    fn cut_off(&mut self, now: Nanos, why: Event, out: &mut Vec<Command>) {
        if self.interrupted {
            return;
        }
        self.interrupted = true;
        out.push(Command::Record(why));
        if self.stage < RunStage::ReadLog {
            self.sessions.drop_waiting();
            self.enter(now, RunStage::Heal, out);
        }
    }

    /// A boundary is crossed once every segment that it sealed is committed and its successor is known.
    fn cross(&mut self) {
        let crossed = self.crossing.as_ref().is_some_and(|crossing| {
            crossing.segments.iter().all(|(partition, seq)| {
                self.view.segment(*partition, *seq).is_some_and(|(segment, _)| segment.end.is_some())
                    && self.view.segment(*partition, seq + 1).is_some()
            })
        });
        if crossed {
            self.crossing = None;
            self.boundaries += 1;
        }
    }

    fn ask_boundary(&mut self, out: &mut Vec<Command>) {
        let mut segments = Vec::new();
        for (partition, end) in (0..).zip(self.view.log_ends()) {
            if let Some(seq) = self.view.newest_seq(partition)
                && self.view.segment(partition, seq).is_some_and(|(segment, _)| segment.start < *end)
            {
                segments.push((partition, seq));
            }
        }
        self.logged_at_boundary = self.view.log_ends().iter().sum();
        self.crossing = Some(Crossing { segments });
        out.push(Command::Record(Event::Boundary));
        match self.timing.boundaries {
            Boundaries::RowThreshold { .. } => self.fill(out),
            Boundaries::UnderLoad { .. } | Boundaries::StandingStill => out.push(Command::Boundary),
        }
    }

    fn begin_capture(&mut self, now: Nanos, reason: CaptureReason, out: &mut Vec<Command>) {
        self.wanted_capture = None;
        self.committed_captured = self.view.committed();
        self.next_capture = Nanos(now.0 + self.timing.capture_every.0);
        match self.meta.has_segments() {
            true => self.captures.begin(&self.meta.roster, reason, out),
            false => self.captures.begin_of_shard(reason, out),
        }
    }

    fn begin_fault(&mut self, step: StepId, fault: Fault, out: &mut Vec<Command>) {
        let log_ends = self.view.log_ends().to_vec();
        out.push(Command::Record(Event::FaultBegin { step: step.clone(), fault: fault.clone(), log_ends }));
        out.push(Command::Begin { step, fault });
    }

    fn begin_cure(&mut self, step: StepId, out: &mut Vec<Command>) {
        let log_ends = self.view.log_ends().to_vec();
        out.push(Command::Record(Event::CureBegin { step: step.clone(), log_ends }));
        out.push(Command::Cure { step });
    }

    /// When an op of the load is due.
    fn arrival(&self, op: &Op) -> Nanos {
        Nanos(self.load_began.0 + self.stood_still + op.due.0)
    }

    /// When something falls due that no input announces.
    fn next_wake(&self, now: Nanos) -> Nanos {
        let mut at = now.0 + self.timing.sample_every.0;
        if !self.sampling {
            at = at.min(self.next_sample.0);
        }
        let arriving = self.stage == RunStage::Load && self.still_since.is_none();
        if let Some(op) = self.next_op.as_ref().filter(|_| arriving) {
            at = at.min(self.arrival(op).0);
        }
        Nanos(at.max(now.0 + 1))
    }
}

fn write(op: Op, out: &mut Vec<Command>) {
    out.push(Command::Record(Event::Invoke { op: op.clone() }));
    out.push(Command::Write(op));
}
