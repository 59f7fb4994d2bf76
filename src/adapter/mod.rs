//! A target is a cluster under test, as parts. What a system cannot do is an absent part: data, not an error.
//!
//! A new system is one module here, one line in [`reach`], [`marks`], [`begin`] and [`heal`] each, and one in
//! [`crate::config::target`].

pub mod checkup;
pub mod draft;
mod leased;
#[cfg(feature = "pinot")]
mod pace;
#[cfg(feature = "pinot")]
pub mod pinot;
pub mod specimen;
#[cfg(feature = "tls")]
mod tls;
pub mod web;

#[cfg(feature = "pinot")]
use crate::config::target::PINOT;
use crate::config::target::TargetFile;
pub use crate::target_error::TargetError;
use crate::target_error::{Holder, LOOK_PATIENCE};
use async_trait::async_trait;
use checkup::{Checkup, Leaving};
use dissent_core::conductor::{FlagsRead, Snapshot};
use dissent_core::history::contents::Contents;
use dissent_core::history::event::{Death, LifecycleRecord, Op, Outcome};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::row::{Coverage, Current, Entry, Row, Segment};
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use draft::{Draft, DraftError, Wanted};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why a target cannot do a fault, known before the run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{target} does not support {}: {reason}", .fault.name())]
pub struct Refusal {
    /// The target.
    pub target: String,
    /// The fault.
    pub fault: FaultKind,
    /// Why not.
    pub reason: String,
}

/// What became of one op. Never an error: not knowing is an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What became of it.
    pub outcome: Outcome,
    /// Where it lies in the log, if the target said so.
    pub off: Option<u64>,
}

/// Takes items one by one as they arrive.
pub type Sink<'a, T> = &'a mut (dyn FnMut(T) + Send);

/// The front door.
#[async_trait]
pub trait Writes: Send + Sync {
    /// Writes each op; one completion an op, in order.
    async fn write(&self, ops: &[Op]) -> Vec<Completion>;
}

/// The input log.
#[async_trait]
pub trait Log: Send + Sync {
    /// The end of every partition.
    async fn ends(&self) -> Result<Vec<u64>, TargetError>;
    /// The entries `from..end` of a partition, by ascending offset.
    async fn read(
        &self,
        partition: u32,
        from: u64,
        end: u64,
        out: Sink<'_, Entry>,
    ) -> Result<(), TargetError>;
}

/// The authority over segments: who holds what, and where one ends.
#[async_trait]
pub trait Authority: Send + Sync {
    /// All segments, ordered by partition, then sequence.
    async fn segments(&self) -> Result<Vec<Segment>, TargetError>;
    /// Asks for every consuming segment that holds anything to be committed, and a new one opened.
    async fn boundary(&self) -> Result<(), TargetError>;
}

/// Raw reads around the router, replica by replica.
#[async_trait]
pub trait RawReads: Send + Sync {
    /// What the replica says it holds.
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError>;
    /// The raw rows `from..to` of a segment, by ascending offset.
    async fn rows(
        &self,
        replica: &str,
        segment: &str,
        from: u64,
        to: u64,
        out: Sink<'_, Row>,
    ) -> Result<(), TargetError>;
    /// The current flags of a partition that changed since `since` (0: all).
    async fn flags(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: Sink<'_, Current>,
    ) -> Result<FlagsRead, TargetError>;
}

/// Progress frontiers, and the shard that lies behind them.
#[async_trait]
pub trait Frontiers: Send + Sync {
    /// One look at each, with the log's ends: all that there is to see of a target without segments.
    async fn look(&self) -> Result<Snapshot, TargetError>;
    /// What the shard holds as of the newest time that is complete.
    async fn contents(&self, capture: u32) -> Result<Contents, TargetError>;
}

/// What replicas report of their own life.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// What came since the last call, in program order.
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError>;
}

/// What is known of processes that have ended.
#[async_trait]
pub trait Census: Send + Sync {
    /// Those that have, with their last words; none if nobody can be asked.
    async fn deaths(&self) -> Vec<Death>;
}

/// Faults and their cures.
#[async_trait]
pub trait Injector: Send + Sync {
    /// The cure of a fault, from what is read now: written down before the fault begins.
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError>;
    /// Begins the fault; returns once it is in force.
    async fn begin(&self, cure: &Cure) -> Result<(), TargetError>;
    /// Undoes it and verifies that; doing it twice does no harm. Tells what showed that the fault was over
    /// before, if it was.
    async fn heal(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// The cures of everything that this injector began and did not see cured.
    async fn in_force(&self) -> Vec<Cure>;
}

/// How faults are begun at a target.
#[derive(Clone, Debug)]
pub struct InjectionContext {
    /// This program: a keeper is another process of it.
    pub program: PathBuf,
    /// What faults are marked with.
    pub mark: String,
    /// The longest that a fault may last.
    pub lease: Duration,
}

/// A cluster that can be reached, before it has the table of a run.
#[async_trait]
pub trait Site: Send + Sync {
    /// What it is called in reports.
    fn name(&self) -> &'static str;
    /// Its version, as it reports it.
    fn version(&self) -> String;
    /// What it was set up with, as far as it tells.
    fn settings(&self) -> BTreeMap<String, String>;
    /// The merge functions that its version does not have.
    fn lacks(&self) -> &'static [Merge];
    /// The frontiers that it declares, beside its replicas' consuming positions.
    fn frontiers(&self) -> Vec<Frontier> {
        Vec::new()
    }
    /// What the table of this run is to be called, where the usual name may be somebody else's.
    fn table_of(&self, mark: &str) -> Option<String>;
    /// How long a position may stand still at this system without anything being wrong (`RULES.md` 7).
    fn frozen_floor(&self) -> Nanos;
    /// Takes the target for one run, or tells who has it.
    async fn lock(&self, run: &str) -> Result<(), TargetError>;
    /// How long lies between two renewals of the lock: it outlasts some.
    fn lock_renewal(&self) -> Duration;
    /// Renews the lock until another run has it, and then tells why this one must stop. A renewal that gets
    /// no answer is tried again.
    async fn keep_lock(&self, run: &str) -> String {
        loop {
            tokio::time::sleep(self.lock_renewal()).await;
            if let Err(busy @ TargetError::Busy { .. }) = self.lock(run).await {
                return format!("the loss of the target's lock: {busy}");
            }
        }
    }
    /// Gives the target free. One that cannot be told will find out by the lock's age.
    async fn unlock(&self, run: &str);
    /// Tables that runs have made, or that look like it.
    async fn leavings(&self) -> Result<Vec<Leaving>, TargetError>;
    /// Removes what a run has made: the table last, so that what stopped half-way can be begun again.
    async fn remove(&self, leaving: &Leaving) -> Result<(), TargetError>;
    /// The marks that runs have left: each is a cure.
    async fn marks(&self) -> Result<Vec<Cure>, TargetError>;
    /// The table that is to be looked at, if there is one. What a column is for, beside its values, is not
    /// known.
    async fn table(&self) -> Result<Option<Schema>, TargetError>;
    /// Why it does not end the segments of a run's table on request, if it does not.
    async fn refuses_boundaries(&self) -> Result<Option<TargetError>, TargetError> {
        Ok(None)
    }
    /// Makes an empty table that tells which run made it, and tells its replicas, in order. Its segments end
    /// at `full_rows`, or on request only.
    async fn make_table(
        &self,
        run: &str,
        schema: &Schema,
        partitions: u32,
        full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError>;
    /// Replicas that have nothing of the table that was made and could take over, in order.
    fn spares(&self) -> Vec<String> {
        Vec::new()
    }
    /// The cluster with its table, as a target.
    fn open(self: Arc<Self>, schema: &Schema, context: InjectionContext) -> Result<Target, TargetError>;
    /// Ends the cluster if it is private to this process.
    async fn end(&self);
}

/// Whether the cluster of a target file has what a fault needs, as far as that is known without asking it.
pub fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::can(file, kind),
        system => specimen::Embedded::of_system(system).can(kind),
    }
}

/// How the cluster of a target file stands, as far as it answers.
pub async fn checkup(file: &TargetFile) -> Checkup {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::checkup(file).await,
        _ => specimen::checkup(file).await,
    }
}

/// Refuses a run that could not begin there. `dissent doctor` tells the same beforehand.
pub async fn refuse_obstacles(file: &TargetFile, path: &str) -> Result<(), TargetError> {
    match checkup(file).await.obstacles(path).as_slice() {
        [] => Ok(()),
        some => Err(TargetError::NotReady(some.join("; "))),
    }
}

/// A target file for the cluster at a URL, from what it tells.
pub async fn draft(wanted: &Wanted) -> Result<Draft, DraftError> {
    match wanted.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::draft(wanted).await,
        _ => specimen::draft(wanted).await,
    }
}

/// Reaches the cluster of a target file.
pub async fn reach(file: &TargetFile) -> Result<Arc<dyn Site>, TargetError> {
    Ok(match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => Arc::new(pinot::Cluster::reach(file).await?),
        _ => Arc::new(specimen::reach(file).await?),
    })
}

/// The marks that runs have left at the cluster of a target file.
pub async fn marks(file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::marks(&file.url, &file.access()).await,
        _ => specimen::marks(&file.url).await,
    }
}

/// Leaves the mark of a fault and begins it, from its cure alone; returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::begin(cure).await;
    }
    specimen::begin(cure).await
}

/// What shows that a fault that was begun is over already, if anything does: somebody else has undone it, or
/// what it was done to is not there any more.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::ended_early(cure).await;
    }
    specimen::ended_early(cure).await
}

/// As [`ended_early`], in time and never failing: a fault that is not seen in force is not known to be.
pub async fn seen_over(cure: &Cure) -> Option<String> {
    let unseen = |why: String| Some(format!("it is unknown whether it was still in force: {why}"));
    match tokio::time::timeout(LOOK_PATIENCE, ended_early(cure)).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => unseen(error.to_string()),
        Err(_) => unseen(format!("no answer within {LOOK_PATIENCE:?}")),
    }
}

/// Undoes a fault, from its cure alone, verifies that and takes its mark away; twice does no harm.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::heal(cure).await;
    }
    specimen::heal(cure).await
}

/// The run that has the target of a fault now, going by the fault's cure alone.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::holder(cure).await;
    }
    specimen::holder(cure).await
}

/// A cluster under test.
#[derive(Clone)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its version, as it reports it.
    pub version: String,
    /// Its replicas, in order.
    pub roster: Vec<String>,
    /// The front door.
    pub writes: Option<Arc<dyn Writes>>,
    /// The input log.
    pub log: Option<Arc<dyn Log>>,
    /// The authority over segments.
    pub authority: Option<Arc<dyn Authority>>,
    /// Raw reads.
    pub raw: Option<Arc<dyn RawReads>>,
    /// Lifecycle events.
    pub lifecycle: Option<Arc<dyn Lifecycle>>,
    /// Frontiers, in place of segments.
    pub frontiers: Option<Arc<dyn Frontiers>>,
    /// Of a table that the model does not fold: what cannot be said of it, and why.
    pub unmodelled: Option<Vec<String>>,
    /// Faults.
    pub injector: Option<Arc<dyn Injector>>,
    /// What has ended.
    pub census: Option<Arc<dyn Census>>,
}

/// This process, as another user of the target would look for it.
fn owner() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", host.trim(), std::process::id())
}
