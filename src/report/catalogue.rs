//! A description of every built-in target, fault and finding.

use crate::adapter;
use dissent_core::checker::verdict::{Finding, FindingKind};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::FaultSpec;
use dissent_core::history::stored_name::stored_name;

/// Every target, with a description: what needs no target file, and what a target file may be for.
pub fn targets() -> Vec<(&'static str, String)> {
    let built_in = adapter::SYSTEMS.iter().flat_map(|system| system.built_in());
    let mut targets: Vec<(&'static str, String)> =
        built_in.map(|(name, about)| (*name, (*about).to_owned())).collect();
    let mut own: Vec<&str> = adapter::SYSTEMS.iter().rev().map(|system| system.about()).collect();
    own.dedup();
    targets.push(("TARGET.toml", format!("your own cluster: {}", own.join(", or "))));
    targets
}

/// Every kind of fault with what it does and how it is undone. Kinds of one name are described once.
pub fn faults() -> Vec<(&'static str, String)> {
    let mut faults: Vec<(&'static str, String)> = FaultKind::ALL
        .into_iter()
        .map(|kind| {
            let FaultSpec { name, does, cure, .. } = kind.spec();
            (*name, format!("{does}; {cure}"))
        })
        .collect();
    faults.dedup_by_key(|(name, _)| *name);
    faults
}

/// What a finding may say is wrong.
pub const FINDINGS: &[FindingText] = &[
    FindingText {
        name: "wrong-value",
        about: "a raw row differs from the row computed from the log",
        means: "The replica merged other events into this row than the log holds for its key, or in \
              another order. Often a segment that the row builds on was not visible when the row was \
              merged, so that columns show defaults or older values.",
        wrong_if: "The table merges a column differently than the workload says. Calibration checks that \
              before any fault. It is also wrong if the log does not hold all events, as after \
              retention.",
        to_do: "Send queries to the replicas that are right, keep the wrong one from winning a commit, \
              and save its rows and logs. Then look for what it did in another order than its peers.",
    },
    FindingText {
        name: "differs",
        about: "replicas show different contents at one offset, and no model says which is right",
        means: "Replicas that consumed the same log entry hold different rows for it. Which one is right \
              is not known, because no model covers these columns.",
        wrong_if: "The target may let replicas differ in these columns by a rule of its own, such as the \
              time at which each of them merged.",
        to_do: "Pick no side: the larger group may be the one that lost data. Replay the log by hand up \
              to the first offset.",
    },
    FindingText {
        name: "missing",
        about: "a replica covers an offset but has no row for it",
        means: "The replica says that it has consumed the log entry, and raw reads of it do not return \
              the row.",
        wrong_if: "The target may drop such rows by a rule, such as compaction or a time to live. Rules that \
              a target declares are taken into account.",
        to_do: "Save the replica's segments before a reload. Compare its row counts with those of a \
              healthy replica, segment by segment.",
    },
    FindingText {
        name: "extra",
        about: "a replica has a row, or shows a key as current, that is not in the log",
        means: "The replica shows data that nobody wrote to this log, or data of another partition.",
        wrong_if: "Somebody else writes to the table, or the log was truncated after the replica had \
              consumed it.",
        to_do: "Find out who else writes to this topic. Then compare the row's partition and offset with \
              the log.",
    },
    FindingText {
        name: "duplicate-current",
        about: "a key has more than one current row",
        means: "The index of current rows points to two rows of one key, so a user's query returns it twice.",
        wrong_if: "The flags were read while the key was being updated. Such reads are bracketed and \
              repeated, so this is rare.",
        to_do: "Read the key with and without the upsert view. A reload rebuilds the index, and destroys \
              the evidence.",
    },
    FindingText {
        name: "stale-current",
        about: "a superseded row is still current",
        means: "A newer row of the key is on the replica, and users' queries still see the older one.",
        wrong_if: "Two updates have the same comparison value, and the target breaks such ties by another \
              rule than the one declared.",
        to_do: "Compare the comparison column of both rows. Send queries to the other replicas until that \
              is understood.",
    },
    FindingText {
        name: "no-current",
        about: "a live key has no current row",
        means: "The key was written and not deleted, and users' queries do not return it on this replica.",
        wrong_if: "A time to live or a delete marker that the workload does not know hides the key.",
        to_do: "Read the key without the upsert view: if its rows are there, only the index lost it.",
    },
    FindingText {
        name: "resurrected",
        about: "a deleted key came back",
        means: "The newest event of the key is a delete, and a row of it is current again.",
        wrong_if: "The target forgets deletes after a while by design. Such a time must be declared.",
        to_do: "Find out whether a segment was loaded after the delete was forgotten. Delete the key \
              again only when the rows are saved.",
    },
    FindingText {
        name: "duplicate-row",
        about: "one read returned more than one row for the same offset",
        means: "One log entry was consumed twice into the same copy.",
        wrong_if: "The read itself repeats rows, for example across pages.",
        to_do: "Read the key again. If the row is still there twice, compare where consumption of the \
              segment began and ended.",
    },
    FindingText {
        name: "frozen",
        about: "a consuming position or another frontier stopped while there was more to process",
        means: "Its status says that it runs, its input goes on, and it does not move. No error is shown, \
              and the gap grows.",
        wrong_if: "It resumes later without help: the target may stop for longer than the threshold by \
              design.",
        to_do: "Save thread dumps, logs and status first: a restart may clear the freeze and destroy the \
              evidence. Make sure that retention keeps its input.",
    },
    FindingText {
        name: "regressed",
        about: "a frontier went back without a restart, or across one although it is declared durable",
        means: "Progress that had been reported was taken back. Whoever relied on it may have released or \
              deleted what is needed again.",
        wrong_if: "The frontier is not as durable as the target file declares it.",
        to_do: "Find out who acted on the higher value in the meantime, and look at what happened just \
              before.",
    },
    FindingText {
        name: "ahead",
        about: "a frontier is ahead of its upstream",
        means: "It says that it has processed more than there was. What it reports as done can be lost \
              without a trace.",
        wrong_if: "The two are counted in different units, or the upstream's end was read from a lagging \
              source.",
        to_do: "Trust no progress that is derived from it. Compare the last entry that it processed with \
              the upstream's last one.",
    },
    FindingText {
        name: "lost-ack",
        about: "an acknowledged op is missing from the log",
        means: "The log said that it had stored the write, and reading it to its end does not return it.",
        wrong_if: "The log drops entries by itself (retention, compaction), or the read did not reach its \
              end.",
        to_do: "Save the producer's own record, and write the lost ops again from it. Check how many \
              copies an acknowledgement waits for.",
    },
];

/// The text on one kind of finding.
#[derive(Clone, Copy, Debug)]
pub struct FindingText {
    /// Its name, as in the verdict.
    pub name: &'static str,
    /// What is wrong, in one line.
    pub about: &'static str,
    /// What that means.
    pub means: &'static str,
    /// What could make the finding wrong.
    pub wrong_if: &'static str,
    /// What to do about it.
    pub to_do: &'static str,
}

impl FindingText {
    /// Each question on it, with the answer.
    pub fn told(&self) -> [(&'static str, &'static str); 3] {
        [("What it means", self.means), ("What could disprove it", self.wrong_if), ("What to do", self.to_do)]
    }
}

/// The text on a kind of finding.
pub fn finding(name: &str) -> Option<&'static FindingText> {
    FINDINGS.iter().find(|text| text.name == name)
}

/// The name of a finding's kind.
pub fn name_of(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::Divergence(d) => stored_name(&d.what),
        FindingKind::Frozen(_) => "frozen".to_owned(),
        FindingKind::Regressed(_) => "regressed".to_owned(),
        FindingKind::Ahead(_) => "ahead".to_owned(),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    }
}
