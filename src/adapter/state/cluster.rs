//! A cluster of a state store as a cluster under test.

use super::injection::StateFaults;
use super::muted::MutedReplicas;
use super::target::StateTarget;
use super::{StateStore, StateSystem};
use crate::adapter::capabilities::{Capabilities, Cluster, InjectionContext, Leftover};
use crate::adapter::leased_injector::LeasedInjector;
use crate::adapter::lock_folder::{LOCK_RENEWAL, LockFolder};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::rules::{LogSource, Rules};
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::seed::number_of;
use dissent_store::cure::Cure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The beginning of the names of tables that runs make.
pub const TABLE_PREFIX: &str = "dissent_";

/// A cluster that was reached.
struct StateCluster {
    system: &'static dyn StateSystem,
    store: Arc<dyn StateStore>,
    file: TargetFile,
    folder: LockFolder,
}

/// Reaches the cluster of a target file. Fails if it does not answer.
pub async fn reach(
    system: &'static dyn StateSystem,
    file: &TargetFile,
) -> Result<Arc<dyn Cluster>, TargetError> {
    let store = system.connect(file).await?;
    let folder = LockFolder::beside(file);
    Ok(Arc::new(StateCluster { system, store, file: file.clone(), folder }))
}

#[async_trait]
impl Cluster for StateCluster {
    fn name(&self) -> &'static str {
        self.system.name()
    }

    fn version(&self) -> String {
        self.store.version()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn lacks(&self) -> &'static [Merge] {
        self.store.lacks()
    }

    fn rules(&self) -> Option<Rules> {
        Some(Rules { retains: self.store.retains(), log: LogSource::Sessions, ..Rules::default() })
    }

    fn deletes(&self) -> bool {
        self.store.deletes()
    }

    fn guards(&self) -> bool {
        self.store.guards()
    }

    fn table_name(&self, mark: &str) -> Option<String> {
        Some(format!("{TABLE_PREFIX}{:016x}", number_of(&[mark])))
    }

    fn frozen_floor(&self) -> Nanos {
        self.store.frozen_floor()
    }

    async fn lock(&self, run: &str) -> Result<(), TargetError> {
        self.folder.take(run).await
    }

    fn lock_renewal(&self) -> Duration {
        LOCK_RENEWAL
    }

    async fn unlock(&self, run: &str) {
        // A lock that cannot be released expires.
        drop(self.folder.release(run).await);
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        self.store.leftovers().await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), TargetError> {
        self.store.remove(&leftover.table).await
    }

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        self.folder.marks()
    }

    async fn table(&self) -> Result<Option<Schema>, TargetError> {
        Ok(None)
    }

    async fn make_table(
        &self,
        run: &str,
        schema: &Schema,
        _partitions: u32,
        _full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError> {
        self.store.make_table(run, schema).await?;
        Ok(self.store.replicas())
    }

    fn open(
        self: Arc<Self>,
        schema: &Schema,
        context: InjectionContext,
    ) -> Result<Capabilities, TargetError> {
        let muted = Arc::new(MutedReplicas::default());
        let target = Arc::new(StateTarget::new(Arc::clone(&self.store), schema, Arc::clone(&muted)));
        let faults = Arc::new(StateFaults {
            system: self.system,
            store: Arc::clone(&self.store),
            file: self.file.clone(),
            table: schema.table.clone(),
            muted,
        });
        Ok(Capabilities {
            name: self.system.name().to_owned(),
            version: self.store.version(),
            roster: self.store.replicas(),
            client: Some(target.clone()),
            log: Some(target.clone()),
            segments: Some(target.clone()),
            raw_reads: Some(target),
            lifecycle: None,
            frontiers: None,
            unmodelled: None,
            injector: Some(Arc::new(LeasedInjector::new(faults, context))),
            processes: None,
        })
    }

    async fn end(&self) {
        self.store.end().await;
    }
}
