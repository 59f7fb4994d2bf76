//! Why a verdict may be wrong, as a closed table: what each doubt means, and what to do next. As in the
//! warnings of hyperfine, each names what was seen, why it matters, and the next step.

use dissent_core::checker::verdict::DoubtKind;
use dissent_core::history::check_name::CheckName;

/// What a kind of doubt means, and what to do about it.
pub(super) struct Advice {
    /// Why the verdict may be wrong.
    pub(super) why: &'static str,
    /// What to do next.
    pub(super) next: &'static str,
}

/// The advice on a kind of doubt. The doubt's own `detail` says what was seen.
pub(super) fn advice(kind: DoubtKind) -> Advice {
    let (why, next) = match kind {
        DoubtKind::UnmetAssumption => (
            "the checks rely on an assumption that did not hold in this run",
            "fix what is named, then run the same seed again",
        ),
        DoubtKind::Uncalibrated => (
            "the target and the model disagree on a small data set without faults, so this column is only \
             compared between replicas",
            "check that the column's merge function in the workload matches the target's table",
        ),
        DoubtKind::TruncatedRead => (
            "the missing rows would look like lost rows, so the read was not used",
            "raise the target's limit on rows per query, then run again",
        ),
        DoubtKind::Unreadable => (
            "the replica that cannot be read may be the one that disagrees",
            "check that it is up and reachable from here, then run again",
        ),
        DoubtKind::Unread => (
            "nothing was read there, so nothing could be found",
            "find out why the read is missing, then run the same seed again",
        ),
        DoubtKind::FailedCure => (
            "a fault may still be in force, so dissent itself may have caused what was seen after it",
            "run `dissent heal` on the target before anything else",
        ),
        DoubtKind::FailedFault => (
            "the fault did not start, so the plan could not provoke its bug",
            "fix the cause that is named, then run again; another seed may pick another replica",
        ),
        DoubtKind::FaultEndedEarly => (
            "the fault ended before dissent undid it, at an unknown time, so it may have had no effect",
            "do not undo faults or restart anything during the run, then run the same seed again",
        ),
        DoubtKind::ServerDied => (
            "a part of the target died without a fault injected by dissent, so the run ended early",
            "find the cause in its log, start it again, then run the same seed again",
        ),
        DoubtKind::NoExposure => (
            "the condition for this bug never arose, so a run without findings proves nothing",
            "run longer, write faster, or try more seeds (`--runs N`)",
        ),
        DoubtKind::NotSettled => (
            "a replica that is only behind cannot be distinguished from one that disagrees",
            "give the replicas more time to catch up (`--quiesce`), then run again",
        ),
        DoubtKind::Unconfirmed => (
            "it and its upstream count in different units, so it is unknown whether it is behind; it may be \
             normal",
            "write data that it must process and read it back, or declare a sibling that moves with it \
             (`group`) and what its upstream counts",
        ),
        DoubtKind::Damage => (
            "part of the record is damaged, and its contents were not checked",
            "check the rest with `dissent check`, or run the same seed again",
        ),
        DoubtKind::Interrupted => {
            ("the run was stopped early, so the last captures are missing", "run the same seed to its end")
        }
        DoubtKind::CheckFailed => (
            "a check failed to run: this is a bug in dissent, not in the target",
            "report it with the run folder; the other checks are valid",
        ),
    };
    Advice { why, next }
}

/// What a check verifies, in half a sentence.
pub(super) fn purpose(check: CheckName) -> &'static str {
    match check {
        CheckName::Assumptions => "the assumptions of the checks held in this run",
        CheckName::Owed => "all rows, flags and positions that a pass relies on were read, to the end",
        CheckName::Calibration => "model and target agree on a small data set without faults",
        CheckName::Exposure => "the fault condition was actually exercised",
        CheckName::Log => "every acknowledged op is in the log",
        CheckName::Group => "the replicas agree with each other",
        CheckName::Model => "the replicas agree with the rows computed from the log",
        CheckName::Current => "user queries see the right rows",
        CheckName::Progress => "consuming positions and frontiers advance",
    }
}
