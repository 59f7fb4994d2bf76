//! The probe (`--probe-restart`) restarts what has not settled in time. It shows whether a restart clears a
//! freeze.

use super::{Command, Conductor};
use crate::history::fault::{Fault, FaultKind};
use crate::history::time::Nanos;

/// Steps of the probe are recorded as this prefix with the replica's name.
const PROBE_STEP: &str = "probe-";

impl Conductor {
    /// Whether there are replicas to restart, now that their rows are captured. After the deadline nothing is
    /// begun any more.
    pub(super) fn should_probe(&self, now: Nanos) -> bool {
        self.timing.probe_restart
            && !self.settled
            && now < self.timing.deadline
            && !self.view.unsettled().is_empty()
    }

    /// Kills all replicas that have not settled, in parallel.
    pub(super) fn begin_probe(&mut self, out: &mut Vec<Command>) {
        for replica in self.view.unsettled() {
            let step = format!("{PROBE_STEP}{replica}");
            let fault = Fault { kind: FaultKind::Restart, replica, partition: None, seq: None };
            self.begin_unscheduled(&step, fault, out);
            self.probes.push(step);
        }
    }

    /// Starts them again, even those not known to be down: a cure that is applied twice does no harm.
    pub(super) fn end_probe(&mut self, out: &mut Vec<Command>) {
        for step in std::mem::take(&mut self.probes) {
            self.end_unscheduled(&step, out);
        }
    }
}
