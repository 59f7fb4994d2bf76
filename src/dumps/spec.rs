//! What is compared with what, as the user says it.

use crate::digests::Columns;
use crate::rows::DumpFormat;
use crate::source::DumpSource;
use dissent_core::history::schema::Merge;
use dissent_core::history::schema::rules::Absence;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared with what, and by which rules.
#[derive(Clone, Debug, Default)]
pub struct CompareSpec {
    /// One dump of each replica.
    pub dumps: Vec<DumpSource>,
    /// A second dump of each replica, in the same order, taken later. Empty if there are none.
    pub later: Vec<DumpSource>,
    /// The rows that are expected.
    pub expected: Option<DumpSource>,
    /// The log, whose fold is expected.
    pub log: Option<DumpSource>,
    /// Whether the user says that the log has the first event of every key.
    pub log_is_whole: bool,
    /// How the columns of the log merge; those that are not named are overwritten.
    pub merges: BTreeMap<String, Merge>,
    /// Which columns mean what.
    pub columns: Columns,
    /// How files are written.
    pub format: DumpFormat,
    /// The column that orders the rows of a key.
    pub version: Option<String>,
    /// The column that says whether the row deletes its key.
    pub deleted: Option<String>,
    /// A column, and the value below which a row may be gone.
    pub expired_below: Option<(String, String)>,
    /// The reasons for which rows may be absent.
    pub may_be_absent: BTreeSet<Absence>,
    /// How far apart two doubles may be and count as equal, relative to the larger one, or to 1.
    pub tolerance: f64,
    /// Whether the user says that nothing was written while the dumps were taken.
    pub settled: bool,
    /// Position by replica.
    pub positions: BTreeMap<String, u64>,
    /// Whether a version is the position of the write that made the row.
    pub version_is_position: bool,
    /// About how much memory rows may take, in bytes.
    pub memory: u64,
}
