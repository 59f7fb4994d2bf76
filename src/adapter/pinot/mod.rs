//! `pinot`: released versions of Apache Pinot, fed by Kafka, over their public HTTP interface. Nothing is
//! installed in the cluster.

mod authority;
mod cluster;
mod containment;
mod contents;
mod contents_cells;
mod contents_log;
mod contents_plan;
mod contents_shape;
mod contents_view;
mod discover;
mod foreign_table;
mod injection;
mod inventory;
mod kafka;
mod lifecycle;
mod log_lines;
mod log_templates;
mod make_table;
mod node_log;
mod pages;
mod produce_queue;
mod query;
mod query_result;
mod reads;
mod routing;
mod rules;
mod server_log;
mod supported_faults;
mod system;
mod table;
mod turns;
mod wire;

pub use cluster::{PinotCluster, marks};
pub use discover::{diagnosis, discover};
pub use injection::{begin, ended_early, heal};
pub use node_log::log_records;
pub use supported_faults::can;
pub use system::Pinot;

use super::capabilities::Leftover;
use super::leased_injector::{InjectorBackend, LeasedInjector};
use crate::adapter::capabilities::{Capabilities, Cluster, InjectionContext};
use crate::adapter::lock_folder::LOCK_RENEWAL;
use crate::config::fault_commands::FaultCommands;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::seed::number_of;
use dissent_store::cure::Cure;
use injection::PinotUndo;
use kafka::{Kafka, Topic};
use lifecycle::LifecyclePoller;
use reads::Reads;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use supported_faults::PINOT;
use table::{TABLE_PREFIX, lacks};

/// The commit of a segment alone can take many seconds, and its consumers make no progress meanwhile.
const FROZEN_FLOOR: Nanos = Nanos(30_000_000_000);

#[async_trait]
impl Cluster for PinotCluster {
    fn name(&self) -> &'static str {
        PINOT
    }

    fn version(&self) -> String {
        PinotCluster::version(self).to_owned()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn lacks(&self) -> &'static [Merge] {
        lacks(PinotCluster::version(self))
    }

    /// A prefix distinguishes tables of runs from other tables.
    fn table_name(&self, mark: &str) -> Option<String> {
        let id = number_of(&[mark]);
        Some(format!("{TABLE_PREFIX}{id:016x}"))
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

    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        PinotCluster::leftovers(self).await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), TargetError> {
        self.drop_table(leftover).await
    }

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        marks(self.url(), &self.file.access()).await
    }

    async fn table(&self) -> Result<Option<Schema>, TargetError> {
        self.named_table().await
    }

    async fn refuses_boundaries(&self) -> Result<Option<TargetError>, TargetError> {
        self.refuses_commits().await
    }

    async fn make_table(
        &self,
        run: &str,
        schema: &Schema,
        partitions: u32,
        full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError> {
        self.make(run, schema, partitions, full_rows).await
    }

    fn spare_servers(&self) -> Vec<String> {
        let holders = self.roster();
        self.servers().filter(|server| !holders.contains(server)).cloned().collect()
    }

    fn open(
        self: Arc<Self>,
        schema: &Schema,
        context: InjectionContext,
    ) -> Result<Capabilities, TargetError> {
        let foreign = self.named.get().and_then(|named| named.foreign.as_ref());
        let topic = Kafka::of(&self.file).map(|kafka| {
            let named = self.named.get().and_then(|named| named.topic.clone());
            let name = named.unwrap_or_else(|| schema.table.clone());
            Arc::new(Topic::new(kafka, name, schema, foreign.map(|foreign| foreign.keys.clone())))
        });
        let reads = Arc::new(Reads::new(Arc::clone(&self), schema.clone()));
        let lifecycle = Arc::new(LifecyclePoller::new(Arc::clone(&self), Arc::clone(&reads), &schema.table));
        let faults = Arc::new(TableFaults { cluster: Arc::clone(&self), table: schema.table.clone() });
        Ok(Capabilities {
            name: PINOT.to_owned(),
            version: PinotCluster::version(&self).to_owned(),
            roster: self.roster(),
            client: topic.clone().map(|topic| topic as _),
            log: topic.map(|topic| topic as _),
            segments: Some(reads.clone()),
            raw_reads: Some(reads),
            lifecycle: Some(lifecycle),
            frontiers: None,
            unmodelled: foreign.map(|foreign| foreign.unmodelled.clone()),
            injector: Some(Arc::new(LeasedInjector::new(faults, context))),
            processes: None,
        })
    }

    async fn end(&self) {}
}

/// Faults on the replicas of one table.
struct TableFaults {
    cluster: Arc<PinotCluster>,
    table: String,
}

impl TableFaults {
    /// The other replicas that take part in the fault.
    async fn others(&self, fault: &Fault) -> Result<Vec<String>, TargetError> {
        let holders = self.cluster.holders(&self.table).await?;
        Ok(match fault.kind {
            FaultKind::CommitWinner => holders.into_iter().filter(|it| *it != fault.replica).collect(),
            FaultKind::Rebalance => {
                let spare = self.cluster.servers().find(|server| !holders.contains(*server));
                spare.cloned().into_iter().collect()
            }
            _ => Vec::new(),
        })
    }
}

#[async_trait]
impl InjectorBackend for TableFaults {
    type Undo = PinotUndo;

    async fn undo(&self, fault: &Fault) -> Result<PinotUndo, TargetError> {
        let file = &self.cluster.file;
        Ok(PinotUndo {
            system: PINOT.to_owned(),
            at: file.url.clone(),
            cluster: self.cluster.name().to_owned(),
            table: self.table.clone(),
            session: self.cluster.session(&fault.replica).await?,
            commands: file.commands.clone(),
            faults: file.faults.clone(),
            folder: file.folder.clone(),
            access: file.access(),
            proxy: file.proxy.clone(),
            others: self.others(fault).await?,
        })
    }

    fn time_to_live(&self, fault: &Fault) -> Option<Duration> {
        self.cluster.file.fault_commands(fault.kind).map(FaultCommands::longest)
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        injection::heal(cure).await
    }

    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        injection::ended_early(cure).await
    }

    fn silence(&self, replica: &str) {
        self.cluster.mute(replica);
    }

    async fn unsilence(&self, replica: &str) {
        self.cluster.unmute(replica);
    }
}
