//! Why a verdict may be wrong, as a closed table: what such a doubt means, and what to do next.
//! After hyperfine's warnings: each names what was seen, why that matters, and the next step.

use dissent_core::checker::verdict::DoubtKind;
use dissent_core::history::check_name::CheckName;

/// What a kind of doubt means for the reader.
pub(super) struct Advice {
    /// Why the verdict may be wrong.
    pub(super) why: &'static str,
    /// What to do next.
    pub(super) next: &'static str,
}

/// The advice on one kind of doubt. What was seen is the doubt's own `detail`.
pub(super) fn advice(kind: DoubtKind) -> Advice {
    let (why, next) = match kind {
        DoubtKind::UnmetAssumption => (
            "the checks rely on something that did not hold in this run",
            "put right what is named, then run the same seed again",
        ),
        DoubtKind::Uncalibrated => (
            "on a small set without faults the target already merged otherwise than the model: \
             for that column only the replicas are compared with each other",
            "compare the column's merge function in the workload with the table at the target",
        ),
        DoubtKind::TruncatedRead => (
            "rows that did not come would look like lost rows, so the read was not used",
            "raise the target's limit on rows a query, then run again",
        ),
        DoubtKind::Unreadable => (
            "a replica that cannot be read may be the one that disagrees",
            "look whether it is up and may be reached from here, then run again",
        ),
        DoubtKind::Unread => (
            "nothing wrong was seen there because nobody looked, and that is no agreement",
            "see why the read that is named is missing, then run the same seed again",
        ),
        DoubtKind::FailedCure => (
            "a fault may still be in force, so what was seen after it may be our own doing",
            "run `dissent heal` on the target before anything else",
        ),
        DoubtKind::FailedFault => (
            "what the plan was to provoke did not happen",
            "look at the reason given, then run again; another seed may pick another replica",
        ),
        DoubtKind::FaultEndedEarly => (
            "the fault was over before its cure, nobody knows since when, so what it was to provoke may not \
             have happened",
            "see that nobody heals or restarts anything beside the run, then run the same seed again",
        ),
        DoubtKind::ServerDied => (
            "a part of the target is gone though no fault of ours touched it, so the run ended early",
            "find out from its log why it ended, bring it back, then run the same seed again",
        ),
        DoubtKind::NoExposure => (
            "the chance for this bug never arose, so its absence proves nothing",
            "run longer, write faster, or try more seeds (`--runs N`)",
        ),
        DoubtKind::NotSettled => (
            "a replica that is merely behind cannot be told from one that disagrees",
            "wait longer for the replicas (`--quiesce`), then run again",
        ),
        DoubtKind::Unconfirmed => (
            "its numbers and its upstream's do not tell whether anything is lacking behind them: that may be \
             its nature",
            "write something that it must pass and read that back, or declare a sibling that moves with it \
             (`group`) and what its upstream counts",
        ),
        DoubtKind::Damage => (
            "part of the record is torn, and what lay there was not judged",
            "judge what is left with `dissent check`, or run the same seed again",
        ),
        DoubtKind::Interrupted => {
            ("the run was cut off, so the last captures are missing", "run the same seed again, to its end")
        }
        DoubtKind::CheckFailed => (
            "a check broke down: this is a bug of dissent, not of the target",
            "report it with the run's folder; the other checks stand",
        ),
    };
    Advice { why, next }
}

/// What a check does, in half a sentence.
pub(super) fn purpose(check: CheckName) -> &'static str {
    match check {
        CheckName::Assumptions => "the run did what the checks rely on",
        CheckName::Owed => "what a pass rests on was read: rows, flags and positions, to the end",
        CheckName::Calibration => "model and target agree on a small set without faults",
        CheckName::Exposure => "what the plan hunts had its chance",
        CheckName::Log => "every acknowledged op lies in the log",
        CheckName::Group => "the replicas against each other",
        CheckName::Model => "the replicas against the folded log",
        CheckName::Current => "which rows a user's query sees",
        CheckName::Progress => "consuming positions and frontiers move",
    }
}
