//! What a target file says of the load that dissent may be to a cluster, and of what brings the cluster up
//! and down.

use super::error::InvalidValue;
use dissent_core::history::duration;
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};

/// How much may be asked of a cluster that others use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Queries at the same time.
    pub queries: u32,
    /// Rows read in a second, over all queries; none: as they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<u32>,
    /// An answer that takes longer counts as none.
    #[serde(with = "duration")]
    pub query_timeout: Nanos,
    /// Whether to ask less while answers take twice as long as they used to.
    pub back_off: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { queries: 1, rows_per_second: None, query_timeout: Nanos(20_000_000_000), back_off: true }
    }
}

/// The most queries at the same time.
const QUERIES_MAX: u32 = 64;

impl Limits {
    pub(super) fn check(&self) -> Result<(), InvalidValue> {
        let fits = (1..=QUERIES_MAX).contains(&self.queries);
        InvalidValue::unless(fits, "limits.queries", "not so many at a time", "write a number from 1 to 64")?;
        let none = self.rows_per_second == Some(0);
        let help = "leave the line out, or write how many";
        InvalidValue::unless(!none, "limits.rows-per-second", "nothing could be read", help)?;
        let help = "such as \"20s\"";
        InvalidValue::unless(self.query_timeout.0 > 0, "limits.query-timeout", "no time at all", help)
    }
}

/// What is run around runs, by `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hooks {
    /// Brings the cluster up, before anything is asked of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<String>,
    /// Exits 0 once the cluster can be used: run again and again until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ready: Option<String>,
    /// For how long, at the most.
    #[serde(with = "duration")]
    pub ready_within: Nanos,
    /// Takes the cluster down, whatever became of the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// Copies logs and configuration into the folder `$DISSENT_COLLECT`, after every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect: Option<String>,
}

impl Default for Hooks {
    fn default() -> Hooks {
        let ready_within = Nanos(120_000_000_000);
        Hooks { up: None, wait_ready: None, ready_within, down: None, collect: None }
    }
}
