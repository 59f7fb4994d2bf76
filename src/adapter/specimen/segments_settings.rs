//! The names, settings and supported faults of `specimen-segments`, as processes and simulated.

use super::wire::{column, listed, unknown};
use ::specimen::segments::{CAUSES, GUARDS};
use dissent_core::history::duration;
use dissent_core::history::schema::Schema;
use dissent_core::history::schema::rules::{LogSource, Retention, Rules};
use dissent_core::history::stored_name::stored_name;
use serde::Serialize;
use std::collections::BTreeMap;

/// The name of the target that runs as processes.
pub const PROCESSES: &str = "specimen-segments";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-segments";

/// The settings that `--set` can change.
pub const SETTINGS: &[&str] =
    &["cause", "first-wins", "guard", "log", "pool", "retains", "servers", "timeouts", "wait"];

/// The settings that only the simulated cluster has.
const SIMULATED_ONLY: [&str; 2] = ["log", "timeouts"];

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

/// The rules of its table. Readers may be shown only the newest row of each key, and the log may be that
/// of our sessions, as with stores that have none.
pub fn rules(settings: &BTreeMap<String, String>) -> Result<Rules, String> {
    let retains = match settings.get("retains") {
        Some(value) => named("retains", value, &[Retention::EveryVersion, Retention::NewestRow])?,
        None => Retention::default(),
    };
    let log = match settings.get("log") {
        Some(value) => named("log", value, &[LogSource::Target, LogSource::Sessions])?,
        None => LogSource::default(),
    };
    Ok(Rules { retains, log, ..Rules::default() })
}

/// How many of 100 ops a simulated cluster never answers.
pub fn timeouts(settings: &BTreeMap<String, String>) -> Result<u32, String> {
    let Some(value) = settings.get("timeouts") else { return Ok(0) };
    let is_own_log = rules(settings)?.has_own_log();
    match value.parse() {
        Ok(percent @ 0..=100) if percent == 0 || is_own_log => Ok(percent),
        Ok(0..=100) => Err(format!("--set timeouts={value} needs --set log=sessions")),
        _ => Err(format!("--set timeouts={value}: write a whole number from 0 to 100")),
    }
}

/// What a setting may be, for people.
pub(super) fn values(setting: &str) -> String {
    match setting {
        "cause" => listed(&CAUSES.map(|(name, _)| name)),
        "guard" => listed(&GUARDS.map(|(name, _)| name)),
        "first-wins" => "the name of a server, such as server-2".to_owned(),
        "log" => listed(&[LogSource::Target, LogSource::Sessions].map(|log| stored_name(&log))),
        "pool" => format!("1 to {POOL_MAX}"),
        "retains" => listed(&[Retention::EveryVersion, Retention::NewestRow].map(|kept| stored_name(&kept))),
        "servers" => format!("1 to {SERVERS_MAX}"),
        "timeouts" => "0 to 100, with log=sessions".to_owned(),
        _ => "a time, such as 500ms".to_owned(),
    }
}

/// Refuses settings that a cluster of processes does not have.
pub fn refuse_simulated_only(settings: &BTreeMap<String, String>) -> Result<(), String> {
    match SIMULATED_ONLY.into_iter().find(|key| settings.contains_key(*key)) {
        Some(key) => Err(format!("--set {key}=..: only {SIMULATED} has this setting")),
        None => Ok(()),
    }
}

fn named<T: Copy + Serialize>(key: &str, value: &str, choices: &[T]) -> Result<T, String> {
    let names: Vec<String> = choices.iter().map(stored_name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let at = names.iter().position(|name| *name == value).ok_or_else(|| unknown(key, value, &names))?;
    Ok(choices[at])
}

/// Applies settings to a configuration and checks it.
pub fn settled(
    mut config: ::specimen::segments::Config,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::segments::Config, String> {
    config.newest_only = rules(settings)?.keeps_newest_only();
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
            "first-wins" => config.first_wins = Some(value.clone()),
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
