//! What kinds of clusters there are to supervise: one service, and replicas that talk to it.

use crate::error::Error;
use crate::segments::Config;
use crate::shard::{self, Mode};
use crate::value::Column;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// A kind of cluster, as it is configured.
pub trait Topology: Clone + Serialize + Send + Sync + 'static {
    /// The role of the service's process.
    const SERVICE: &'static str;
    /// The role of a replica's process.
    const REPLICA: &'static str;
    /// Refuses what cannot be run.
    fn check(&self) -> Result<(), Error>;
    /// The names of all replicas that there may ever be.
    fn roster(&self) -> &[String];
    /// How many of them, from the first on, begin with a table.
    fn active(&self) -> usize;
    /// The same cluster with this table.
    fn with_table(&self, table: Table) -> Result<Self, Error>;
    /// What a replica's process is told, beside its name.
    fn arguments(replica: Replica) -> Vec<OsString>;
}

/// One life of a replica.
pub struct Replica {
    /// Its own folder, which outlives it.
    pub dir: PathBuf,
    /// The service's URL.
    pub service: String,
    /// Which of its lives this is, from 1.
    pub life: u64,
    /// Whether a writer appends.
    pub mode: Mode,
}

/// What a table is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its partitions.
    pub partitions: u32,
}

impl Topology for Config {
    const SERVICE: &'static str = "controller";
    const REPLICA: &'static str = "server";

    fn check(&self) -> Result<(), Error> {
        Config::check(self)
    }

    fn roster(&self) -> &[String] {
        &self.servers
    }

    fn active(&self) -> usize {
        self.servers.len()
    }

    fn with_table(&self, Table { table, columns, partitions }: Table) -> Result<Self, Error> {
        Ok(Config { table, columns, partitions, ..self.clone() })
    }

    /// It finds out by itself, on its disk, which of its lives this is.
    fn arguments(Replica { dir, service, .. }: Replica) -> Vec<OsString> {
        vec!["--controller".into(), service.into(), "--dir".into(), dir.into()]
    }
}

impl Topology for shard::Config {
    const SERVICE: &'static str = "shard-service";
    const REPLICA: &'static str = "writer";

    fn check(&self) -> Result<(), Error> {
        shard::Config::check(self)
    }

    fn roster(&self) -> &[String] {
        &self.writers
    }

    fn active(&self) -> usize {
        self.active
    }

    fn with_table(&self, Table { table, columns, partitions }: Table) -> Result<Self, Error> {
        match partitions {
            1 => Ok(shard::Config { table, columns, ..self.clone() }),
            _ => Err(Error::Request(format!("{partitions} partitions, where the input log has one"))),
        }
    }

    /// It keeps nothing, so it is told which of its lives this is.
    fn arguments(Replica { service, life, mode, .. }: Replica) -> Vec<OsString> {
        let mut all = vec!["--service".into(), service.into(), "--incarnation".into()];
        all.push(life.to_string().into());
        all.extend((mode == Mode::ReadOnly).then(|| "--read-only".into()));
        all
    }
}
