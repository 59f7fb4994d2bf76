//! Stores that show rows by key, and tell one position per replica: what a module of such a system
//! implements (`RULES.md` 15). All else that a run needs is made from it in this folder: the log, the table's
//! only segment, the coverage of replicas, the lock, the marks, faults by command.
//!
//! ```text
//! etcd.rs   postgres/   exec/          one module per system: StateSystem, StateStore
//!     \        |        /
//!       state/                         log of our own ops, positions -> coverage, lock and marks in a folder
//!         |
//!     Capabilities                     the same as for every other system
//! ```

pub mod cluster;
pub mod conformance;
pub mod injection;
pub mod muted;
pub(in crate::adapter) mod positions;
mod settling;
mod shown_rows;
pub mod system;
mod target;
#[cfg(test)]
mod tests;

use crate::adapter::capabilities::{Leftover, Refusal, RowSink};
use crate::adapter::contents::Contents;
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::config::error::InvalidValue;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema, Value};
use dissent_core::history::time::Nanos;
use std::sync::Arc;

/// A row as a replica shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// Its key.
    pub key: String,
    /// The id of the newest op in it. 0 if the row has none, which no write of a run leaves behind.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// One value per column of the schema: `Null` where the store shows none.
    pub cols: Vec<Value>,
}

/// What a replica tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Which life of its process this is. Another number after each restart; the same number as long as the
    /// process lives.
    pub incarnation: u64,
    /// The status that it reports, in its own words.
    pub status: String,
    /// Whether it leads the others: it takes the writes, or decides on them. `None` if it does not tell.
    pub leads: Option<bool>,
    /// How far it has consumed, in the unit of [`StateStore::upstream`]. `None` if it tells no such number.
    pub position: Option<u64>,
}

/// A system whose clusters are state stores.
#[async_trait]
pub trait StateSystem: Send + Sync {
    /// Its name in target files.
    fn name(&self) -> &'static str;
    /// What its target files are for, for `dissent list targets`.
    fn about(&self) -> &'static str {
        self.name()
    }
    /// The key of a target file with the address that `dissent init` is given: `url`, or `command` for a
    /// system that is reached by a command.
    fn address_key(&self) -> &'static str {
        "url"
    }
    /// What the user of a target file needs there for an audit, and nothing else.
    fn audit_needs(&self) -> &'static [&'static str];
    /// The workload to recommend for a first run.
    fn workload(&self) -> &'static str {
        "cold-keys"
    }
    /// What must be in its target files.
    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue>;
    /// Whether it injects this fault itself, with the means of the store. Restarts and pauses need no
    /// entry here: they are done by the commands of the target file, for every system.
    fn can(&self, file: &TargetFile, kind: FaultKind) -> Result<(), Refusal>;
    /// Reaches the cluster of a target file. Fails if it does not answer.
    async fn connect(&self, file: &TargetFile) -> Result<Arc<dyn StateStore>, TargetError>;
    /// Reaches a table of others, to read what each replica holds of it.
    async fn contents(&self, file: &TargetFile, _table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        let cause = format!("{} cannot be audited yet", self.name());
        Err(TargetError::Refused { at: file.name.clone(), cause })
    }
    /// What `dissent init` writes into a target file.
    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError>;
    /// Begins a fault of its own on a table, and returns once it is in force. Called in the fault's watchdog,
    /// a process that lives until the fault is healed: whatever holds the fault may live there, as a session
    /// with a lock does.
    async fn begin(&self, at: &FaultSite<'_>) -> Result<(), TargetError>;
    /// Undoes such a fault and verifies that. It may be called in another process than `begin`, and twice.
    async fn heal(&self, at: &FaultSite<'_>) -> Result<(), TargetError>;
}

/// A fault with the place where it is done.
#[derive(Clone, Copy, Debug)]
pub struct FaultSite<'f> {
    /// The target file.
    pub file: &'f TargetFile,
    /// The table of the run.
    pub table: &'f str,
    /// The fault.
    pub fault: &'f Fault,
    /// A short text that identifies this fault among all others of the store.
    pub mark: &'f str,
}

/// A cluster that can be reached. Every call may fail: the error is evidence, not an end. No call waits
/// longer than the query timeout of the target file's limits.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The version that it reports.
    fn version(&self) -> String;
    /// The names of its replicas, in order. `$REPLICA` in commands is one of them.
    fn replicas(&self) -> Vec<String>;
    /// The merge functions that it cannot do.
    fn lacks(&self) -> &'static [Merge];
    /// What it keeps of a row that was written again.
    fn retains(&self) -> Retention;
    /// Whether it deletes keys.
    fn deletes(&self) -> bool;
    /// Whether it can make writes conditional on a comparison over many other keys
    /// ([`Schema::guard_keys`]).
    fn guards(&self) -> bool {
        false
    }
    /// The minimum time without progress that counts as frozen (`RULES.md` 7).
    fn frozen_floor(&self) -> Nanos;
    /// Creates the empty table of a run. `run` is stored with it, so that `leftovers` can name it.
    async fn make_table(&self, run: &str, schema: &Schema) -> Result<(), TargetError>;
    /// Stops what would go on in the cluster without the run. Its table stays, for whoever looks at it. What
    /// fails here is left to `remove`.
    async fn end(&self) {}
    /// The tables that runs have left.
    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError>;
    /// Removes such a table.
    async fn remove(&self, table: &str) -> Result<(), TargetError>;
    /// Writes an op as users of the store do. `Ok`: the store acknowledged it. `Failed`: it certainly did not
    /// and will not happen. Anything else is `Unknown`, above all a timeout. Calls for one key never overlap.
    async fn write(&self, schema: &Schema, op: &Op) -> OpOutcome;
    /// Why the newest write that was not acknowledged was not, for whoever looks for the mistake.
    fn refusal(&self) -> Option<String> {
        None
    }
    /// A position that every write acknowledged before this call lies at or below. `None` if the store has no
    /// positions that replicas report too.
    async fn upstream(&self) -> Result<Option<u64>, TargetError>;
    /// Asks one replica for its state.
    async fn replica(&self, replica: &str) -> Result<ReplicaState, TargetError>;
    /// Reads all rows of the table from one replica, around any router, as of one moment if it can. A read
    /// that may be incomplete is an error.
    async fn rows(
        &self,
        schema: &Schema,
        replica: &str,
        out: RowSink<'_, StateRow>,
    ) -> Result<(), TargetError>;
    /// Reads the versions of all rows of the table that one replica has kept, in its own order, from a place
    /// that an earlier call returned (0: from the beginning). Each version is the whole row after one write.
    /// Only for [`Retention::NewestRowAndHistory`].
    async fn history(
        &self,
        _schema: &Schema,
        replica: &str,
        _from: u64,
        _out: RowSink<'_, StateRow>,
    ) -> Result<u64, TargetError> {
        let cause = "it keeps no history".to_owned();
        Err(TargetError::Refused { at: replica.to_owned(), cause })
    }
}
