//! `specimen-segments`: the embedded cluster as real processes of this very binary, over loopback HTTP.
//! It is private to a run, starts with it and dies with it; or it lives outside of any, and a target file
//! says where.

pub mod answers;
mod cluster;
mod deed;
mod hands;
mod http;
pub mod shard;

pub use cluster::Cluster;
pub use deed::{begin, heal, marks};
pub(crate) use hands::can;

use super::checkup::{Asked, Checkup, Leaving, Standing};
use super::draft::{Draft, DraftError, Wanted};
use super::leased::Leased;
use super::{Grip, Site, Target, TargetError};
use crate::config::target::TargetFile;
use crate::record::cure::Cure;
use crate::record::row::Nanos;

use crate::schema::{Column, Merge, Schema, Type};
use async_trait::async_trait;
use cluster::LOCK_RENEWAL;
use http::Http;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The name of the target as processes.
pub const PROCESSES: &str = "specimen-segments";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-segments";

/// The settings that `--set` may change.
pub const SETTINGS: &[&str] = &["guard", "pool", "servers"];

/// The most servers of a cluster: each is a process.
const SERVERS_MAX: usize = 64;
/// The most transitions that a server runs side by side.
const POOL_MAX: usize = 100_000;

/// The configuration of a specimen for this table. `settings` holds the target's own keys only.
pub fn config(
    schema: &Schema,
    partitions: u32,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::Config, String> {
    let columns = schema.columns.iter().map(column).collect();
    settled(::specimen::Config::new(&schema.table, columns, partitions), settings)
}

/// A configuration with settings applied, and checked.
pub fn settled(
    mut config: ::specimen::Config,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::Config, String> {
    for (key, value) in settings {
        let number = |most: usize| match value.parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from 1 to {most}")),
        };
        match key.as_str() {
            "guard" => {
                config.guard = value.parse().map_err(|error| format!("--set guard={value}: {error}"))?
            }
            "pool" => config.pool = number(POOL_MAX)?,
            "servers" => config.servers = (0..number(SERVERS_MAX)?).map(|n| format!("server-{n}")).collect(),
            _ => {}
        }
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
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

/// A position counts as frozen at the earliest after this long without a move (`semantics` 7).
pub const FROZEN_FLOOR: Nanos = Nanos(2_000_000_000);

#[async_trait]
impl Site for Cluster {
    fn name(&self) -> &'static str {
        PROCESSES
    }

    fn version(&self) -> String {
        self.overview().version
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.overview().settings
    }

    fn lacks(&self) -> &'static [Merge] {
        &[]
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
        settings: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, TargetError> {
        let config = config(schema, partitions, settings)
            .map_err(|cause| TargetError::Refused { at: PROCESSES.to_owned(), cause })?;
        self.put_table(&config).await?;
        Ok(self.overview().roster)
    }

    fn open(self: Arc<Self>, schema: &Schema, grip: Grip) -> Result<Target, TargetError> {
        open(&self, schema, grip)
    }

    async fn end(&self) {
        self.stop().await;
    }
}

/// How the cluster of a target file stands. Who has it can only be learnt by wanting it.
pub async fn checkup(file: &TargetFile) -> Checkup {
    let mut checkup = Checkup { system: PROCESSES.to_owned(), ..Checkup::default() };
    let begun = tokio::time::Instant::now();
    let reached = Cluster::reach(&file.url).await;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let problem = reached.as_ref().err().map(ToString::to_string);
    let (who, at) = ("supervisor".to_owned(), file.url.clone());
    checkup.asked.push(Asked { who, at, ms, problem, needed: true });
    if let Ok(cluster) = reached {
        let overview = cluster.overview();
        let alive = |name: &String| overview.seat(name).ok().map(|seat| seat.address.clone());
        let standing = |name: &String| Standing { name: name.clone(), host: alive(name) };
        checkup.replicas = overview.roster.iter().map(standing).collect();
        checkup.version = Some(overview.version.clone());
    }
    match marks(&file.url).await {
        Ok(marks) => checkup.marks = marks,
        Err(error) => checkup.unknown.push(format!("faults of earlier runs: {error}")),
    }
    checkup
}

/// A target file for the cluster of this supervisor.
pub async fn draft(wanted: &Wanted) -> Result<Draft, DraftError> {
    let overview = Cluster::reach(&wanted.url).await?.overview();
    let found = vec![format!("{PROCESSES} {}, {} servers", overview.version, overview.roster.len())];
    Ok(Draft { found, version: overview.version, ..Draft::default() })
}

/// A cluster that has its table, as a target.
pub fn open(cluster: &Arc<Cluster>, schema: &Schema, grip: Grip) -> Result<Target, TargetError> {
    let overview = cluster.overview();
    let http = Arc::new(Http::new(Arc::clone(cluster), schema.clone())?);
    let hands = Arc::new(Leased::new(Arc::clone(cluster), grip));
    Ok(Target {
        name: PROCESSES.to_owned(),
        version: overview.version,
        roster: overview.roster,
        writes: Some(http.clone()),
        log: Some(http.clone()),
        authority: Some(http.clone()),
        raw: Some(http.clone()),
        lifecycle: Some(http),
        hands: Some(hands),
    })
}
