//! The first question of an incident: in which way do the raw copies of the replicas differ?

use dissent_core::checker::verdict::{Divergence, Pattern};

/// What raw copies may show, and where to look then. The order is that of the chart.
pub(in crate::report) const BRANCHES: [(&str, &str); 4] = [
    ("all match", "check upstream inputs, or deterministic logic"),
    ("all disagree differently", "check the non-deterministic merge or compute path"),
    ("groups disagree", "replay the log: it says which group is right"),
    ("one replica differs", "focus on node, key and time window"),
];

/// The branch of [`BRANCHES`] that a divergence takes: how the replicas differed when it was first seen. A
/// wrong copy that has spread since looks like wrong input.
pub(in crate::report) fn branch(d: &Divergence) -> usize {
    match d.first.pattern {
        Pattern::Unanimous => 0,
        Pattern::AllDiffer => 1,
        Pattern::Undecided | Pattern::Split => 2,
        Pattern::OneDiffers => 3,
    }
}

/// Why the branch is that of the first capture; none if it is also that of the last one.
pub(in crate::report) fn caution(d: &Divergence) -> Option<&'static str> {
    let spread = d.first.pattern != d.last.pattern && d.last.pattern == Pattern::Unanimous;
    spread.then_some(
        "The path is that of the first capture that shows it. The last capture alone would lead to the \
         wrong branch: by then, all replicas held the same wrong rows.",
    )
}
