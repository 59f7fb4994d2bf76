//! What a table keeps, what it may rightly lack, and what an event means to it (`RULES.md` 2, 15).
//!
//! Tables that dissent itself creates have no such rules: every row is kept, and every event counts. Tables
//! of other origin declare their rules, and only what they declare is excused. The rows that remain are
//! judged by the ops that they show, and so is the current row of every key.

use crate::history::duration;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a store keeps of a row that is written again (`RULES.md` 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// Every version of a row stays a raw row of its own.
    #[default]
    EveryVersion,
    /// Only the newest version of each row is kept, so a raw read is the rows by key.
    NewestRow,
    /// Users see the newest version, and older ones can still be read.
    NewestRowAndHistory,
}

/// Where the input log of a run comes from (`RULES.md` 12, 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogSource {
    /// It is read back from the target, and decides what became of every op.
    #[default]
    Target,
    /// The target has none. The log is our own: the ops in the order in which they were sent, without those
    /// that failed. An op with an unknown outcome is the last of its key, and may or may not have happened.
    Sessions,
}

/// Why the row of a log entry may rightly be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Absence {
    /// The replica has merged a newer event of the key: compaction, or a store that keeps only the newest
    /// rows.
    Superseded,
    /// The replica has merged a delete, and drops both the tombstone and what it deleted.
    Tombstones,
    /// The row is older than [`Rules::time_to_live`].
    Expired,
    /// The event came late: its comparison value is below that of its key's row, so it changed nothing. The
    /// log alone says which events are late; there is no bound and no clock.
    Late,
    /// The event repeats an op that its key already had, as after a retried produce. The model folds it once.
    Duplicates,
}

impl Absence {
    /// All reasons.
    pub const ALL: [Absence; 5] =
        [Absence::Superseded, Absence::Tombstones, Absence::Expired, Absence::Late, Absence::Duplicates];
}

/// What an event of a deleted key does, if it does not delete again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EventOfDeleted {
    /// It makes a new row.
    #[default]
    New,
    /// It changes nothing: the key stays deleted.
    Dropped,
}

/// The rules of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rules {
    /// What it keeps of a row that is written again.
    #[serde(skip_serializing_if = "is_every_version")]
    pub retains: Retention,
    /// Where its log comes from.
    #[serde(skip_serializing_if = "is_of_target")]
    pub log: LogSource,
    /// The reasons for which rows may be absent.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub may_be_absent: BTreeSet<Absence>,
    /// How long a row is kept at least, if rows may be absent as [`Absence::Expired`]. 0: it may be gone at
    /// any age.
    ///
    /// The clock is the run's own, as always. The age of a row is the time from the sending of its op, when
    /// it cannot have been in the log yet, to the read. By the store's clock the row is younger, by the time
    /// that the op was under way. So a row that a store dropped in time is never called missing. If the
    /// clocks of store and run differ, declare the time to live minus the difference.
    ///
    /// If a state was this old when its key was written again (from the sending of the one op to the
    /// acknowledgement of the other), the store may have forgotten it by then, and the row may show either
    /// state.
    #[serde(skip_serializing_if = "is_nothing", with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub time_to_live: Nanos,
    /// What an event of a deleted key does.
    #[serde(skip_serializing_if = "is_new")]
    pub event_of_deleted: EventOfDeleted,
}

impl Rules {
    /// Whether every row is kept and every event counts.
    pub fn is_plain(&self) -> bool {
        *self == Rules::default()
    }

    /// Whether rows may be absent for this reason.
    pub fn allow(&self, absence: Absence) -> bool {
        let is_of_newest = matches!(absence, Absence::Superseded | Absence::Tombstones);
        self.may_be_absent.contains(&absence) || is_of_newest && self.keeps_newest_only()
    }

    /// Whether a row that is written again is gone.
    pub fn keeps_newest_only(&self) -> bool {
        self.retains == Retention::NewestRow
    }

    /// Whether the log is our own.
    pub fn has_own_log(&self) -> bool {
        self.log == LogSource::Sessions
    }
}

fn is_every_version(retains: &Retention) -> bool {
    *retains == Retention::EveryVersion
}

fn is_of_target(log: &LogSource) -> bool {
    *log == LogSource::Target
}

fn is_nothing(time: &Nanos) -> bool {
    time.0 == 0
}

fn is_new(event: &EventOfDeleted) -> bool {
    *event == EventOfDeleted::New
}
