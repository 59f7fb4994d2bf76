//! Lost acknowledgements in words: the log said yes, and does not have the op.

use super::answers::{Answer, basis, certainty, steps};
use super::format::{counted, len, listed};
use super::known::novelty;
use dissent_core::checker::verdict::{Finding, LostAck, Verdict};

/// The finding in one sentence.
pub(super) fn headline(lost: &LostAck) -> String {
    let ops = counted(len(&lost.ops), "op");
    format!("lost: {ops} acknowledged, and not in the log of partition {}", lost.partition)
}

/// All answers on lost acknowledgements.
pub(super) fn answers(lost: &LostAck, finding: &Finding, verdict: &Verdict) -> Vec<Answer> {
    let data =
        format!("partition {}, ops {}; no query will ever see them", lost.partition, listed(&lost.ops, 6));
    vec![
        Answer::new(
            "Is it real?",
            "is it real",
            format!("yes: the log was read back to its end without {}", counted(len(&lost.ops), "op")),
        )
        .because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", "none: lost before any replica".to_owned()),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            "keep the producer's own record of what it sent: its acknowledgements are not enough".to_owned(),
            "look at the log's acknowledgement setting, and at what failed at the time".to_owned(),
            "write the lost ops again from that record".to_owned(),
        ]),
        certainty(
            "the log itself says so. It would be overturned if the log drops entries by itself (retention)"
                .to_owned(),
            verdict,
        ),
    ]
}
