//! Pinot as one of the supported systems.

use super::cluster::{PinotCluster, marks};
use super::contents::PinotContents;
use super::supported_faults::{self, PINOT};
use super::{containment, discover, injection, node_log};
use crate::adapter::capabilities::{BOUNDARIES, Cluster, Defaults, Refusal};
use crate::adapter::containment::{Affected, Containment};
use crate::adapter::contents::Contents;
use crate::adapter::diagnosis::Diagnosis;
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest, OwnText, line, quoted};
use crate::adapter::system::{LogReader, MissingLine, System};
use crate::config::error::InvalidValue;
use crate::config::target::{TargetFile, check_http_url};
use crate::target_error::{Holder, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::{Need, Permission};
use dissent_store::cure::Cure;
use std::sync::Arc;

/// Apache Pinot.
#[derive(Clone, Copy, Debug)]
pub struct Pinot;

#[async_trait]
impl System for Pinot {
    fn name(&self) -> &'static str {
        PINOT
    }

    fn about(&self) -> &'static str {
        "Apache Pinot fed by Kafka"
    }

    fn check_address(&self, address: &str) -> Result<(), InvalidValue> {
        check_http_url("url", address)
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        check_http_url("url", &file.url)?;
        let help = "add `broker = \"http://..\"`";
        InvalidValue::unless(file.broker.is_some(), "system", "Pinot needs a broker for queries", help)?;
        let named = [("broker", &file.broker), ("proxy", &file.proxy)];
        let named = named.into_iter().filter_map(|(key, url)| Some((key, url.as_ref()?)));
        let servers = file.servers.values().map(|url| ("servers", url));
        named.chain(servers).try_for_each(|(key, url)| check_http_url(key, url))
    }

    fn missing_line(&self, file: &TargetFile) -> Option<MissingLine> {
        let what = "the address of Kafka, which a run writes to";
        file.kafka.is_none().then_some(MissingLine { what, line: "kafka = \"HOST:PORT\"" })
    }

    fn can(&self, file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
        supported_faults::can(file, kind)
    }

    fn needs(&self, kind: FaultKind) -> Vec<Need> {
        supported_faults::needs(kind)
    }

    fn defaults(&self) -> Defaults {
        Defaults { settings: &[BOUNDARIES], has_table_options: true, ..Defaults::SHARED }
    }

    fn permissions(&self) -> &'static [(Permission, &'static str)] {
        PERMISSIONS
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        &[
            "controller: to read the cluster's information, the instances, ZooKeeper's `LIVEINSTANCES`, and \
             the table with its schema, ideal state, size and segments' metadata",
            "servers: to read `segments/crc` and `consumingSegmentsInfo`",
            "broker: to query the table by POST to `/query/sql`",
            "Kafka, if the target file names it: `DESCRIBE` and `READ` on the topic, and no consumer group",
        ]
    }

    fn containment(&self, affected: &Affected<'_>) -> Containment {
        containment::containment(affected)
    }

    fn log_reader(&self) -> Option<LogReader> {
        Some(node_log::log_records)
    }

    fn own_text(&self, discovery: &Discovery) -> OwnText {
        let (keys, tables) = (keys(discovery), servers(discovery));
        OwnText { keys, log_in: LOG_IN, tables, options: OPTIONS }
    }

    async fn diagnose(&self, file: &TargetFile) -> Diagnosis {
        discover::diagnosis(file).await
    }

    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        discover::discover(wanted).await
    }

    async fn reach(&self, file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError> {
        Ok(Arc::new(PinotCluster::reach(file).await?))
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        Ok(Arc::new(PinotContents::open(file, table).await?))
    }

    async fn marks(&self, file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
        marks(&file.url, &file.access()).await
    }

    fn is_of(&self, cure: &Cure) -> bool {
        cure.undo["system"] == PINOT
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

/// The lines on the broker, Kafka and the table to inspect.
fn keys(discovery: &Discovery) -> String {
    let mut text = String::new();
    for (key, value, otherwise) in [
        ("broker", &discovery.broker, NO_BROKER),
        ("kafka", &discovery.kafka, NO_KAFKA),
        ("table", &discovery.table, NO_TABLE),
    ] {
        match value {
            Some(value) => line(&mut text, key, value),
            None => text += otherwise,
        }
    }
    text
}

/// The servers, commented, because Pinot itself knows how to reach them.
fn servers(discovery: &Discovery) -> String {
    if discovery.servers.is_empty() {
        return String::new();
    }
    let servers = discovery.servers.iter();
    let lines = servers.map(|(name, url)| format!("# {} = {}\n", quoted(name), quoted(url)));
    "\n# [servers]            # HTTP of the servers, as reported by Pinot\n".to_owned()
        + &lines.collect::<String>()
}

const NO_BROKER: &str = "broker = \"http://BROKER:8099\"    # none is registered: enter its URL\n";
const NO_KAFKA: &str = "# kafka = \"HOST:9092\"    # needed by runs; reachable from Pinot and from here\n";
const NO_TABLE: &str = "# table = \"NAME\"         # for `dissent raw`; each run creates its own table\n";

const PERMISSIONS: &[(Permission, &str)] = &[
    (Permission::Writes, "create tables `dissent_..` with their topics, write to them, force commits"),
    (Permission::Holds, "hold back messages of the coordination store to a server"),
    (Permission::Pause, "stop servers and resume them"),
    (Permission::Restart, "kill servers and start them again"),
    (Permission::Commands, "begin and cure the faults under [fault]"),
    (Permission::Downloads, "hold back downloads at a `dissent proxy`; needs `proxy = \"..\"` above [allow]"),
];

const LOG_IN: &str = "
# [credentials]        # for HTTP. Never write a secret into this file
# user = \"dissent\"
# password-env = \"PINOT_PASSWORD\"       # or password-file; or, without user, token-env or token-file
# [kafka-credentials]  # SASL PLAIN; for TLS: `kafka-tls = true`, above [allow]
# user = \"dissent\"
# password-env = \"KAFKA_PASSWORD\"
";

const OPTIONS: &str = "
# [commands]           # run by `sh -c`; $REPLICA is the server; pause and holds need the first two
# pause = \"ssh \\\"$REPLICA\\\" pkill -STOP -f StartServer\"
# resume = \"ssh \\\"$REPLICA\\\" pkill -CONT -f StartServer\"
# kill = \"ssh \\\"$REPLICA\\\" pkill -KILL -f StartServer\"
# start = \"ssh \\\"$REPLICA\\\" systemctl start pinot-server\"

# [hooks]                  # run by `sh -c`, before and after runs
# up = \"docker compose up --detach\"
# wait-ready = \"curl --fail --silent http://127.0.0.1:9000/health\"
# ready-within = \"2min\"
# collect = \"docker compose logs > $DISSENT_COLLECT/compose.log\"      # $DISSENT_RUN is the run folder
# down = \"docker compose down --volumes\"
";
