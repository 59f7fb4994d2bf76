//! The stages of a run, and when one moves on to the next.

use super::faults::Clock;
use super::{Command, CommitPolicy, Conductor};
use crate::generator::calibration::calibration;
use crate::generator::ops::canary;
use crate::history::event::{CaptureReason, Event, Phase};
use crate::history::fault::{Fault, FaultKind};
use crate::history::nemesis::Ending;
use crate::history::time::Nanos;

/// The step under which the ending's commit-winner fault is recorded.
const ENDING_STEP: &str = "ending";

/// The step under which the reload after the ending is recorded.
const RELOAD_STEP: &str = "reload";

/// Phases, divided by what the run waits for, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing has happened yet.
    Begin,
    /// Waits until every replica serves every partition.
    SetUp,
    /// The first three writes of the calibration keys.
    CalibrateBefore,
    /// A boundary between the calibration writes.
    CalibrateCross,
    /// The fourth writes of the calibration keys.
    CalibrateAfter,
    /// The capture of the calibration set.
    CalibrateCapture,
    /// Workload and faults run.
    Load,
    /// No new op is sent; the run waits for ops in flight.
    Drain,
    /// Every fault is cured.
    Heal,
    /// Canaries are written, and replicas catch up.
    Quiesce { since: Nanos },
    /// The capture after the replicas have settled.
    Capture,
    /// Replicas that have not settled are killed.
    ProbeBegin,
    /// They are started again.
    ProbeCure,
    /// They catch up, or do not.
    ProbeSettle { since: Nanos },
    /// The capture after the probe.
    ProbeCapture,
    /// The ending's commit-winner fault begins.
    EndingBegin,
    /// The last segment is committed. A frozen winner never commits it.
    EndingCommit { since: Nanos },
    /// Replicas take over the committed copy.
    EndingSettle { since: Nanos },
    /// The commit-winner fault ends.
    EndingCure,
    /// Every replica loads the ended segment again.
    EndingReload,
    /// The reload ends.
    EndingReloaded,
    /// The capture after the ending.
    EndingCapture,
    /// The log is read back.
    ReadLog,
    /// The run is over.
    Done,
}

impl Stage {
    pub(super) fn phase(self) -> Option<Phase> {
        let phase = match self {
            Stage::Begin => return None,
            Stage::SetUp => Phase::SetUp,
            Stage::CalibrateBefore
            | Stage::CalibrateCross
            | Stage::CalibrateAfter
            | Stage::CalibrateCapture => Phase::Calibrate,
            Stage::Load => Phase::Load,
            Stage::Drain | Stage::Heal => Phase::Heal,
            Stage::Quiesce { .. } => Phase::Quiesce,
            Stage::Capture => Phase::Capture,
            Stage::ProbeBegin | Stage::ProbeCure | Stage::ProbeSettle { .. } | Stage::ProbeCapture => {
                Phase::Probe
            }
            Stage::EndingBegin
            | Stage::EndingCommit { .. }
            | Stage::EndingSettle { .. }
            | Stage::EndingCure
            | Stage::EndingReload
            | Stage::EndingReloaded
            | Stage::EndingCapture => Phase::Ending,
            Stage::ReadLog | Stage::Done => Phase::Done,
        };
        Some(phase)
    }

    /// Whether replicas are down because of the probe, or have just been restarted by it.
    pub(super) fn is_probe(self) -> bool {
        matches!(self, Stage::ProbeBegin | Stage::ProbeCure | Stage::ProbeSettle { .. })
    }
}

impl Conductor {
    /// Does what the stage requires now, and moves on as long as it can.
    pub(super) fn advance(&mut self, now: Nanos, out: &mut Vec<Command>) {
        match self.stage {
            Stage::Load => self.load(now, out),
            Stage::Heal => self.heal(now, out),
            _ => {}
        }
        self.capture_if_wanted(now, out);
        while let Some(next) = self.next_stage(now) {
            self.enter(now, next, out);
        }
        if !self.sampling && now >= self.next_sample && self.stage < Stage::ReadLog {
            self.sampling = true;
            self.sample_asked = now;
            self.next_sample = Nanos(now.0 + self.timing.sample_every.0);
            out.push(Command::Sample);
        }
    }

    /// Runs the arrivals, boundaries and faults of the load.
    fn load(&mut self, now: Nanos, out: &mut Vec<Command>) {
        self.count_boundaries(now);
        let boundary_due = self.boundary_due(now);
        let crosses = self.timing.boundaries.pause_the_load() && (boundary_due || self.crossing.is_some());
        self.pause_load(now, crosses || self.is_full());
        if self.paused_since.is_none() {
            self.arrive(now, out);
        }
        let clock = self.clock(now);
        let ready = self.crossing.is_none() && self.is_quiet_enough();
        if ready {
            for due in self.faults.begin_due(clock, &self.view, self.timing.no_answer) {
                self.boundaries_left = self.boundaries_left.or(self.meta.nemesis.boundaries_after_first_step);
                self.begin_due_fault(due, out);
            }
        }
        for step in self.faults.cure_due(clock, &self.view) {
            self.begin_cure(step, out);
        }
        if boundary_due && ready && !self.faults.any_changing() {
            self.boundaries_left = self.boundaries_left.map(|left| left - 1);
            self.given_boundaries.pop_front();
            self.ask_boundary(out);
        }
    }

    /// Offers the ops that are due.
    fn arrive(&mut self, now: Nanos, out: &mut Vec<Command>) {
        while let Some(op) = self.next_op.take() {
            let due = self.load_time(op.due);
            if due > now {
                self.next_op = Some(op);
                break;
            }
            self.offer(crate::history::event::Op { due, ..op }, out);
            self.next_op = self.generator.next();
        }
    }

    /// Pauses or resumes writing.
    fn pause_load(&mut self, now: Nanos, wanted: bool) {
        match self.paused_since {
            None if wanted => self.paused_since = Some(now),
            Some(since) if !wanted => {
                self.paused_for += now.0 - since.0;
                self.paused_since = None;
            }
            _ => {}
        }
    }

    /// Whether faults and boundaries may begin. If writes must pause for that: only once everything written
    /// has reached every replica that no fault holds back.
    fn is_quiet_enough(&self) -> bool {
        let last = self.boundaries_left == Some(0);
        !self.timing.boundaries.pause_the_load()
            || last
            || self.paused_since.is_some()
                && self.sessions.is_idle()
                && self.view.have_caught_up(&self.faults.victims())
    }

    fn capture_if_wanted(&mut self, now: Nanos, out: &mut Vec<Command>) {
        let capturing = matches!(self.stage, Stage::Load | Stage::EndingSettle { .. });
        if !capturing || self.captures.is_running() || self.faults.any_down() {
            return;
        }
        if let Some(reason) = self.wanted_capture {
            self.begin_capture(now, reason, out);
        } else if self.view.committed() > self.committed_captured {
            self.begin_capture(now, CaptureReason::Boundary, out);
        } else if now >= self.next_capture {
            self.begin_capture(now, CaptureReason::Periodic, out);
        }
    }

    /// The stage to enter, once what the current stage waits for has happened.
    fn next_stage(&self, now: Nanos) -> Option<Stage> {
        let idle = self.sessions.is_idle();
        let captured = !self.captures.is_running();
        let quiesced =
            |since: Nanos| idle && self.view.all_settled() || now.0 >= since.0 + self.timing.quiesce.0;
        match self.stage {
            Stage::Begin => Some(Stage::SetUp),
            Stage::SetUp => self.view.all_serving().then_some(Stage::CalibrateBefore),
            Stage::CalibrateBefore => {
                let crosses = self.meta.has_boundaries();
                let next = if crosses { Stage::CalibrateCross } else { Stage::CalibrateAfter };
                (idle && self.view.all_settled()).then_some(next)
            }
            Stage::CalibrateCross => {
                (self.crossing.is_none() && self.view.all_settled() && self.view.all_serving())
                    .then_some(Stage::CalibrateAfter)
            }
            Stage::CalibrateAfter => (idle && self.view.all_settled()).then_some(Stage::CalibrateCapture),
            Stage::CalibrateCapture => captured.then_some(Stage::Load),
            Stage::Load => self.load_is_over(now).then_some(Stage::Drain),
            Stage::Drain => idle.then_some(Stage::Heal),
            Stage::Heal => {
                let healed = idle && captured && !self.faults.any_changing();
                let next = if self.interrupted { Stage::ReadLog } else { Stage::Quiesce { since: now } };
                healed.then_some(next)
            }
            Stage::Quiesce { since } => quiesced(since).then_some(Stage::Capture),
            Stage::Capture if self.should_probe(now) => captured.then_some(Stage::ProbeBegin),
            Stage::ProbeBegin => (!self.faults.any_changing()).then_some(Stage::ProbeCure),
            // A sample still in flight may have been taken while they were down.
            Stage::ProbeCure => {
                (!self.faults.any_changing() && !self.sampling).then_some(Stage::ProbeSettle { since: now })
            }
            Stage::ProbeSettle { since } => quiesced(since).then_some(Stage::ProbeCapture),
            Stage::Capture | Stage::ProbeCapture => captured.then_some(self.after_capture()),
            Stage::EndingBegin => (!self.faults.any_changing()).then_some(Stage::EndingCommit { since: now }),
            Stage::EndingCommit { since } => {
                let over = self.crossing.is_none() || now.0 >= since.0 + self.timing.quiesce.0;
                over.then_some(Stage::EndingSettle { since: now })
            }
            Stage::EndingSettle { since } => quiesced(since).then_some(Stage::EndingCure),
            Stage::EndingCure => {
                let next = if self.meta.nemesis.reload { Stage::EndingReload } else { Stage::EndingCapture };
                (captured && !self.faults.any_changing()).then_some(next)
            }
            Stage::EndingReload => (!self.faults.any_changing()).then_some(Stage::EndingReloaded),
            Stage::EndingReloaded => (!self.faults.any_changing()).then_some(Stage::EndingCapture),
            Stage::EndingCapture => captured.then_some(Stage::ReadLog),
            Stage::ReadLog | Stage::Done => None,
        }
    }

    pub(super) fn load_is_over(&self, now: Nanos) -> bool {
        self.is_load_complete(now) && (self.crossing.is_none() || self.is_stuck(now))
    }

    /// Whether a load that waits for a boundary has waited long enough. A commit requested under load may be
    /// lost, and then the boundary is never crossed.
    fn is_stuck(&self, now: Nanos) -> bool {
        let waits =
            matches!(self.timing.boundaries, CommitPolicy::UnderLoad { most: Some(_) }) && self.is_full();
        waits && self.paused_since.is_some_and(|since| now.0 >= since.0 + self.timing.quiesce.0)
    }

    /// Whether load and faults have had their time.
    pub(super) fn is_load_complete(&self, now: Nanos) -> bool {
        let tail = |over: Nanos| now.0 >= over.0 + self.meta.nemesis.tail.0 || !self.faults.any_begun();
        now.0 >= self.load_began.0 + self.meta.workload.load.0
            && self.is_given_load_sent()
            && self.faults.over_at().is_some_and(tail)
    }

    fn after_capture(&self) -> Stage {
        let ends = self.meta.nemesis.ending != Ending::Uncommitted && self.faults.held().is_some();
        if ends { Stage::EndingBegin } else { Stage::ReadLog }
    }

    /// Enters a stage and starts its work.
    pub(super) fn enter(&mut self, now: Nanos, next: Stage, out: &mut Vec<Command>) {
        if let Stage::Quiesce { since } | Stage::ProbeSettle { since } | Stage::EndingSettle { since } =
            self.stage
        {
            self.settled = self.sessions.is_idle() && self.view.all_settled();
            let waited = Nanos(now.0 - since.0);
            out.push(Command::Record(Event::Settled { all: self.settled, waited }));
        }
        if let Some(phase) = next.phase().filter(|phase| self.stage.phase() != Some(*phase)) {
            out.push(Command::Record(Event::Phase { phase }));
        }
        self.stage = next;
        match next {
            Stage::CalibrateBefore => {
                let set = calibration(&self.meta.schema).before;
                set.into_iter().for_each(|op| self.offer(op, out));
            }
            Stage::CalibrateAfter => {
                let set = calibration(&self.meta.schema).after;
                set.into_iter().for_each(|op| self.offer(op, out));
            }
            Stage::CalibrateCross | Stage::EndingCommit { .. } => self.ask_boundary(out),
            Stage::CalibrateCapture => self.begin_capture(now, CaptureReason::Calibration, out),
            Stage::Load => self.begin_load(now),
            Stage::Heal => self.heal(now, out),
            Stage::Quiesce { .. } => self.write_canaries(now, out),
            Stage::Capture | Stage::ProbeCapture | Stage::EndingCapture => {
                self.begin_capture(now, CaptureReason::Final, out);
            }
            Stage::ProbeBegin => self.begin_probe(out),
            Stage::ProbeCure => self.end_probe(out),
            Stage::ProbeSettle { .. } => self.view.forget_positions(),
            Stage::EndingBegin => self.begin_ending(out),
            Stage::EndingCure => self.end_unscheduled(ENDING_STEP, out),
            Stage::EndingReload => self.reload(out),
            Stage::EndingReloaded => self.end_unscheduled(RELOAD_STEP, out),
            Stage::ReadLog => out.push(Command::ReadLog),
            Stage::Done => out.push(Command::Finish),
            Stage::Begin | Stage::SetUp | Stage::Drain | Stage::EndingSettle { .. } => {}
        }
    }

    /// Cures what is in force. Faults that were still beginning when the load ended are cured once they are
    /// in force.
    fn heal(&mut self, now: Nanos, out: &mut Vec<Command>) {
        for step in self.faults.cure_all(now) {
            self.begin_cure(step, out);
        }
    }

    fn begin_load(&mut self, now: Nanos) {
        self.load_began = now;
        self.boundaries = 0;
        self.logged_at_boundary = self.view.log_ends().iter().sum();
        self.committed_captured = self.view.committed();
        self.next_capture = Nanos(now.0 + self.timing.capture_every.0);
        self.next_op = self.generator.next();
        let given = self.meta.workload.boundaries.iter().flatten().map(|boundary| boundary.at);
        self.given_boundaries = given.collect();
        self.given_boundaries.make_contiguous().sort();
    }

    fn write_canaries(&mut self, now: Nanos, out: &mut Vec<Command>) {
        for partition in 0..self.meta.partitions {
            let op = canary(&self.meta.schema, partition, self.last_id + 1, now);
            out.push(Command::Record(Event::Canary { partition, op: op.id }));
            self.offer(op, out);
        }
    }

    /// The victim, or the next replica of the roster, is to win the next commit of the held partition.
    fn begin_ending(&mut self, out: &mut Vec<Command>) {
        let Some(held) = self.faults.held() else { return };
        let roster = &self.meta.roster;
        let victim = roster.iter().position(|replica| *replica == held.replica).unwrap_or(0);
        let winner = match self.meta.nemesis.ending {
            Ending::VictimWins => victim,
            Ending::HealthyWins | Ending::Uncommitted => (victim + 1) % roster.len(),
        };
        let fault = Fault {
            kind: FaultKind::CommitWinner,
            replica: roster[winner].clone(),
            partition: held.partition,
            seq: None,
        };
        self.begin_unscheduled(ENDING_STEP, fault, out);
    }

    /// Every replica loads the segment that the ending has committed, from its committed copy.
    fn reload(&mut self, out: &mut Vec<Command>) {
        let Some(held) = self.faults.held() else { return };
        let seq = held.seq.map(|seq| seq + 1);
        let fault = Fault { kind: FaultKind::Reload, seq, ..held.clone() };
        self.begin_unscheduled(RELOAD_STEP, fault, out);
    }

    /// Begins a fault that is not in the schedule.
    pub(super) fn begin_unscheduled(&mut self, step: &str, fault: Fault, out: &mut Vec<Command>) {
        self.faults.add_beginning(step, &fault);
        self.begin_fault(step.to_owned(), fault, out);
    }

    pub(super) fn end_unscheduled(&mut self, step: &str, out: &mut Vec<Command>) {
        self.faults.set_curing(step);
        self.begin_cure(step.to_owned(), out);
    }

    pub(super) fn clock(&self, now: Nanos) -> Clock {
        Clock { now, load_began: self.load_began, boundaries: self.boundaries }
    }
}
