//! The names, settings and supported faults of `specimen-segments`, as processes and simulated.

use super::wire::{column, unknown};
use ::specimen::segments::{CAUSES, GUARDS};
use dissent_core::history::duration;
use dissent_core::history::schema::Schema;
use std::collections::BTreeMap;

/// The name of the target that runs as processes.
pub const PROCESSES: &str = "specimen-segments";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-segments";

/// The settings that `--set` can change.
pub const SETTINGS: &[&str] = &["cause", "guard", "pool", "servers", "wait"];

/// The maximum number of servers. Each one is a process.
const SERVERS_MAX: usize = 64;
/// The maximum number of concurrent transitions per server.
const POOL_MAX: usize = 100_000;

/// The configuration of a specimen with this table. `settings` must hold only the target's own keys.
pub fn config(
    schema: &Schema,
    partitions: u32,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::segments::Config, String> {
    let columns = schema.columns.iter().map(column).collect();
    settled(::specimen::segments::Config::new(&schema.table, columns, partitions), settings)
}

/// Applies settings to a configuration and checks it.
pub fn settled(
    mut config: ::specimen::segments::Config,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::segments::Config, String> {
    for (key, value) in settings {
        let number = |most: usize| match value.parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from 1 to {most}")),
        };
        match key.as_str() {
            "guard" => {
                config.guard =
                    value.parse().map_err(|_| unknown("guard", value, &GUARDS.map(|(name, _)| name)))?;
            }
            "cause" => {
                let known = CAUSES.iter().find(|(name, _)| name == value);
                let names = CAUSES.map(|(name, _)| name);
                config.cause = known.ok_or_else(|| unknown("cause", value, &names))?.1;
            }
            "wait" => {
                let wait = duration::parse(value).map_err(|error| format!("--set {key}={value}: {error}"))?;
                config.wait_ms = wait.0 / 1_000_000;
            }
            "pool" => config.pool = number(POOL_MAX)?,
            "servers" => config.servers = (0..number(SERVERS_MAX)?).map(|n| format!("server-{n}")).collect(),
            _ => {}
        }
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}
