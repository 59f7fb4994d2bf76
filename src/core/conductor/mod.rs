//! The conductor: a pure state machine that leads a run from set-up to the last capture.
//!
//! `step(now, input, out)` takes what happened and returns what to do. It has no socket, no file and no clock
//! of its own, so the very same conductor runs a cluster of processes in real time and a simulated one in
//! virtual time.

mod boundaries;
mod bracket;
mod capture;
mod cluster_view;
mod coverage_shape;
mod deaths;
mod faults;
mod fill_segment;
mod key_sessions;
mod restart_probe;
mod session_log;
mod shared_copies;
mod stage;
#[cfg(test)]
mod tests;

pub use capture::{CurrentRowsAnswer, RowsAnswer};
pub use cluster_view::{FrontierSeen, Snapshot};
pub use session_log::SessionLog;

use crate::generator::delivery::Delivery;
use crate::generator::generate::Generator;
use crate::history::event::{CaptureReason, Event, Op, OpOutcome, Phase, ProcessExit};
use crate::history::fault::{Fault, StepId};
use crate::history::row::{Coverage, CurrentRead, Read};
use crate::history::run_record::RunMeta;
use crate::history::shard_snapshot::ShardSnapshot;
use crate::history::time::Nanos;
use capture::Captures;
use cluster_view::ClusterView;
use faults::{DueFault, Faults};
use key_sessions::Sessions;
use stage::Stage;
use std::collections::VecDeque;

/// What the conductor wants done. Every command except `Record`, `Wake` and `Finish` is answered by one
/// input.
#[derive(Clone, Debug)]
pub enum Command {
    /// Write this op, in this way. Answered by [`Input::Completed`].
    Write(Op, Delivery),
    /// Store the cure on disk, then begin the fault. Answered by [`Input::Begun`].
    Begin {
        /// The step of the schedule.
        step: StepId,
        /// The fault, with everything filled in.
        fault: Fault,
    },
    /// Apply the step's cure and verify it. Answered by [`Input::Cured`].
    Cure {
        /// The step of the schedule.
        step: StepId,
    },
    /// Ask the target to commit every consuming segment. Answered by [`Input::CommitAsked`].
    ForceCommit,
    /// Sample the whole cluster. Answered by [`Input::Sampled`] or [`Input::SampleFailed`].
    Sample,
    /// Ask one replica for its coverage. Answered by [`Input::Covered`].
    ReadCoverage {
        /// The replica.
        replica: String,
    },
    /// Read and store the rows `read.from..read.before.end` of a segment. Answered by [`Input::RowsRead`].
    ReadRows {
        /// The read to be made. Its row count is not known yet.
        read: Box<Read>,
    },
    /// Read and store the current flags that changed. Answered by [`Input::FlagsRead`].
    ReadCurrentRows {
        /// The read to be made. Its key count is not known yet.
        read: Box<CurrentRead>,
        /// Flags up to this version are known; 0 asks for all.
        since: u64,
    },
    /// Read the contents of the shard. Answered by [`Input::ContentsRead`].
    ReadShard {
        /// The number of the capture.
        capture: u32,
    },
    /// Read back and store the whole input log. Answered by [`Input::LogRead`].
    ReadLog,
    /// Record this event.
    Record(Event),
    /// Call `step` again at this time at the latest. Replaces any earlier `Wake`.
    Wake(Nanos),
    /// The run is over.
    Finish,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Only time has passed.
    Woken,
    /// An op was answered.
    Completed {
        /// The op's id.
        op: u64,
        /// The outcome.
        outcome: OpOutcome,
        /// Its offset in the log, if the target reported one.
        off: Option<u64>,
    },
    /// A fault is in force, or failed to begin.
    Begun {
        /// The step of the schedule.
        step: StepId,
        /// Why it failed to begin; `None` if it is in force.
        error: Option<String>,
    },
    /// A cure is verified, or has failed.
    Cured {
        /// The step of the schedule.
        step: StepId,
        /// Why the cure failed; `None` if it is verified.
        error: Option<String>,
        /// Evidence that the fault had already ended when its cure began; `None` if it was still in force.
        ended_early: Option<String>,
    },
    /// The target accepted or refused the request for a boundary.
    CommitAsked {
        /// Why it refused; `None` if it accepted.
        error: Option<String>,
    },
    /// A sample of the cluster.
    Sampled(Snapshot),
    /// The cluster could not be sampled.
    SampleFailed {
        /// Which part of the target failed, and why.
        error: String,
        /// Processes of the target that have ended.
        deaths: Vec<ProcessExit>,
    },
    /// A replica answered a request for its coverage.
    Covered {
        /// The replica.
        replica: String,
        /// Its coverage, or why it did not answer.
        answer: Result<Coverage, String>,
    },
    /// Rows were read and stored.
    RowsRead {
        /// The replica.
        replica: String,
        /// The rows in short, or why the read failed.
        answer: Result<RowsAnswer, String>,
    },
    /// Flags were read and stored.
    FlagsRead {
        /// The replica.
        replica: String,
        /// The flags, or why the read failed.
        answer: Result<CurrentRowsAnswer, String>,
    },
    /// The shard was read.
    ContentsRead {
        /// The contents, or why the read failed.
        answer: Result<ShardSnapshot, String>,
    },
    /// The log was read back.
    LogRead {
        /// Why the log could not be read to its end; `None` if it was.
        error: Option<String>,
        /// If the read failed: processes of the target that have ended.
        deaths: Vec<ProcessExit>,
    },
    /// Stop now: cure everything and keep the data.
    Interrupt {
        /// The signal or the deadline.
        by: String,
    },
}

/// How segments end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPolicy {
    /// On request, while writes go on. Writes wait once a partition has `most` rows since its last boundary,
    /// so that a target that commits slowly does not get load without end.
    UnderLoad {
        /// The limit of rows per partition; `None`: writes never wait.
        most: Option<u64>,
    },
    /// On request, while nothing is written. Some systems diverge by a boundary under load alone, and then no
    /// run would show what its plan is for.
    StandingStill,
    /// At a fixed number of rows, which is the same offset on all replicas, and never on request. To cross a
    /// boundary, the load pauses while the missing rows are written.
    RowThreshold {
        /// The rows of a full segment.
        rows: u64,
    },
}

impl CommitPolicy {
    /// Whether the load pauses while a boundary is crossed.
    fn pause_the_load(self) -> bool {
        !matches!(self, CommitPolicy::UnderLoad { .. })
    }

    /// The load waits once an open segment has this many rows.
    fn most(self) -> Option<u64> {
        match self {
            CommitPolicy::UnderLoad { most } => most,
            CommitPolicy::StandingStill => None,
            // Leaves room for writes in flight.
            CommitPolicy::RowThreshold { rows } => Some(rows - rows / 4),
        }
    }
}

/// Intervals and time limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time between two samples of the cluster.
    pub sample_every: Nanos,
    /// Time between two captures during the load.
    pub capture_every: Nanos,
    /// The longest wait for replicas to catch up.
    pub quiesce: Nanos,
    /// The longest time without a successful sample of the target.
    pub no_answer: Nanos,
    /// The latest time, since the start of the run, for everything before the cures, and for the probe.
    pub deadline: Nanos,
    /// How segments end.
    pub boundaries: CommitPolicy,
    /// Whether replicas that have not settled in time are restarted, to see whether they progress afterwards.
    pub probe_restart: bool,
}

/// A boundary that was requested and has not been crossed yet.
#[derive(Debug)]
struct BoundaryCrossing {
    /// (partition, sequence) of the segments to be committed.
    segments: Vec<(u32, u32)>,
}

/// The state machine of a run.
pub struct Conductor {
    meta: RunMeta,
    timing: Timing,
    generator: Generator,
    stage: Stage,
    view: ClusterView,
    sessions: Sessions,
    faults: Faults,
    captures: Captures,
    load_began: Nanos,
    /// Since when writes are paused for a boundary.
    paused_since: Option<Nanos>,
    /// How long writes were paused so far. Ops of the load are due that much later.
    paused_for: u64,
    next_op: Option<Op>,
    last_id: u64,
    /// Ops that were written to fill segments.
    filled: u64,
    boundaries: u32,
    boundaries_left: Option<u32>,
    /// The boundaries that the workload gives and that were not requested yet: times since the load began.
    given_boundaries: VecDeque<Nanos>,
    logged_at_boundary: u64,
    crossing: Option<BoundaryCrossing>,
    sampling: bool,
    /// When the newest sample of the cluster was requested.
    sample_asked: Nanos,
    /// Since when no sample of the cluster succeeds.
    blind_since: Option<Nanos>,
    next_sample: Nanos,
    next_capture: Nanos,
    wanted_capture: Option<CaptureReason>,
    committed_captured: usize,
    /// Whether all replicas had settled when the last wait for them ended.
    settled: bool,
    /// The steps of the probe.
    probes: Vec<StepId>,
    interrupted: bool,
}

impl Conductor {
    /// A run that has not begun. The first `step` with [`Input::Woken`] begins it.
    pub fn new(meta: RunMeta, timing: Timing) -> Conductor {
        let generator = Generator::new(&meta.workload, &meta.schema, meta.seed);
        Conductor {
            stage: Stage::Begin,
            view: ClusterView::new(&meta),
            sessions: Sessions::default(),
            faults: Faults::new(&meta.steps),
            captures: Captures::new(&meta),
            load_began: Nanos(0),
            paused_since: None,
            paused_for: 0,
            next_op: None,
            last_id: 0,
            filled: 0,
            boundaries: 0,
            boundaries_left: None,
            given_boundaries: VecDeque::new(),
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

    /// The current phase, for the live status line.
    pub fn phase(&self) -> Phase {
        self.stage.phase().unwrap_or(Phase::SetUp)
    }

    /// Takes what happened and appends what to do to `out`.
    pub fn step(&mut self, now: Nanos, input: Input, out: &mut Vec<Command>) {
        self.absorb(now, input, out);
        if now >= self.timing.deadline && (self.stage < Stage::Heal || self.stage.is_probe()) {
            self.interrupt(now, "the deadline of the run (--timeout)", out);
        }
        self.advance(now, out);
        if self.stage != Stage::Done {
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
            Input::CommitAsked { error } => {
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
                self.sample_failed(now, error, deaths, out);
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
                self.enter(now, Stage::Done, out);
            }
            Input::Interrupt { by } => self.interrupt(now, &by, out),
        }
    }

    fn completed(&mut self, op: u64, outcome: OpOutcome, off: Option<u64>, out: &mut Vec<Command>) {
        out.push(Command::Record(Event::Complete { op, outcome, off }));
        let is_undecided = outcome == OpOutcome::Unknown && self.meta.schema.rules.has_own_log();
        let Some((partition, next)) = self.sessions.complete(op, is_undecided) else { return };
        if let Some(off) = off {
            self.view.acknowledged(partition, off);
        }
        if let Some(next) = next {
            self.write(next, out);
        }
    }

    fn trouble(&self, at: &str, error: String, out: &mut Vec<Command>) {
        out.push(Command::Record(Event::Trouble { at: at.to_owned(), error }));
    }

    fn interrupt(&mut self, now: Nanos, by: &str, out: &mut Vec<Command>) {
        if self.stage < Stage::ReadLog {
            self.cut_off(now, Event::Interrupted { by: by.to_owned() }, out);
        }
    }

    /// Cures come before anything else. The log is then read back, so that what was written can be judged.
    fn cut_off(&mut self, now: Nanos, why: Event, out: &mut Vec<Command>) {
        if self.interrupted {
            return;
        }
        self.interrupted = true;
        out.push(Command::Record(why));
        if self.stage < Stage::ReadLog {
            self.sessions.drop_waiting();
            self.enter(now, Stage::Heal, out);
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
        self.begin_due_fault(DueFault { step, fault, error: None }, out);
    }

    /// Begins a fault of the schedule, or records why it cannot begin.
    fn begin_due_fault(&mut self, due: DueFault, out: &mut Vec<Command>) {
        let DueFault { step, fault, error } = due;
        let log_ends = self.view.log_ends().to_vec();
        out.push(Command::Record(Event::FaultBegin { step: step.clone(), fault: fault.clone(), log_ends }));
        out.push(match error {
            None => Command::Begin { step, fault },
            Some(_) => Command::Record(Event::FaultBegun { step, error }),
        });
    }

    fn begin_cure(&mut self, step: StepId, out: &mut Vec<Command>) {
        let log_ends = self.view.log_ends().to_vec();
        out.push(Command::Record(Event::CureBegin { step: step.clone(), log_ends }));
        out.push(Command::Cure { step });
    }

    /// A time of the load on the run's clock.
    fn load_time(&self, since_it_began: Nanos) -> Nanos {
        Nanos(self.load_began.0 + self.paused_for + since_it_began.0)
    }

    /// The next time at which something is due that no input announces.
    fn next_wake(&self, now: Nanos) -> Nanos {
        let mut at = now.0 + self.timing.sample_every.0;
        if !self.sampling {
            at = at.min(self.next_sample.0);
        }
        let arriving = self.stage == Stage::Load && self.paused_since.is_none();
        let given = self.next_op.iter().map(|op| op.due).chain(self.given_boundaries.front().copied());
        // What is due and has to wait, waits for an input.
        let due = given.map(|due| self.load_time(due).0).filter(|due| arriving && *due > now.0);
        at = due.fold(at, u64::min);
        Nanos(at.max(now.0 + 1))
    }
}
