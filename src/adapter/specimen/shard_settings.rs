//! The names, settings, frontiers and supported faults of `specimen-shard`, as processes and simulated.

use super::wire::{column, listed, unknown};
use ::specimen::shard::{Config, RULES};
use dissent_core::history::frontier;
use dissent_core::history::frontier::{Domain, Frontier, FrontierKind};
use dissent_core::history::schema::{Merge, Schema};
use dissent_simulator::shard_frontiers::SHARD;
use std::collections::BTreeMap;

/// The name of the target that runs as processes.
pub const PROCESSES: &str = "specimen-shard";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-shard";

/// The settings that `--set` can change.
pub const SETTINGS: &[&str] = &["rule", "writers", "active", "tick-ms", "poll-ms", "append-ms", "batch"];

/// The merge functions that it lacks. Rows are whole: the newest row of a key is the key's row.
pub const LACKS: &[Merge] =
    &[Merge::Ignore, Merge::Increment, Merge::Append, Merge::Union, Merge::Max, Merge::Min];

/// The name of the writers' own frontiers.
const WRITERS: &str = "writers";

/// The maximum number of writers.
const WRITERS_MAX: u64 = 64;
/// The maximum of each time setting, in milliseconds.
const MS_MAX: u64 = 600_000;

/// The configuration of the writers with this table. `settings` may hold other keys too.
pub fn config(schema: &Schema, settings: &BTreeMap<String, String>) -> Result<Config, String> {
    settled(Config::new(&schema.table, schema.columns.iter().map(column).collect()), settings)
}

/// Applies settings to a configuration and checks it.
pub fn settled(mut config: Config, settings: &BTreeMap<String, String>) -> Result<Config, String> {
    for (key, value) in settings {
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from {least} to {most}")),
        };
        match key.as_str() {
            "rule" => {
                config.rule =
                    value.parse().map_err(|_| unknown("rule", value, &RULES.map(|(name, _)| name)))?;
            }
            "writers" => {
                config.writers = (0..number(1, WRITERS_MAX)?).map(|n| format!("writer-{n}")).collect()
            }
            "active" => config.active = number(1, WRITERS_MAX)? as usize,
            "tick-ms" => config.tick_ms = number(1, MS_MAX)?,
            "poll-ms" => config.poll_ms = number(1, MS_MAX)?,
            "append-ms" => config.append_ms = number(0, MS_MAX)?,
            "batch" => config.batch = number(1, MS_MAX)? as usize,
            _ => {}
        }
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

/// What a setting may be, for people.
pub(super) fn values(setting: &str) -> String {
    match setting {
        "rule" => listed(&RULES.map(|(name, _)| name)),
        "writers" | "active" => format!("1 to {WRITERS_MAX}"),
        "append-ms" => format!("0 to {MS_MAX}"),
        _ => format!("1 to {MS_MAX}"),
    }
}

/// How many writers append from the start, according to the settings.
pub(super) fn active(settings: &BTreeMap<String, String>) -> usize {
    settings.get("active").and_then(|active| active.parse().ok()).unwrap_or(1)
}

/// The declared frontiers. A writer's own frontier may go back after a restart; the shard's never does. All
/// are timestamps, and the service reports the upstream's. The first `active` writers exist from the start.
pub fn frontiers(writers: &[String], active: usize) -> Vec<Frontier> {
    let own = writers.iter().enumerate().map(|(at, writer)| Frontier {
        object: writer.clone(),
        kind: FrontierKind::WriterOutput,
        replica: Some(writer.clone()),
        domain: Domain::Same,
        durable: false,
        feeds: Some(SHARD.to_owned()),
        group: WRITERS.to_owned(),
        heals_within: None,
        combines: None,
        upstream: frontier::Upstream::default(),
        ends_at: None,
        from_start: at < active,
    });
    own.chain([Frontier::of_shard(SHARD)]).collect()
}
