//! The built-in clusters as real processes of this program, over loopback HTTP. A cluster is either private
//! to a run, or it is independent and a target file gives its URL.

mod cluster;
mod containment;
mod discover;
mod injection;
mod injector;
mod kind;
pub mod segments_settings;
mod servers;
mod service;
pub mod shard_settings;
mod supported_faults;
mod system;
mod undo;
pub mod wire;
mod writer_faults;
pub mod writers;

pub use cluster::SpecimenCluster;
pub use injection::{begin, ended_early, heal, holder, marks};
pub use kind::SpecimenKind;

use super::capabilities::Leftover;
use super::leased_injector::LeasedInjector;
use crate::adapter::capabilities::{Capabilities, Cluster, InjectionContext};
use crate::target_error::TargetError;
use async_trait::async_trait;
use cluster::LOCK_RENEWAL;
use dissent_core::history::frontier::Frontier;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use servers::Servers;
use service::ServiceClient;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use writers::Writers;

/// A position without progress counts as frozen after this time at the earliest (`RULES.md` 7).
pub const FROZEN_FLOOR: Nanos = Nanos(2_000_000_000);

#[async_trait]
impl Cluster for SpecimenCluster {
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

    fn deletes(&self) -> bool {
        true
    }

    fn table_name(&self, _mark: &str) -> Option<String> {
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

    /// A new table replaces the previous one, so nothing is ever left.
    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        Ok(Vec::new())
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), TargetError> {
        let cause = format!("it has no table {} of an earlier run", leftover.table);
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

    fn open(
        self: Arc<Self>,
        schema: &Schema,
        context: InjectionContext,
    ) -> Result<Capabilities, TargetError> {
        open(&self, schema, context)
    }

    async fn end(&self) {
        self.stop().await;
    }
}

/// A cluster with its table as a target.
pub fn open(
    cluster: &Arc<SpecimenCluster>,
    schema: &Schema,
    context: InjectionContext,
) -> Result<Capabilities, TargetError> {
    let overview = cluster.overview();
    let service = Arc::new(ServiceClient::new(Arc::clone(cluster), schema.clone())?);
    let target = Capabilities {
        name: cluster.system.processes().to_owned(),
        version: overview.version,
        roster: overview.roster,
        client: Some(service.clone()),
        log: Some(service.clone()),
        segments: None,
        raw_reads: None,
        lifecycle: None,
        frontiers: None,
        unmodelled: None,
        injector: Some(Arc::new(LeasedInjector::new(Arc::clone(cluster), context))),
        processes: Some(Arc::clone(cluster) as _),
    };
    Ok(match cluster.system {
        SpecimenKind::Segments => {
            let servers = Arc::new(Servers::new(Arc::clone(cluster), service, schema.clone())?);
            let (authority, raw) = (Some(servers.clone() as _), Some(servers.clone() as _));
            Capabilities { segments: authority, raw_reads: raw, lifecycle: Some(servers), ..target }
        }
        SpecimenKind::Shard => {
            let writers = Writers::new(Arc::clone(cluster), service, schema.clone())?;
            Capabilities { frontiers: Some(Arc::new(writers)), ..target }
        }
    })
}
