//! `etcd`: released versions of etcd from 3.5 on, over the HTTP gateway of each member. Nothing is installed
//! in the cluster.
//!
//! A table is a prefix, and each cell of a row is a key (`cells.rs`). A member tells how far it has consumed
//! the log (`raftAppliedIndex`) and how many writes it has kept (`revision`). Only the first is a position:
//! members at the same one with different revisions have kept different writes.
//!
//! Learners are no replicas here. They serve neither watches nor linearizable reads, nor do they vote.

mod cells;
mod contents;
mod gateway;
mod store;
mod wire;

pub use store::EtcdStore;

use contents::EtcdContents;

use super::capabilities::Refusal;
use super::contents::Contents;
use super::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use super::state::{FaultSite, StateStore, StateSystem};
use crate::config::error::InvalidValue;
use crate::config::target::{TargetFile, check_http_url};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::fault::FaultKind;
use std::sync::Arc;

/// Its name in target files.
const ETCD: &str = "etcd";

/// The system.
#[derive(Clone, Copy, Debug)]
pub struct Etcd;

#[async_trait]
impl StateSystem for Etcd {
    fn name(&self) -> &'static str {
        ETCD
    }

    fn about(&self) -> &'static str {
        "etcd, over the HTTP gateway of its members"
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        &[
            "a role with permission to read the keys under the prefix",
            "`/metrics` at the client URL of every member",
            "the role `root` if members shall compare hashes of their stores (without it, all keys are read)",
        ]
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        check_http_url("url", &file.url)?;
        file.servers.values().try_for_each(|url| check_http_url("servers", url))
    }

    fn can(&self, _file: &TargetFile, fault: FaultKind) -> Result<(), Refusal> {
        let reason = "etcd has no means to cause it; its members can be killed and stopped by commands";
        Err(Refusal { target: ETCD.to_owned(), fault, reason: reason.to_owned() })
    }

    async fn connect(&self, file: &TargetFile) -> Result<Arc<dyn StateStore>, TargetError> {
        Ok(Arc::new(EtcdStore::reach(file).await?))
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        Ok(Arc::new(EtcdContents::open(file, table).await?))
    }

    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        let file = TargetFile {
            credentials: wanted.credentials.clone(),
            ca: wanted.ca.clone(),
            ..TargetFile::at(ETCD, &wanted.url)
        };
        let store = EtcdStore::reach(&file).await?;
        let servers = store.servers();
        let found = servers.iter().map(|(name, url)| format!("member {name} at {url}"));
        let found = std::iter::once(format!("etcd {}", store.version())).chain(found).collect();
        Ok(Discovery { found, version: store.version(), servers, ..Discovery::default() })
    }

    async fn begin(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        Err(no_fault(at))
    }

    async fn heal(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        Err(no_fault(at))
    }
}

fn no_fault(at: &FaultSite<'_>) -> TargetError {
    let cause = format!("etcd has no means to cause the fault `{}`", at.fault.kind.name());
    TargetError::Refused { at: at.file.url.clone(), cause }
}
