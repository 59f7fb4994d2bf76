//! The limits and hooks of a target file: how much load dissent may put on a cluster, and the commands that
//! start and stop the cluster.

use super::error::InvalidValue;
use dissent_core::history::duration;
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};

/// Limits on the load of a cluster that others use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Maximum number of concurrent queries.
    pub queries: u32,
    /// Maximum number of rows read per second, over all queries; none: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_per_second: Option<u32>,
    /// Time limit of a query.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(schema_with = "duration::schema"))]
    pub query_timeout: Nanos,
    /// Whether to slow down while answers take twice as long as before.
    pub back_off: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { queries: 1, rows_per_second: None, query_timeout: Nanos(20_000_000_000), back_off: true }
    }
}

/// Upper bound of the number of concurrent queries.
const QUERIES_MAX: u32 = 64;

impl Limits {
    pub(super) fn check(&self) -> Result<(), InvalidValue> {
        let fits = (1..=QUERIES_MAX).contains(&self.queries);
        InvalidValue::unless(
            fits,
            "limits.queries",
            "invalid number of concurrent queries",
            "write a number from 1 to 64",
        )?;
        let none = self.rows_per_second == Some(0);
        let help = "remove the line, or write a number above 0";
        InvalidValue::unless(!none, "limits.rows-per-second", "a limit of 0 allows no reads", help)?;
        let help = "such as \"20s\"";
        InvalidValue::unless(
            self.query_timeout.0 > 0,
            "limits.query-timeout",
            "the time must not be zero",
            help,
        )
    }
}

/// Commands run before and after runs, by `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hooks {
    /// Starts the cluster, before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<String>,
    /// Exits 0 once the cluster is ready; repeated until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ready: Option<String>,
    /// How long to wait for that at most.
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(schema_with = "duration::schema"))]
    pub ready_within: Nanos,
    /// Stops the cluster, whatever the result of the runs.
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
