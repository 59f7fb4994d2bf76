//! The built-in clusters as two of the supported systems.

use super::cluster::SpecimenCluster;
use super::kind::{self, SpecimenKind};
use super::{containment, discover, injection};
use crate::adapter::capabilities::{Cluster, Defaults, InjectionContext, Refusal};
use crate::adapter::containment::{Affected, Containment};
use crate::adapter::contents::Contents;
use crate::adapter::diagnosis::Diagnosis;
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest, OwnText};
use crate::adapter::segment_contents::SegmentContents;
use crate::adapter::system::System;
use crate::config::error::InvalidValue;
use crate::config::target::{HTTPS, TargetFile, check_http_url};
use crate::target_error::{Holder, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::Permission;
use dissent_store::cure::Cure;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[async_trait]
impl System for SpecimenKind {
    fn name(&self) -> &'static str {
        self.processes()
    }

    fn about(&self) -> &'static str {
        "a built-in cluster that outlives its runs"
    }

    fn built_in(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            SpecimenKind::Segments => SEGMENTS,
            SpecimenKind::Shard => SHARD,
        }
    }

    fn check_address(&self, address: &str) -> Result<(), InvalidValue> {
        check_http_url("url", address)
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        check_http_url("url", &file.url)?;
        let problem = "the table of a built-in cluster follows from the workload";
        InvalidValue::unless(file.table.config.is_empty(), "table", problem, "remove the options")?;
        let plain = !file.url.starts_with(HTTPS);
        InvalidValue::unless(plain, "url", "built-in clusters support only plain HTTP", "write `http://`")
    }

    fn can(&self, _file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
        SpecimenKind::can(*self, kind)
    }

    fn defaults(&self) -> Defaults {
        // Whoever started the cluster chose its settings.
        kind::DEFAULTS
    }

    fn permissions(&self) -> &'static [(Permission, &'static str)] {
        match self {
            SpecimenKind::Segments => {
                const DOWNLOADS: (Permission, &str) =
                    (Permission::Downloads, "hold back downloads of segments");
                &[WRITES, HOLDS, PAUSE, RESTART, NETWORK, MACHINES, DOWNLOADS]
            }
            SpecimenKind::Shard => &[
                WRITES,
                (Permission::Holds, "delay what writers send and receive"),
                PAUSE,
                RESTART,
                NETWORK,
                MACHINES,
                (Permission::Writers, "start writers of the shard, and stop them for good"),
            ],
        }
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        &["no user: built-in clusters ask for none"]
    }

    fn workload(&self) -> &'static str {
        match self {
            SpecimenKind::Segments => "partial-upsert",
            SpecimenKind::Shard => "upsert-feed",
        }
    }

    fn containment(&self, affected: &Affected<'_>) -> Containment {
        match self {
            SpecimenKind::Segments => containment::containment(affected),
            SpecimenKind::Shard => Containment::default(),
        }
    }

    /// Everything follows from the address.
    fn own_text(&self, _discovery: &Discovery) -> OwnText {
        OwnText::default()
    }

    async fn diagnose(&self, file: &TargetFile) -> Diagnosis {
        discover::diagnosis(*self, file).await
    }

    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        discover::discover(*self, wanted).await
    }

    async fn reach(&self, file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError> {
        Ok(Arc::new(SpecimenCluster::reach(*self, &file.url).await?))
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        let cluster = Arc::new(SpecimenCluster::reach(*self, &file.url).await?);
        let refused = |cause: String| TargetError::Refused { at: file.name.clone(), cause };
        let schema = cluster.table().await?.ok_or_else(|| refused("it has no table".to_owned()))?;
        if schema.table != table {
            return Err(refused(format!("its table is called {}", schema.table)));
        }
        let floor = cluster.frozen_floor();
        // Nothing is injected, so nothing is marked.
        let context =
            InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
        let capabilities = cluster.open(&schema, context)?;
        Ok(Arc::new(SegmentContents::open(capabilities, &schema, floor).await?))
    }

    async fn marks(&self, file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
        injection::marks(&file.url).await
    }

    /// Cures of the built-in clusters name no system: the supervisor that they name knows its own.
    fn is_of(&self, cure: &Cure) -> bool {
        cure.undo.get("system").is_none()
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        injection::begin(cure).await
    }

    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        injection::ended_early(cure).await
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        injection::heal(cure).await
    }

    async fn holder(&self, cure: &Cure) -> Result<Option<Holder>, TargetError> {
        injection::holder(cure).await
    }
}

const SEGMENTS: &[(&str, &str)] = &[
    ("specimen-segments", "a built-in cluster as real processes: a controller and four servers on loopback"),
    (
        "sim-segments",
        "the same cluster in virtual time: a run takes milliseconds, and a seed always gives the same bytes",
    ),
];

const SHARD: &[(&str, &str)] = &[
    (
        "specimen-shard",
        "a built-in cluster as real processes: writers that keep the latest rows in one shared shard",
    ),
    ("sim-shard", "the same cluster in virtual time"),
];

const WRITES: (Permission, &str) =
    (Permission::Writes, "create a table in place of the last one, write to it");
const HOLDS: (Permission, &str) = (Permission::Holds, "hold back messages, choose who wins a commit");
const PAUSE: (Permission, &str) = (Permission::Pause, "stop replicas and resume them");
const MACHINES: (Permission, &str) =
    (Permission::Machines, "slow replicas down, set their clocks, fill their disks");
const NETWORK: (Permission, &str) =
    (Permission::Network, "cut replicas off, delay or lose what they send and receive");
const RESTART: (Permission, &str) = (Permission::Restart, "kill replicas and start them again");
