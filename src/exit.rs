//! Exit codes, as documented API (`RULES.md` 10).

use dissent_core::checker::verdict::VerdictOutcome;

/// The exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was compared, and agreed.
    Pass = 0,
    /// A violation was found.
    Violation = 1,
    /// An option, a name or a file is wrong; nothing was done.
    Usage = 2,
    /// Something that a verdict needs is unknown.
    Inconclusive = 3,
    /// The target is unreachable, or its setup failed.
    Target = 4,
    /// A fault may still be in force on the target; the command that undoes it is printed.
    Uncured = 5,
    /// A bug in dissent.
    Bug = 70,
    /// Stopped by SIGHUP, with all faults undone.
    Hangup = 129,
    /// Stopped by SIGINT, with all faults undone.
    Interrupt = 130,
    /// Stopped by SIGTERM, with all faults undone.
    Terminate = 143,
}

/// The signals that stop a run, after it has undone its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGHUP: the terminal was closed.
    Hangup,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a request to stop.
    Terminate,
}

impl StopSignal {
    /// The exit code after this signal.
    pub fn exit(self) -> Exit {
        match self {
            StopSignal::Hangup => Exit::Hangup,
            StopSignal::Interrupt => Exit::Interrupt,
            StopSignal::Terminate => Exit::Terminate,
        }
    }

    /// The name of the signal.
    pub fn name(self) -> &'static str {
        match self {
            StopSignal::Hangup => "SIGHUP",
            StopSignal::Interrupt => "SIGINT",
            StopSignal::Terminate => "SIGTERM",
        }
    }
}

impl From<VerdictOutcome> for Exit {
    fn from(outcome: VerdictOutcome) -> Exit {
        match outcome {
            VerdictOutcome::Pass => Exit::Pass,
            VerdictOutcome::Inconclusive => Exit::Inconclusive,
            VerdictOutcome::Fail => Exit::Violation,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The more important of two codes: a bug in dissent, then a fault left behind, a signal, a violation, a
    /// target that could not be set up, a usage error, an inconclusive run.
    pub fn worst(self, other: Exit) -> Exit {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Inconclusive => 1,
            Exit::Usage => 2,
            Exit::Target => 3,
            Exit::Violation => 4,
            Exit::Hangup | Exit::Interrupt | Exit::Terminate => 5,
            Exit::Uncured => 6,
            Exit::Bug => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_from_verdict_to_exit_code() {
        let table = [(VerdictOutcome::Pass, 0), (VerdictOutcome::Fail, 1), (VerdictOutcome::Inconclusive, 3)];
        for (outcome, code) in table {
            assert_eq!(Exit::from(outcome) as u8, code, "{outcome:?}");
        }
    }

    #[test]
    fn a_fault_left_behind_outranks_every_verdict_and_signal() {
        for other in [Exit::Pass, Exit::Violation, Exit::Inconclusive, Exit::Terminate] {
            assert_eq!(Exit::Uncured.worst(other), Exit::Uncured);
            assert_eq!(other.worst(Exit::Bug), Exit::Bug);
        }
    }
}
