//! The text of lost acknowledgements: an op was acknowledged, and is not in the log; or where the log is
//! our own, no replica has it.

use super::answer::{Answer, basis, certainty, steps};
use super::known_issues::novelty;
use crate::report::format::{counted, len, listed};
use dissent_core::checker::verdict::{Finding, LostAck, Verdict};

/// The finding in one sentence.
pub(in crate::report) fn headline(lost: &LostAck) -> String {
    let ops = counted(len(&lost.ops), "acknowledged op");
    let are = if lost.ops.len() == 1 { "is" } else { "are" };
    match lost.everywhere {
        true => format!("lost: {ops} {are} on no replica"),
        false => format!("lost: {ops} {are} missing from the log of partition {}", lost.partition),
    }
}

/// All answers on lost acknowledgements.
pub(in crate::report) fn answers(lost: &LostAck, finding: &Finding, verdict: &Verdict) -> Vec<Answer> {
    let data =
        format!("partition {}, ops {}; no query will ever see them", lost.partition, listed(&lost.ops, 6));
    let (read, replica, record, ground) = match lost.everywhere {
        true => (
            "on every replica that was read",
            "none has them, and all agree",
            "save the logs of all replicas, above all of those that were or became primary",
            "all replicas were read at positions that cover the ops. Wrong if somebody else removed them",
        ),
        false => (
            "after reading the log to its end",
            "none: lost before any replica",
            "check the log's acknowledgement setting, and what failed at that time",
            "taken directly from the log. Wrong if the log drops entries by itself (retention)",
        ),
    };
    vec![
        Answer::new(
            "Is it real?",
            "is it real",
            format!("yes: {} missing {read}", counted(len(&lost.ops), "op")),
        )
        .because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", replica.to_owned()),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            "save the producer's own record of what it sent: acknowledgements are not enough".to_owned(),
            record.to_owned(),
            "write the lost ops again from that record".to_owned(),
        ]),
        certainty(ground.to_owned(), verdict),
    ]
}
