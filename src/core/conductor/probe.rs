//! The probe (`--probe-restart`): what has not settled in time is restarted. Whether it goes on in its new
//! life tells a freeze that a restart clears from one that it does not.

use super::{Command, Conductor};
use crate::history::fault::{Fault, FaultKind};
use crate::history::time::Nanos;

/// The steps of the probe are on record under this and the replica's name.
const PROBE_STEP: &str = "probe-";

impl Conductor {
    /// Whether there is something to restart now that what it shows is captured. After the deadline nothing
    /// is begun any more.
    pub(super) fn is_to_probe(&self, now: Nanos) -> bool {
        self.timing.probe_restart
            && !self.settled
            && now < self.timing.deadline
            && !self.view.unsettled().is_empty()
    }

    /// Kills all that has not settled, side by side.
    pub(super) fn begin_probe(&mut self, out: &mut Vec<Command>) {
        for replica in self.view.unsettled() {
            let step = format!("{PROBE_STEP}{replica}");
            let fault = Fault { kind: FaultKind::Restart, replica, partition: None, seq: None };
            self.begin_unscheduled(&step, fault, out);
            self.probes.push(step);
        }
    }

    /// Starts it again, also what is not known to be down: a cure that is done twice does no harm.
    pub(super) fn end_probe(&mut self, out: &mut Vec<Command>) {
        for step in std::mem::take(&mut self.probes) {
            self.end_unscheduled(&step, out);
        }
    }
}
