//! `specimen-shard`: writers that keep the latest row of every key in one shared shard.
//!
//! It has no segments, and rows lie on no replica: what is looked at are the writers' own frontiers and the
//! shard's, and what is read is the shard.

use super::cluster::{Cluster, Overview, Seat};
use super::front::Front;
use super::{answers, column};
use crate::adapter::web::{Web, answer, parse};
use crate::adapter::{Frontiers, Refusal, TargetError};
use ::specimen::shard::{Config, Mode, RULES};
use async_trait::async_trait;
use dissent_core::conductor::{Seen, Snapshot};
use dissent_core::history::contents::Contents;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::frontier;
use dissent_core::history::frontier::{Domain, Frontier, FrontierKind, Look};
use dissent_core::history::schema::{Merge, Schema};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The name of the target as processes.
pub const PROCESSES: &str = "specimen-shard";
/// The name of the same cluster in virtual time.
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
    settled(Config::new(&schema.table, schema.columns.iter().map(column).collect()), settings)
}

/// A configuration with settings applied, and checked.
pub fn settled(mut config: Config, settings: &BTreeMap<String, String>) -> Result<Config, String> {
    for (key, value) in settings {
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from {least} to {most}")),
        };
        match key.as_str() {
            "rule" => {
                config.rule =
                    value.parse().map_err(|_| super::unknown("rule", value, &RULES.map(|(name, _)| name)))?;
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

/// How many writers append from the start, as the settings say.
pub(super) fn active(settings: &BTreeMap<String, String>) -> usize {
    settings.get("active").and_then(|active| active.parse().ok()).unwrap_or(1)
}

/// What is declared of every frontier: a writer's own may go back when it starts again, the shard's never.
/// All are timestamps, and the service tells upstream's; the first `active` writers are there from the start.
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

/// Whether writers that share a shard have what this needs.
pub(super) fn can(kind: FaultKind) -> Result<(), Refusal> {
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
        FaultKind::Rebalance => "all writers share its one shard, so there is nothing to move",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
    };
    let target = "the built-in cluster of writers".to_owned();
    Err(Refusal { target, fault: kind, reason: reason.to_owned() })
}

/// What a writer shows of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Progress {
    /// Which of its lives this is.
    pub incarnation: u64,
    /// Whether it appends.
    pub mode: Mode,
    /// Whether it has read the shard up to where that stood when it came up.
    pub hydrated: bool,
    /// Its own output frontier.
    pub frontier: u64,
}

impl Progress {
    /// One look at it, between two at its upstream.
    pub fn seen(self, writer: &str, u1: u64, u2: u64) -> Seen {
        let Progress { incarnation, mode, hydrated, frontier } = self;
        let status = if hydrated { RUNNING } else { HYDRATING };
        let (object, status) = (writer.to_owned(), status.to_owned());
        let look = Look { object, u1, f: Some(frontier), u2, status, incarnation };
        Seen { look, is_awaited: mode == Mode::ReadWrite }
    }
}

/// One look at the shard's upper.
pub fn shard_seen(upper: u64, u1: u64, u2: u64) -> Seen {
    let (object, status) = (SHARD.to_owned(), RUNNING.to_owned());
    Seen { look: Look { object, u1, f: Some(upper), u2, status, incarnation: 0 }, is_awaited: true }
}

/// Upstream and the shard, read at one moment.
#[derive(Deserialize)]
struct Standing {
    upstream: Upstream,
    shard_upper: u64,
}

#[derive(Deserialize)]
struct Upstream {
    /// The log's end.
    offset: u64,
    /// The first timestamp that no offset has yet.
    timestamp: u64,
}

/// A client of the writers and of the shard.
pub(super) struct Writers {
    cluster: Arc<Cluster>,
    front: Arc<Front>,
    schema: Schema,
    web: Web,
}

impl Writers {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        front: Arc<Front>,
        schema: Schema,
    ) -> Result<Writers, TargetError> {
        Ok(Writers { cluster, front, schema, web: Web::new()? })
    }

    /// What every writer shows that is there, or why it does not answer. One that was asked to leave
    /// meanwhile owes no answer.
    async fn of_all(&self) -> Result<Vec<(String, Result<Progress, TargetError>)>, TargetError> {
        let mut answers = self.asked(&self.cluster.refresh().await?).await;
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            let there = self.cluster.refresh().await?.replicas;
            answers.retain(|(name, answer)| answer.is_ok() || there.get(name).is_some_and(Option::is_some));
        }
        Ok(answers)
    }

    /// Asks every writer that has a seat, side by side.
    async fn asked(&self, overview: &Overview) -> Vec<(String, Result<Progress, TargetError>)> {
        let mut asked = JoinSet::new();
        for (name, seat) in &overview.replicas {
            let Some(Seat { address, .. }) = seat else { continue };
            let (name, url) = (name.clone(), format!("http://{address}/progress"));
            let (web, audible) = (self.web.clone(), self.cluster.not_silent(&name));
            asked.spawn(async move {
                let answer = async {
                    audible?;
                    parse(&url, &answer(&url, web.get(&url)).await?)
                };
                (name, answer.await)
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by(|one, other| one.0.cmp(&other.0));
        answers
    }
}

#[async_trait]
impl Frontiers for Writers {
    /// The upstream, every writer side by side, the upstream with the shard: in this order (`RULES.md` 7).
    /// A writer that nobody has asked for, or that was asked to leave, is not looked at.
    async fn look(&self) -> Result<Snapshot, TargetError> {
        let before: Standing = self.front.ask("frontiers").await?;
        let answers = self.of_all().await?;
        let after: Standing = self.front.ask("frontiers").await?;
        let (u1, u2) = (before.upstream.timestamp, after.upstream.timestamp);
        let mut snapshot = Snapshot {
            log_ends_before: vec![before.upstream.offset],
            log_ends_after: vec![after.upstream.offset],
            ..Snapshot::default()
        };
        for (name, answer) in answers {
            match answer {
                Ok(progress) => snapshot.frontiers.push(progress.seen(&name, u1, u2)),
                Err(error) => snapshot.replicas.push((name, Err(error.to_string()))),
            }
        }
        snapshot.frontiers.push(shard_seen(after.shard_upper, u1, u2));
        Ok(snapshot)
    }

    /// The rows as of the newest time that is complete: those do not change any more.
    async fn contents(&self, capture: u32) -> Result<Contents, TargetError> {
        let Standing { shard_upper: upper, .. } = self.front.ask("frontiers").await?;
        let object = SHARD.to_owned();
        let Some(as_of) = upper.checked_sub(1) else {
            return Ok(Contents { capture, object, upper, log_end: 0, rows: Vec::new() });
        };
        let bindings: Vec<u64> = self.front.ask(&format!("bindings?from={as_of}&limit=1")).await?;
        let log_end = bindings.first().copied().unwrap_or(0);
        let (url, body) = self.front.get(&format!("contents?as_of={as_of}")).await?;
        let rows = answers::held(&self.schema, &url, &body)?;
        Ok(Contents { capture, object, upper, log_end, rows })
    }
}
