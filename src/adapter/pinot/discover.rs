//! Diagnosis and discovery of a Pinot cluster. Both only read.

use super::cluster::{REQUEST_TIMEOUT, SERVER_TIMEOUT, configs, holder, marks};
use super::inventory::{Inventory, Server, Stream};
use super::kafka::Kafka;
use super::supported_faults::{PINOT, can};
use super::table::{TABLE_PREFIX, lacks};
use super::table::{parse_segment_name, realtime};
use super::wire::{refuses_commits, release};
use super::{query_result, rules, wire};
use crate::adapter::diagnosis::{Diagnosis, ReplicaStatus, TableFacts};
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::adapter::http::{HttpClient, send};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// The state of the cluster of a target file.
pub async fn diagnosis(file: &TargetFile) -> Diagnosis {
    let mut diagnosis = Diagnosis { system: PINOT.to_owned(), ..Diagnosis::default() };
    diagnosis.note_refusals(|kind| can(file, kind));
    let controller = ("controller", file.url.as_str(), true);
    let reached =
        async { Inventory::read(HttpClient::with_access(REQUEST_TIMEOUT, &file.access())?, file).await };
    let inventory = diagnosis.ask(controller, reached).await;
    if let Some(inventory) = &inventory {
        diagnosis.version = Some(inventory.version.clone());
        diagnosis.lacks = lacks(&inventory.version).to_vec();
    }
    broker(&mut diagnosis, file).await;
    if let Some(inventory) = &inventory {
        servers(&mut diagnosis, file, inventory).await;
    }
    kafka(&mut diagnosis, file).await;
    if let Some(inventory) = &inventory {
        left(&mut diagnosis, file, inventory).await;
        table(&mut diagnosis, file, inventory).await;
    }
    diagnosis
}

async fn broker(diagnosis: &mut Diagnosis, file: &TargetFile) {
    let at = file.broker.as_deref().unwrap_or_default().trim_end_matches('/');
    let url = format!("{at}/health");
    let health = async {
        let http = HttpClient::with_access(SERVER_TIMEOUT, &file.access())?;
        send(&url, http.get(&url)).await
    };
    diagnosis.ask(("broker", at, true), health).await;
}

async fn servers(diagnosis: &mut Diagnosis, file: &TargetFile, inventory: &Inventory) {
    for (name, Server { host, url }) in &inventory.servers {
        diagnosis.replicas.push(ReplicaStatus { name: name.clone(), host: host.clone() });
        let health = format!("{url}/health");
        let asked = async {
            let http = HttpClient::with_access(SERVER_TIMEOUT, &file.access())?;
            send(&health, http.get(&health)).await
        };
        diagnosis.ask((name, url, host.is_some()), asked).await;
    }
    if diagnosis.replicas.iter().all(|replica| replica.host.is_none()) {
        diagnosis.unknown.push("no server is alive".to_owned());
    }
}

async fn kafka(diagnosis: &mut Diagnosis, file: &TargetFile) {
    match Kafka::of(file) {
        Some(kafka) => drop(diagnosis.ask(("Kafka", &kafka.address, true), kafka.topics()).await),
        None => diagnosis
            .unknown
            .push("Kafka: the target file does not give its address, which a run needs".into()),
    }
}

/// Reads what earlier runs have left at the cluster.
async fn left(diagnosis: &mut Diagnosis, file: &TargetFile, inventory: &Inventory) {
    let mut unknown = Vec::new();
    let mut note = |what: &str, error: TargetError| unknown.push(format!("{what}: {error}"));
    match holder(&inventory.http, &inventory.url).await {
        Ok(holder) => (diagnosis.free, diagnosis.holder) = (holder.is_none(), holder),
        Err(error) => note("the run that uses it", error),
    }
    match marks(&inventory.url, &file.access()).await {
        Ok(marks) => diagnosis.marks = marks,
        Err(error) => note("faults of earlier runs", error),
    }
    match configs(&inventory.http, &inventory.url).await {
        Ok(configs) => diagnosis.boundaries = refuses_commits(release(&inventory.version), &configs),
        Err(error) => note("whether segments end on request", error),
    }
    match inventory.leftovers().await {
        Ok(leftovers) => diagnosis.leftovers = leftovers,
        Err(error) => note("tables of earlier runs", error),
    }
    match inventory.cost(&diagnosis.leftovers).await {
        Ok(cost) => diagnosis.left_cost = cost,
        Err(error) => note("what tables of earlier runs cost", error),
    }
    diagnosis.unknown.extend(unknown);
}

async fn table(diagnosis: &mut Diagnosis, file: &TargetFile, inventory: &Inventory) {
    let Some(name) = &file.table.name else { return };
    match meta(file, inventory, name).await {
        Ok(meta) => diagnosis.table = Some(meta),
        Err(error) => diagnosis.unknown.push(format!("table {name}: {error}")),
    }
}

async fn meta(file: &TargetFile, inventory: &Inventory, name: &str) -> Result<TableFacts, TargetError> {
    let config = inventory.table(name).await?;
    let (url, body) = inventory.get(&format!("tables/{name}/idealstate")).await?;
    let assignment = wire::ideal_state(&url, &body)?;
    let replicas: BTreeSet<&String> = assignment.values().flat_map(BTreeMap::keys).collect();
    let places = assignment.keys().filter_map(|segment| parse_segment_name(name, segment));
    let partitions: BTreeSet<u32> = places.map(|(partition, _)| partition).collect();
    let rules = file.table_rules.clone().unwrap_or_else(|| rules::from_config(&config));
    let mut options = table_options(&config["REALTIME"]);
    options.extend(rules::describe(&rules).map(|absent| ("may be absent".to_owned(), absent)));
    Ok(TableFacts {
        name: name.to_owned(),
        options,
        replicas: replicas.len() as u64,
        partitions: partitions.len() as u64,
        segments: assignment.len() as u64,
        rows: count(file, inventory, name).await.ok(),
    })
}

/// The number of rows on one replica, as the broker counts them.
async fn count(file: &TargetFile, inventory: &Inventory, name: &str) -> Result<u64, TargetError> {
    let broker = file.broker.as_deref().unwrap_or_default().trim_end_matches('/');
    let url = format!("{broker}/query/sql");
    let sql = format!("SELECT count(*) FROM {} option(skipUpsert=true)", realtime(name));
    let body = send(&url, inventory.http.post(&url, &json!({ "sql": sql }))).await?;
    let rows = query_result::rows(&url, &body, 0)?;
    let count = rows.first().and_then(|row| row.first()).and_then(Json::as_u64);
    count.ok_or_else(|| wire::invalid_response(&url, "no count"))
}

/// The options that decide how a table merges, consumes and is queried.
fn table_options(config: &Json) -> BTreeMap<String, String> {
    let upsert = &config["upsertConfig"];
    let options = [
        ("upsert", &upsert["mode"]),
        ("comparison", &upsert["comparisonColumn"]),
        ("comparison", &upsert["comparisonColumns"]),
        ("merges", &upsert["partialUpsertStrategies"]),
        ("replication", &config["segmentsConfig"]["replication"]),
        ("routing", &config["routing"]["instanceSelectorType"]),
        ("in order", &config["ingestionConfig"]["streamIngestionConfig"]["enforceConsumptionInOrder"]),
        (
            "during commits",
            &config["ingestionConfig"]["streamIngestionConfig"]["parallelSegmentConsumptionPolicy"],
        ),
    ];
    let shown = options.into_iter().filter(|(_, value)| !value.is_null());
    shown.map(|(name, value)| (name.to_owned(), words(value))).collect()
}

fn words(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} {}", words(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Discovers the cluster of this controller for a target file.
pub async fn discover(wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
    let access = wanted.access();
    let file = TargetFile::at(PINOT, &wanted.url);
    let http = HttpClient::with_access(REQUEST_TIMEOUT, &access)?;
    let inventory = match Inventory::read(http.clone(), &file).await {
        Ok(inventory) => inventory,
        Err(error) => return Err(no_controller(&http, wanted, error).await),
    };
    let streams = inventory.streams().await?;
    let chosen = choose(wanted.table.as_deref(), &streams)?;
    let kafkas: BTreeSet<&String> = match chosen {
        Some(stream) => BTreeSet::from([&stream.kafka]),
        None => streams.iter().map(|stream| &stream.kafka).collect(),
    };
    // If tables use different addresses, none is chosen.
    let kafka = kafkas.first().filter(|_| kafkas.len() == 1).and_then(|list| list.split(',').next());
    let mut discovery = Discovery {
        found: Vec::new(),
        version: inventory.version.clone(),
        broker: inventory.brokers.first().cloned(),
        kafka: kafka.map(|address| address.trim().to_owned()),
        table: chosen.map(|stream| stream.table.clone()),
        servers: inventory.servers.iter().map(|(name, it)| (name.clone(), it.url.clone())).collect(),
        ..Discovery::default()
    };
    discovery.found = found(&discovery, &inventory, streams.len());
    Ok(discovery)
}

/// The table to inspect: the requested one, or else the only one that no run created.
fn choose<'s>(wanted: Option<&str>, streams: &'s [Stream]) -> Result<Option<&'s Stream>, DiscoveryError> {
    let candidates: Vec<&Stream> =
        streams.iter().filter(|stream| !stream.table.starts_with(TABLE_PREFIX)).collect();
    let names = || candidates.iter().map(|stream| stream.table.clone()).collect::<Vec<_>>();
    match (wanted, candidates.as_slice()) {
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(*only)),
        (None, _) => Err(DiscoveryError::Tables(names())),
        (Some(name), _) => streams.iter().find(|stream| stream.table == name).map(Some).ok_or_else(|| {
            let known = if candidates.is_empty() { "none".to_owned() } else { names().join(", ") };
            DiscoveryError::NoTable { name: name.to_owned(), known }
        }),
    }
}

/// The error for a URL that is not a controller. Brokers, servers and other web servers answer too.
async fn no_controller(http: &HttpClient, wanted: &DiscoveryRequest, error: TargetError) -> DiscoveryError {
    if matches!(
        error,
        TargetError::Unreachable { .. }
            | TargetError::Unauthenticated { .. }
            | TargetError::SpawnFailed { .. }
    ) {
        return error.into();
    }
    let url = wanted.url.trim_end_matches('/');
    let answers = async |path: &str| {
        let url = format!("{url}/{path}");
        send(&url, http.get(&url)).await.is_ok()
    };
    let guess = match (answers("health").await, answers("tables").await) {
        (true, true) => "; it may be the HTTP port of a server",
        (true, false) => "; it may be a broker",
        _ if error.to_string().contains("401") || error.to_string().contains("403") => return error.into(),
        _ => "",
    };
    DiscoveryError::OtherService(format!(
        "{url} answers, but is not a Pinot controller{guess}: give the URL of a controller (its port is \
         often 9000)"
    ))
}

fn found(discovery: &Discovery, inventory: &Inventory, tables: usize) -> Vec<String> {
    let alive = inventory.servers.values().filter(|server| server.host.is_some()).count();
    let shown = |what: &Option<String>| what.clone().unwrap_or_else(|| "not found".to_owned());
    vec![
        format!("Pinot {}, cluster {}", discovery.version, inventory.name),
        format!("{} servers, {alive} of them alive", inventory.servers.len()),
        format!("broker {} (of {})", shown(&discovery.broker), inventory.brokers.len()),
        format!("Kafka {}", shown(&discovery.kafka)),
        format!("table {} (of {tables})", shown(&discovery.table)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::table::stream;
    use super::*;

    fn streams(names: &[&str]) -> Vec<Stream> {
        let of = |name: &&str| Stream { table: (*name).to_owned(), kafka: "k:1".to_owned() };
        names.iter().map(of).collect()
    }

    #[test]
    fn the_only_table_is_taken_and_of_several_one_must_be_chosen() {
        let table = |wanted, names: &[&str]| {
            choose(wanted, &streams(names)).map(|stream| stream.map(|it| it.table.clone()))
        };
        assert_eq!(table(None, &[]).expect("none"), None);
        assert_eq!(table(None, &["a"]).expect("one").as_deref(), Some("a"));
        assert_eq!(table(None, &["dissent_1", "a", "dissent_2"]).expect("one").as_deref(), Some("a"));
        assert_eq!(table(Some("dissent_1"), &["dissent_1"]).expect("it").as_deref(), Some("dissent_1"));
        assert_eq!(table(Some("b"), &["a", "b"]).expect("that one").as_deref(), Some("b"));
        for (wanted, names, shown) in [
            (None, &["a", "b"][..], "--table: a, b"),
            (Some("c"), &["a", "b"], "`c`; tables: a, b"),
            (Some("c"), &[], "tables: none"),
        ] {
            let error = table(wanted, names).expect_err("no table").to_string();
            assert!(error.contains(shown), "{error}");
        }
    }

    #[test]
    fn a_stream_is_found_where_old_and_new_versions_put_it() {
        let kafka = json!({ "stream.kafka.broker.list": "k:1" });
        let old = json!({ "REALTIME": { "tableIndexConfig": { "streamConfigs": kafka } } });
        let maps = json!({ "streamConfigMaps": [kafka] });
        let new = json!({ "REALTIME": { "ingestionConfig": { "streamIngestionConfig": maps } } });
        for config in [old, new] {
            assert_eq!(stream(&config)["stream.kafka.broker.list"], "k:1");
        }
    }

    #[test]
    fn the_options_that_matter_are_told_in_words() {
        let config = json!({
            "segmentsConfig": { "replication": "4" },
            "upsertConfig": {
                "mode": "PARTIAL",
                "partialUpsertStrategies": { "a": "APPEND", "b": "IGNORE" },
            },
        });
        let options = table_options(&config);
        assert_eq!(options["merges"], "a APPEND, b IGNORE");
        assert_eq!((options["replication"].as_str(), options.len()), ("4", 3));
    }
}
