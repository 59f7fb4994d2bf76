//! When a boundary is due, how it is requested, and when it is crossed.

use super::{BoundaryCrossing, Command, CommitPolicy, Conductor};
use crate::history::event::Event;
use crate::history::time::Nanos;

impl Conductor {
    /// Where no segment ends, plans count the rows that would have ended one, or the times that the workload
    /// gives.
    pub(super) fn count_boundaries(&mut self, now: Nanos) {
        if self.meta.has_boundaries() {
            return;
        }
        let logged: u64 = self.view.log_ends().iter().sum();
        if self.is_boundary_reached(now, logged) {
            self.logged_at_boundary = logged;
            self.boundaries += 1;
            self.given_boundaries.pop_front();
        }
    }

    /// Whether the workload wants a boundary now: at a time that it gives, or after a number of rows.
    fn is_boundary_reached(&self, now: Nanos, logged: u64) -> bool {
        match &self.meta.workload.boundaries {
            Some(_) => self.given_boundaries.front().is_some_and(|at| self.load_time(*at) <= now),
            None => logged >= self.logged_at_boundary + self.rows_per_boundary(),
        }
    }

    /// How many entries the whole log grows by until the next boundary is due.
    fn rows_per_boundary(&self) -> u64 {
        self.meta.workload.segment_rows * u64::from(self.meta.partitions)
    }

    /// A load that waits for boundaries ends before it requests another one. If each boundary takes longer to
    /// cross than the load takes to make the next one due, the load would otherwise never end.
    pub(super) fn boundary_due(&self, now: Nanos) -> bool {
        let ends = self.timing.boundaries.most().is_some() && self.is_load_complete(now);
        let logged: u64 = self.view.log_ends().iter().sum();
        self.meta.has_boundaries()
            && !ends
            && self.crossing.is_none()
            && self.boundaries_left != Some(0)
            && (self.is_boundary_reached(now, logged) || self.is_full())
    }

    /// Whether everything was sent and requested that the workload gives.
    pub(super) fn is_given_load_sent(&self) -> bool {
        let all_written = self.meta.workload.writes.is_none() || self.next_op.is_none();
        all_written && (self.given_boundaries.is_empty() || self.boundaries_left == Some(0))
    }

    /// A boundary is crossed once every segment that it ended is committed and its successor is known.
    pub(super) fn cross(&mut self) {
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

    pub(super) fn ask_boundary(&mut self, out: &mut Vec<Command>) {
        let mut segments = Vec::new();
        for (partition, end) in (0..).zip(self.view.log_ends()) {
            if let Some(seq) = self.view.newest_seq(partition)
                && self.view.segment(partition, seq).is_some_and(|(segment, _)| segment.start < *end)
            {
                segments.push((partition, seq));
            }
        }
        self.logged_at_boundary = self.view.log_ends().iter().sum();
        self.crossing = Some(BoundaryCrossing { segments });
        out.push(Command::Record(Event::Boundary));
        match self.timing.boundaries {
            CommitPolicy::RowThreshold { .. } => self.fill(out),
            CommitPolicy::UnderLoad { .. } | CommitPolicy::StandingStill => out.push(Command::ForceCommit),
        }
    }
}
