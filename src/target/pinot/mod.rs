//! `pinot`: Apache Pinot as it is released, with Kafka before it, over its public HTTP. Nothing is installed
//! in the cluster.

mod answers;
mod cluster;
mod deed;
mod kafka;
mod lifecycle;
mod log;
mod pages;
mod reads;
mod table;

pub use cluster::{Cluster, marks};
pub use deed::{begin, heal, is_of};

use super::leased::{Leased, Victim};
use super::{Grip, Refusal, Site, Target, TargetError};
use crate::config::target::PINOT;
use crate::plan::schedule::{Fault, FaultKind};
use crate::record::cure::Cure;
use crate::record::row::Nanos;
use crate::schema::{Merge, Schema};
use async_trait::async_trait;
use cluster::LOCK_RENEWAL;
use deed::Undo;
use kafka::Topic;
use lifecycle::Lives;
use reads::Reads;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

/// The commit of a segment alone may take many seconds, in which its consumers stand still.
const FROZEN_FLOOR: Nanos = Nanos(30_000_000_000);

/// From this release on columns can be merged by the larger or smaller value.
const MAX_AND_MIN: (u32, u32) = (1, 1);

#[async_trait]
impl Site for Cluster {
    fn name(&self) -> &'static str {
        PINOT
    }

    fn version(&self) -> String {
        Cluster::version(self).to_owned()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn lacks(&self) -> &'static [Merge] {
        let has = answers::release(Cluster::version(self)) >= MAX_AND_MIN;
        if has { &[] } else { &[Merge::Max, Merge::Min] }
    }

    /// Its name tells tables of runs from those of people.
    fn table_of(&self, mark: &str) -> Option<String> {
        let id = number_of(mark);
        Some(format!("dissent_{id:016x}"))
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

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        marks(self.url()).await
    }

    async fn table(&self) -> Result<Option<Schema>, TargetError> {
        self.named_table().await
    }

    async fn make_table(
        &self,
        schema: &Schema,
        partitions: u32,
        _settings: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, TargetError> {
        self.make(schema, partitions).await
    }

    fn spares(&self) -> Vec<String> {
        let holders = self.roster();
        self.servers().filter(|server| !holders.contains(server)).cloned().collect()
    }

    fn open(self: Arc<Self>, schema: &Schema, grip: Grip) -> Result<Target, TargetError> {
        let topic = Arc::new(Topic {
            address: self.file.kafka.clone().unwrap_or_default(),
            schema: schema.clone(),
            partitions: tokio::sync::OnceCell::new(),
        });
        let reads = Arc::new(Reads::new(Arc::clone(&self), schema.clone()));
        let lives = Arc::new(Lives::new(Arc::clone(&self), &schema.table));
        let victim = Arc::new(OfTable { cluster: Arc::clone(&self), table: schema.table.clone() });
        Ok(Target {
            name: PINOT.to_owned(),
            version: Cluster::version(&self).to_owned(),
            roster: self.roster(),
            writes: Some(topic.clone()),
            log: Some(topic),
            authority: Some(reads.clone()),
            raw: Some(reads),
            lifecycle: Some(lives),
            hands: Some(Arc::new(Leased::new(victim, grip))),
        })
    }

    async fn end(&self) {}
}

/// A number to name something by, the same every time.
fn number_of(something: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(something)
}

/// The replicas of one table.
struct OfTable {
    cluster: Arc<Cluster>,
    table: String,
}

impl OfTable {
    /// The replicas beside the fault's own that have a part in it.
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
impl Victim for OfTable {
    fn can(&self, kind: FaultKind) -> Result<(), Refusal> {
        deed::can(&self.cluster.file, kind)
    }

    type Undo = Undo;

    async fn undo(&self, fault: &Fault) -> Result<Undo, TargetError> {
        let file = &self.cluster.file;
        Ok(Undo {
            system: PINOT.to_owned(),
            at: file.url.clone(),
            cluster: self.cluster.name().to_owned(),
            table: self.table.clone(),
            session: self.cluster.session(&fault.replica).await?,
            commands: file.commands.clone(),
            proxy: file.proxy.clone(),
            others: self.others(fault).await?,
        })
    }

    fn silence(&self, replica: &str) {
        self.cluster.ask_no_more(replica);
    }

    async fn unsilence(&self, replica: &str) {
        self.cluster.ask_again(replica);
    }
}
