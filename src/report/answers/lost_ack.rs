//! The text of lost acknowledgements: the log acknowledged an op, but does not contain it.

use super::answer::{Answer, basis, certainty, steps};
use super::known_issues::novelty;
use crate::report::format::{counted, len, listed};
use dissent_core::checker::verdict::{Finding, LostAck, Verdict};

/// The finding in one sentence.
pub(in crate::report) fn headline(lost: &LostAck) -> String {
    let ops = counted(len(&lost.ops), "acknowledged op");
    let are = if lost.ops.len() == 1 { "is" } else { "are" };
    format!("lost: {ops} {are} missing from the log of partition {}", lost.partition)
}

/// All answers on lost acknowledgements.
pub(in crate::report) fn answers(lost: &LostAck, finding: &Finding, verdict: &Verdict) -> Vec<Answer> {
    let data =
        format!("partition {}, ops {}; no query will ever see them", lost.partition, listed(&lost.ops, 6));
    vec![
        Answer::new(
            "Is it real?",
            "is it real",
            format!("yes: {} missing after reading the log to its end", counted(len(&lost.ops), "op")),
        )
        .because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", "none: lost before any replica".to_owned()),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            "save the producer's own record of what it sent: acknowledgements are not enough".to_owned(),
            "check the log's acknowledgement setting, and what failed at that time".to_owned(),
            "write the lost ops again from that record".to_owned(),
        ]),
        certainty(
            "taken directly from the log. Wrong if the log drops entries by itself (retention)".to_owned(),
            verdict,
        ),
    ]
}
