//! What a Pinot controller reports about its cluster: version, brokers, servers and tables.

use super::table::TABLE_PREFIX;
use super::table::{made_by, stream};
use super::wire::{self, invalid_response};
use crate::adapter::capabilities::Leftover;
use crate::adapter::diagnosis::LeftoverCost;
use crate::adapter::http::{HttpClient, parse, send};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A server according to its instance configuration.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// The host name in its rows. None if it is not alive.
    pub(super) host: Option<String>,
    /// The URL of its own HTTP interface.
    pub(super) url: String,
}

/// The stream of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// The table's name without the type suffix.
    pub(super) table: String,
    /// The address of Kafka as Pinot uses it.
    pub(super) kafka: String,
}

pub(super) struct Inventory {
    pub(super) http: HttpClient,
    pub(super) url: String,
    pub(super) version: String,
    /// The cluster's name in the coordination store.
    pub(super) name: String,
    /// The URLs of the brokers.
    pub(super) brokers: Vec<String>,
    pub(super) servers: BTreeMap<String, Server>,
}

impl Inventory {
    /// Asks the controller of a target file.
    pub(super) async fn read(http: HttpClient, file: &TargetFile) -> Result<Inventory, TargetError> {
        let url = file.url.trim_end_matches('/').to_owned();
        let (name, version) = (String::new(), String::new());
        let (brokers, servers) = (Vec::new(), BTreeMap::new());
        let mut taken = Inventory { http, url, version, name, brokers, servers };
        let (at, body) = taken.get("version").await?;
        taken.version = wire::version(&at, &body)?;
        let (at, body) = taken.get("cluster/info").await?;
        let info: BTreeMap<String, Json> = parse(&at, &body)?;
        let name = info.get("clusterName").and_then(Json::as_str);
        taken.name = name.ok_or_else(|| invalid_response(&at, "no name of the cluster"))?.to_owned();
        let (at, body) = taken.get("instances").await?;
        let instances: BTreeMap<String, Vec<String>> = parse(&at, &body)?;
        for instance in instances.into_values().flatten() {
            if instance.starts_with("Broker_") {
                let config = taken.instance(&instance).await?;
                taken.brokers.push(config.url(taken.scheme(), config.port()));
            } else if instance.starts_with("Server_") {
                let server = taken.server(file, &instance).await?;
                taken.servers.insert(instance, server);
            }
        }
        taken.brokers.sort();
        Ok(taken)
    }

    pub(super) async fn get(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.url);
        let body = send(&url, self.http.get(&url)).await?;
        Ok((url, body))
    }

    /// If the controller uses TLS, the other processes are assumed to use it too.
    fn scheme(&self) -> &'static str {
        if self.url.starts_with("https://") { "https" } else { "http" }
    }

    async fn instance(&self, name: &str) -> Result<Instance, TargetError> {
        let (at, body) = self.get(&format!("instances/{name}")).await?;
        parse(&at, &body)
    }

    async fn server(&self, file: &TargetFile, name: &str) -> Result<Server, TargetError> {
        let config = self.instance(name).await?;
        let own = file.servers.get(name).map(|url| url.trim_end_matches('/').to_owned());
        let url = own.unwrap_or_else(|| config.url(self.scheme(), config.admin_port.unwrap_or_default()));
        let host = match self.get(&format!("zk/get?path=/{}/LIVEINSTANCES/{name}", self.name)).await {
            Ok((at, body)) => Some(wire::live_host(&at, &body)?),
            // The store has no such path, so the server is not alive.
            Err(error) if wire::is_absent(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Server { host, url })
    }

    /// The streams of the realtime tables.
    pub(super) async fn streams(&self) -> Result<Vec<Stream>, TargetError> {
        let mut streams = Vec::new();
        for table in self.tables().await? {
            let config = self.table(&table).await?;
            let kafka = stream(&config)["stream.kafka.broker.list"].as_str().map(str::to_owned);
            streams.extend(kafka.map(|kafka| Stream { table, kafka }));
        }
        Ok(streams)
    }

    /// The names of the realtime tables, without the suffix.
    pub(super) async fn tables(&self) -> Result<Vec<String>, TargetError> {
        #[derive(Deserialize)]
        struct Tables {
            tables: Vec<String>,
        }
        let (at, body) = self.get("tables?type=realtime").await?;
        let Tables { tables } = parse(&at, &body)?;
        let bare = |name: &String| name.strip_suffix("_REALTIME").unwrap_or(name).to_owned();
        Ok(tables.iter().map(bare).collect())
    }

    /// The tables whose names start with [`TABLE_PREFIX`].
    pub(super) async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        let mut leftovers = Vec::new();
        for table in self.tables().await?.into_iter().filter(|name| name.starts_with(TABLE_PREFIX)) {
            let run = made_by(&self.table(&table).await?);
            leftovers.push(Leftover { table, run });
        }
        Ok(leftovers)
    }

    /// The cost of these tables. The size is unknown unless every server answers.
    pub(super) async fn cost(&self, leftovers: &[Leftover]) -> Result<Option<LeftoverCost>, TargetError> {
        let mut cost = LeftoverCost { bytes: Some(0), ..LeftoverCost::default() };
        for Leftover { table, .. } in leftovers {
            let (url, body) = self.get(&format!("tables/{table}/idealstate")).await?;
            let assignment = wire::ideal_state(&url, &body)?;
            let states = assignment.values().flat_map(BTreeMap::values);
            cost.segments += assignment.len() as u64;
            cost.consuming += states.filter(|state| *state == "CONSUMING").count() as u64;
            let size = self.get(&format!("tables/{table}/size?detailed=false")).await;
            let size = size.ok().and_then(|(_, body)| wire::table_size(&body));
            cost.bytes = cost.bytes.zip(size).map(|(bytes, size)| bytes + size);
        }
        Ok((!leftovers.is_empty()).then_some(cost))
    }

    pub(super) async fn table(&self, name: &str) -> Result<Json, TargetError> {
        let (at, body) = self.get(&format!("tables/{name}")).await?;
        parse(&at, &body)
    }
}

/// The instance configuration: `GET /instances/{name}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    host_name: String,
    port: Option<Json>,
    admin_port: Option<i64>,
}

impl Instance {
    /// The port. It is a text or a number, depending on the version.
    fn port(&self) -> i64 {
        let port = self.port.as_ref();
        let number = port.and_then(Json::as_i64);
        number.or_else(|| port.and_then(Json::as_str)?.parse().ok()).unwrap_or_default()
    }

    /// Older versions keep the instance's type as a prefix of its host.
    fn url(&self, scheme: &str, port: i64) -> String {
        let host = self.host_name.trim_start_matches("Broker_").trim_start_matches("Server_");
        format!("{scheme}://{host}:{port}")
    }
}
