//! The kinds of clusters that the supervisor can run: one service, and replicas that call it.

use crate::error::Error;
use crate::segments::Config;
use crate::shard::{self, Mode};
use crate::value::Column;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// A kind of cluster, implemented by its configuration.
pub trait Topology: Clone + Serialize + Send + Sync + 'static {
    /// The command-line role of the service's process.
    const SERVICE: &'static str;
    /// The command-line role of a replica's process.
    const REPLICA: &'static str;
    /// Refuses an unusable configuration.
    fn check(&self) -> Result<(), Error>;
    /// The names of all replicas that can ever exist.
    fn roster(&self) -> &[String];
    /// How many replicas, from the first of the roster on, start with a table.
    fn active(&self) -> usize;
    /// The same cluster with another table. Fails if the cluster cannot have such a table.
    fn with_table(&self, table: Table) -> Result<Self, Error>;
    /// The arguments of a replica's process, besides its name.
    fn arguments(replica: Replica) -> Vec<OsString>;
}

/// A replica about to be started.
pub struct Replica {
    /// Its own folder, which survives restarts.
    pub dir: PathBuf,
    /// The file that says what is wrong with its machine.
    pub host: PathBuf,
    /// The URL of the service.
    pub service: String,
    /// Counts the replica's starts, from 1.
    pub incarnation: u64,
    /// Whether a writer appends. Servers ignore it.
    pub mode: Mode,
}

/// A table as a request defines it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// The table's name.
    pub table: String,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The number of partitions.
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

    /// A server counts its starts itself, on disk.
    fn arguments(Replica { dir, host, service, .. }: Replica) -> Vec<OsString> {
        let (dir, host) = (dir.into(), host.into());
        vec!["--controller".into(), service.into(), "--dir".into(), dir, "--host".into(), host]
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

    /// A writer keeps nothing on disk, so its start count is passed in.
    fn arguments(Replica { host, service, incarnation, mode, .. }: Replica) -> Vec<OsString> {
        let mut all = vec!["--service".into(), service.into(), "--host".into(), host.into()];
        all.extend(["--incarnation".into(), incarnation.to_string().into()]);
        all.extend((mode == Mode::ReadOnly).then(|| "--read-only".into()));
        all
    }
}
