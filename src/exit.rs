//! Exit codes, as documented API (`RULES.md` 10).

use dissent_core::checker::verdict::VerdictOutcome;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that should have been compared was, and agreed.
    Pass = 0,
    /// A violation was found.
    Violation = 1,
    /// A flag, a name or a file is wrong; nothing was done.
    Usage = 2,
    /// Something that should have been known is not.
    Inconclusive = 3,
    /// The target cannot be reached or set up.
    Target = 4,
    /// A fault may have been left at the target; the command that heals it is printed.
    Uncured = 5,
    /// Our own bug.
    Bug = 70,
    /// After SIGHUP, with all cures done.
    Hangup = 129,
    /// After SIGINT, with all cures done.
    Interrupt = 130,
    /// After SIGTERM, with all cures done.
    Terminate = 143,
}

/// The signals that end a run after its cures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// The terminal went away.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// A polite kill.
    Terminate,
}

impl StopSignal {
    /// The exit code after it.
    pub fn exit(self) -> Exit {
        match self {
            StopSignal::Hangup => Exit::Hangup,
            StopSignal::Interrupt => Exit::Interrupt,
            StopSignal::Terminate => Exit::Terminate,
        }
    }

    /// Its name.
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
    /// Of several runs, the code that matters most: our own bug, then a fault left behind, then a signal,
    /// a violation, what could not be set up, what is not known.
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
