//! Faults that a target file describes by commands: whatever a user can do to a replica and undo again, such
//! as cutting it off from a peer, filling its disk or setting its clock.

use super::error::InvalidValue;
use dissent_core::history::duration;
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A fault of the user's own, as the table `[fault.NAME]` of a target file. A plan names it by
/// `fault = { command = "NAME WORD .." }`.
///
/// Each command is run by `sh -c` in the folder of the file. It gets the name of the replica in the
/// environment variable `REPLICA`, and the further words of the plan as `$1`, `$2` and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultCommands {
    /// Begins the fault, and exits with 0 once it is in force.
    pub begin: String,
    /// Undoes the fault, and exits with 0 once it is undone. It may run twice, and after a `begin` that
    /// failed.
    pub cure: String,
    /// Exits with 0 as long as the fault is in force; without it, nobody looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The fault is cured after this time at the latest, whatever the plan says.
    #[serde(default = "time_to_live", with = "duration")]
    #[cfg_attr(test, schemars(schema_with = "duration::schema", extend("default" = "5m")))]
    pub time_to_live: Nanos,
}

fn time_to_live() -> Nanos {
    Nanos(300_000_000_000)
}

impl FaultCommands {
    /// How long the fault may be in force.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.time_to_live.0)
    }

    pub(super) fn check(&self, name: &str) -> Result<(), InvalidValue> {
        let place = |field: &str| format!("fault.{name}.{field}");
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let problem = format!("a plan cannot name `{name}`");
        let help = "use letters, digits and -";
        InvalidValue::unless(!name.is_empty() && name.chars().all(plain), "fault", &problem, help)?;
        for (field, text) in [("begin", &self.begin), ("cure", &self.cure)] {
            let help = "write a shell command that exits with 0 once it is done";
            InvalidValue::unless(!text.trim().is_empty(), &place(field), "no command", help)?;
        }
        let some_time = self.time_to_live.0 > 0;
        let at = place("time-to-live");
        InvalidValue::unless(some_time, &at, "the fault would be over at once", "such as \"2m\"")
    }
}
