//! `sim-shard`: writers that keep the latest row of every key in one shared shard, in virtual time.
//!
//! It has no segments, and rows lie on no replica: what is looked at are the writers' own frontiers and the
//! shard's, and what is read is the shard.

use super::column;
use crate::plan::schedule::FaultKind;
use crate::record::frontier::{Domain, Frontier, FrontierKind};
use crate::schema::{Merge, Schema};
use crate::target::Refusal;
use ::specimen::shard::Config;
use std::collections::BTreeMap;

/// The name of the target.
pub const SIMULATED: &str = "sim-shard";

/// The settings that `--set` may change.
pub const SETTINGS: &[&str] = &["rule", "writers", "active", "tick-ms", "poll-ms", "append-ms", "batch"];

/// Rows are whole: the newest one of a key is the key's row.
pub const LACKS: &[Merge] =
    &[Merge::Ignore, Merge::Increment, Merge::Append, Merge::Union, Merge::Max, Merge::Min];

/// The shard's frontier, and the shard itself.
pub const SHARD: &str = "shard";

/// The status of a writer that has read the shard up to where that stood when it came up, and of the shard.
pub const RUNNING: &str = "running";
/// The status of one that has not.
pub const HYDRATING: &str = "hydrating";

/// The writers' own frontiers.
const WRITERS: &str = "writers";

/// The most writers.
const WRITERS_MAX: u64 = 64;
/// The longest time, in milliseconds.
const MS_MAX: u64 = 600_000;

/// The configuration of the writers for this table. `settings` may hold others' keys too.
pub fn config(schema: &Schema, settings: &BTreeMap<String, String>) -> Result<Config, String> {
    let mut config = Config::new(&schema.table, schema.columns.iter().map(column).collect());
    for (key, value) in settings {
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from {least} to {most}")),
        };
        match key.as_str() {
            "rule" => config.rule = value.parse().map_err(|error| format!("--set rule={value}: {error}"))?,
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

/// What is declared of every frontier: a writer's own may go back when it starts again, the shard's never.
pub fn frontiers(writers: &[String]) -> Vec<Frontier> {
    let frontier = |object: &str, kind, group: &str| Frontier {
        object: object.to_owned(),
        kind,
        replica: None,
        domain: Domain::Same,
        durable: false,
        feeds: None,
        group: group.to_owned(),
        heals_within: None,
    };
    let own = writers.iter().map(|writer| Frontier {
        replica: Some(writer.clone()),
        feeds: Some(SHARD.to_owned()),
        ..frontier(writer, FrontierKind::WriterOutput, WRITERS)
    });
    let shard = Frontier { durable: true, ..frontier(SHARD, FrontierKind::ShardUpper, SHARD) };
    own.chain([shard]).collect()
}

/// Whether writers that share a shard have what this needs.
pub(crate) fn can(kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => return Ok(()),
        FaultKind::HoldMessage(_) | FaultKind::CommitWinner | FaultKind::SlowDownload | FaultKind::Reload => {
            "it has no segments"
        }
        FaultKind::Rebalance => "its one shard is every writer's: there is nothing to move",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
    };
    let target = "the embedded writers of a shard".to_owned();
    Err(Refusal { target, fault: kind, reason: reason.to_owned() })
}
