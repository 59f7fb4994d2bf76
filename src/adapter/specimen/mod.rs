//! The embedded clusters as real processes of this very binary, over loopback HTTP. One is private to a run,
//! starts with it and dies with it; or it lives outside of any, and a target file says where.

pub mod answers;
mod cluster;
mod front;
mod injection;
mod injector;
pub mod segments;
pub mod shard;
mod writers;

pub use cluster::Cluster;
pub use injection::{begin, ended_early, heal, holder, marks};

use super::checkup::{Asked, Checkup, Leaving, Standing};
use super::draft::{Draft, DraftError, Wanted};
use super::leased::LeasedInjector;
use super::{InjectionContext, Refusal, Site, Target, TargetError};
use crate::config::error::advise;
use crate::config::target::TargetFile;
use async_trait::async_trait;
use cluster::LOCK_RENEWAL;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::frontier::Frontier;
use dissent_core::history::schema::{Column, Merge, Schema, Type};
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use front::Front;
use segments::Servers;
use shard::Writers;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The clusters that are part of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded {
    /// Servers that hold segments.
    Segments,
    /// Writers that share a shard.
    Shard,
}

impl Embedded {
    /// All of them.
    pub const ALL: [Embedded; 2] = [Embedded::Segments, Embedded::Shard];

    /// Its name as processes.
    pub fn processes(self) -> &'static str {
        match self {
            Embedded::Segments => segments::PROCESSES,
            Embedded::Shard => shard::PROCESSES,
        }
    }

    /// Its name in virtual time.
    pub fn simulated(self) -> &'static str {
        match self {
            Embedded::Segments => segments::SIMULATED,
            Embedded::Shard => shard::SIMULATED,
        }
    }

    /// The one that a system of this name is, or is most like: rows lie in segments elsewhere, too.
    pub fn of_system(name: &str) -> Embedded {
        let is_called = |embedded: &Embedded| embedded.processes() == name;
        Embedded::ALL.into_iter().find(is_called).unwrap_or(Embedded::Segments)
    }

    /// The settings that `--set` may change.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            Embedded::Segments => segments::SETTINGS,
            Embedded::Shard => shard::SETTINGS,
        }
    }

    /// The merge functions that it does not have.
    pub fn lacks(self) -> &'static [Merge] {
        match self {
            Embedded::Segments => &[],
            Embedded::Shard => shard::LACKS,
        }
    }

    /// The frontiers that it declares, beside its replicas' consuming positions.
    pub fn frontiers(self, roster: &[String], settings: &BTreeMap<String, String>) -> Vec<Frontier> {
        match self {
            Embedded::Segments => Vec::new(),
            Embedded::Shard => shard::frontiers(roster, shard::active(settings)),
        }
    }

    /// Whether it has what a fault needs, as processes or simulated.
    pub(crate) fn can(self, kind: FaultKind) -> Result<(), Refusal> {
        match self {
            Embedded::Segments => segments::can(kind),
            Embedded::Shard => shard::can(kind),
        }
    }

    /// What the supervisor's process is told to be.
    fn role(self) -> &'static str {
        match self {
            Embedded::Segments => "segments",
            Embedded::Shard => "shard",
        }
    }
}

/// What is said of a setting's value that is none of its names.
fn unknown(key: &str, value: &str, names: &[&str]) -> String {
    format!("--set {key}={value}: no {key} is called `{value}`: {}", advise(value, names))
}

/// The two crates know the same merge functions and types, and share none of their code.
fn column(column: &Column) -> ::specimen::Column {
    use ::specimen::{Merge as To, Type as As};
    ::specimen::Column {
        name: column.name.clone(),
        ty: match column.ty {
            Type::Long => As::Long,
            Type::String => As::String,
            Type::LongList => As::LongList,
            Type::StringList => As::StringList,
        },
        merge: match column.merge {
            Merge::Overwrite => To::Overwrite,
            Merge::Ignore => To::Ignore,
            Merge::Increment => To::Increment,
            Merge::Append => To::Append,
            Merge::Union => To::Union,
            Merge::Max => To::Max,
            Merge::Min => To::Min,
        },
    }
}

/// A position counts as frozen at the earliest after this long without a move (`RULES.md` 7).
pub const FROZEN_FLOOR: Nanos = Nanos(2_000_000_000);

#[async_trait]
impl Site for Cluster {
    fn name(&self) -> &'static str {
        self.system.processes()
    }

    fn version(&self) -> String {
        self.overview().version
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.overview().settings
    }

    fn lacks(&self) -> &'static [Merge] {
        self.system.lacks()
    }

    fn frontiers(&self) -> Vec<Frontier> {
        let overview = self.overview();
        self.system.frontiers(&overview.roster, &overview.settings)
    }

    fn table_of(&self, _mark: &str) -> Option<String> {
        None
    }

    fn frozen_floor(&self) -> Nanos {
        FROZEN_FLOOR
    }

    async fn lock(&self, run: &str) -> Result<(), TargetError> {
        self.take_lock(run).await
    }

    fn lock_renewal(&self) -> Duration {
        LOCK_RENEWAL
    }

    async fn unlock(&self, run: &str) {
        self.drop_lock(run).await;
    }

    /// A table takes the place of the one before: nothing is left.
    async fn leavings(&self) -> Result<Vec<Leaving>, TargetError> {
        Ok(Vec::new())
    }

    async fn remove(&self, leaving: &Leaving) -> Result<(), TargetError> {
        let cause = format!("it has no table {} of an earlier run", leaving.table);
        Err(TargetError::Refused { at: self.url().to_owned(), cause })
    }

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        marks(self.url()).await
    }

    async fn table(&self) -> Result<Option<Schema>, TargetError> {
        Ok(self.schema())
    }

    async fn make_table(
        &self,
        _run: &str,
        schema: &Schema,
        partitions: u32,
        _full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError> {
        self.put_table(schema, partitions).await?;
        Ok(self.overview().roster)
    }

    fn open(self: Arc<Self>, schema: &Schema, context: InjectionContext) -> Result<Target, TargetError> {
        open(&self, schema, context)
    }

    async fn end(&self) {
        self.stop().await;
    }
}

/// Reaches the cluster of a target file.
pub async fn reach(file: &TargetFile) -> Result<Cluster, TargetError> {
    Cluster::reach(Embedded::of_system(&file.system), &file.url).await
}

/// How the cluster of a target file stands.
pub async fn checkup(file: &TargetFile) -> Checkup {
    let mut checkup = Checkup { system: file.system.clone(), starts_anew: true, ..Checkup::default() };
    let begun = tokio::time::Instant::now();
    let reached = reach(file).await;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let problem = reached.as_ref().err().map(ToString::to_string);
    let (who, at) = ("supervisor".to_owned(), file.url.clone());
    checkup.asked.push(Asked { who, at, ms, problem, needed: true });
    if let Ok(cluster) = reached {
        let overview = cluster.overview();
        let alive = |name: &String| overview.seat(name).ok().map(|(url, _)| url);
        let standing = |name: &String| Standing { name: name.clone(), host: alive(name) };
        checkup.replicas = overview.roster.iter().map(standing).collect();
        checkup.version = Some(overview.version.clone());
        match cluster.holder().await {
            Ok(holder) => (checkup.free, checkup.holder) = (holder.is_none(), holder),
            Err(error) => checkup.unknown.push(format!("the run that uses it: {error}")),
        }
    }
    match marks(&file.url).await {
        Ok(marks) => checkup.marks = marks,
        Err(error) => checkup.unknown.push(format!("faults of earlier runs: {error}")),
    }
    checkup
}

/// A target file for the cluster of this supervisor.
pub async fn draft(wanted: &Wanted) -> Result<Draft, DraftError> {
    let overview = Cluster::reach(Embedded::of_system(&wanted.system), &wanted.url).await?.overview();
    let found = vec![format!("{} {}, {} replicas", wanted.system, overview.version, overview.roster.len())];
    Ok(Draft { found, version: overview.version, ..Draft::default() })
}

/// A cluster that has its table, as a target.
pub fn open(
    cluster: &Arc<Cluster>,
    schema: &Schema,
    context: InjectionContext,
) -> Result<Target, TargetError> {
    let overview = cluster.overview();
    let front = Arc::new(Front::new(Arc::clone(cluster), schema.clone())?);
    let target = Target {
        name: cluster.system.processes().to_owned(),
        version: overview.version,
        roster: overview.roster,
        writes: Some(front.clone()),
        log: Some(front.clone()),
        authority: None,
        raw: None,
        lifecycle: None,
        frontiers: None,
        unmodelled: None,
        injector: Some(Arc::new(LeasedInjector::new(Arc::clone(cluster), context))),
        census: Some(Arc::clone(cluster) as _),
    };
    Ok(match cluster.system {
        Embedded::Segments => {
            let servers = Arc::new(Servers::new(Arc::clone(cluster), front, schema.clone())?);
            let (authority, raw) = (Some(servers.clone() as _), Some(servers.clone() as _));
            Target { authority, raw, lifecycle: Some(servers), ..target }
        }
        Embedded::Shard => {
            let writers = Writers::new(Arc::clone(cluster), front, schema.clone())?;
            Target { frontiers: Some(Arc::new(writers)), ..target }
        }
    })
}
