//! `table` of a target file and `--set table.PATH=VALUE`: the table to inspect, and options of the table that
//! a run creates.
//!
//! The checker computes the expected rows from the log. So an option must not change the contents of rows,
//! their order, or which of them is current. Other options are refused by name.

use super::error::InvalidValue;
use dissent_core::nearest::nearest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Prefix of an option in `--set`, and of its place in a target file.
pub const PREFIX: &str = "table.";

/// The options of this section have dots in their names.
const STREAM: &str = "streamConfigs";

/// Allowed options, including everything below them: they change how a table gets its rows, but not the rows.
const KNOWN: &[&str] = &[
    "fieldConfigList",
    "ingestionConfig.streamIngestionConfig.columnMajorSegmentBuilderEnabled",
    "ingestionConfig.streamIngestionConfig.enforceConsumptionInOrder",
    "ingestionConfig.streamIngestionConfig.parallelSegmentConsumptionPolicy",
    "ingestionConfig.streamIngestionConfig.pauselessConsumptionEnabled",
    "ingestionConfig.streamIngestionConfig.useIdealStateToCalculatePreviousSegment",
    "instanceAssignmentConfigMap.CONSUMING.tagPoolConfig",
    "segmentsConfig.completionConfig",
    "segmentsConfig.peerSegmentDownloadScheme",
    "tableIndexConfig.bloomFilterColumns",
    "tableIndexConfig.columnMajorSegmentBuilderEnabled",
    "tableIndexConfig.invertedIndexColumns",
    "tableIndexConfig.loadMode",
    "tableIndexConfig.noDictionaryColumns",
    "tableIndexConfig.rangeIndexColumns",
    "tableIndexConfig.streamConfigs.realtime.segment.commit.timeoutSeconds",
    "tableIndexConfig.streamConfigs.realtime.segment.pauseless.download.timeoutSeconds",
    "tableIndexConfig.streamConfigs.realtime.segment.serverUploadToDeepStore",
    "tableIndexConfig.streamConfigs.stream.kafka.consumer.factory.class.name",
    "tableIndexConfig.streamConfigs.stream.kafka.consumer.prop",
    "tableIndexConfig.streamConfigs.stream.kafka.fetch.timeout.millis",
    "tableIndexConfig.streamConfigs.topic.consumption.rate.limit",
    "tenants",
    "upsertConfig.allowPartialUpsertConsumptionDuringCommit",
    "upsertConfig.enablePreload",
    "upsertConfig.enableSnapshot",
    "upsertConfig.hashFunction",
    "upsertConfig.preload",
    "upsertConfig.snapshot",
];

/// Options that a user may want, and why a run cannot have them.
const REFUSED: &[(&str, &str)] = &[
    ("dedupConfig", "rows would be dropped, but the model expects all of them"),
    ("ingestionConfig.aggregationConfigs", "rows would not hold what was written"),
    ("ingestionConfig.complexTypeConfig", "rows would not hold what was written"),
    ("ingestionConfig.filterConfig", "rows would be dropped, but the model expects all of them"),
    ("ingestionConfig.transformConfigs", "rows would not hold what was written"),
    ("metadata", "it names the run that created the table"),
    ("query", "answers would not be what the table holds"),
    ("routing", "dissent relies on it to know which replica answers"),
    ("segmentsConfig.replicasPerPartition", "the run chooses its replicas"),
    ("segmentsConfig.replication", "the run chooses its replicas"),
    ("segmentsConfig.retentionTimeUnit", "rows would expire, but the model keeps them"),
    ("segmentsConfig.retentionTimeValue", "rows would expire, but the model keeps them"),
    ("segmentsConfig.schemaName", "the run names its table"),
    ("segmentsConfig.timeColumnName", "the workload sets the comparison column"),
    ("tableIndexConfig.aggregateMetrics", "rows would be rolled up"),
    ("tableIndexConfig.nullHandlingEnabled", "an absent value would not keep the previous one"),
    ("tableIndexConfig.sortedColumn", "rows would not be in the order of the log"),
    (
        "tableIndexConfig.streamConfigs.realtime.segment.flush",
        "the plan decides where segments end: --set segment-rows, --set boundaries",
    ),
    ("tableIndexConfig.streamConfigs.stream.kafka.broker.list", "the target file gives the address of Kafka"),
    ("tableIndexConfig.streamConfigs.stream.kafka.topic.name", "the run creates its own topic"),
    ("tableName", "the run names its table"),
    ("tableType", "the run writes to a realtime table"),
    ("task", "a task would compact or merge segments, but the model keeps their rows"),
    ("upsertConfig.comparisonColumn", "the workload sets the comparison column"),
    ("upsertConfig.comparisonColumns", "the workload sets the comparison column"),
    ("upsertConfig.consistencyMode", "the current row would be shown later than the rows themselves"),
    ("upsertConfig.defaultPartialUpsertStrategy", "the workload sets how columns merge"),
    ("upsertConfig.deleteRecordColumn", "no workload for Pinot deletes rows"),
    ("upsertConfig.deletedKeysTTL", "keys would be forgotten by age, but the model keeps them"),
    ("upsertConfig.dropOutOfOrderRecord", "rows would be dropped, but the model expects all of them"),
    ("upsertConfig.metadataTTL", "keys would be forgotten by age, but the model keeps them"),
    ("upsertConfig.mode", "the workload sets how columns merge"),
    ("upsertConfig.outOfOrderRecordColumn", "the workload sets the columns"),
    ("upsertConfig.partialUpsertStrategies", "the workload sets how columns merge"),
];

/// The table of a target file: a name, options, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "Json")]
pub struct TableOptions {
    /// The table to inspect, without the suffix of its type.
    pub name: Option<String>,
    /// Options to merge into the configuration of a run's own table.
    pub config: Map<String, Json>,
}

/// The JSON Schema of a table: a name, or options. Which options a run may have, their names do not tell.
#[cfg(test)]
pub(super) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "anyOf": [{ "type": "string" }, { "type": "object" }] })
}

impl TryFrom<Json> for TableOptions {
    type Error = String;

    fn try_from(told: Json) -> Result<TableOptions, String> {
        let wrong = || "write the name of a table, or under [table] its `name` and Pinot options".to_owned();
        let (name, mut config) = match told {
            Json::String(name) => (Some(name), Map::new()),
            Json::Object(mut options) => match options.remove("name") {
                None => (None, options),
                Some(Json::String(name)) => (Some(name), options),
                Some(_) => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        join_stream(&mut config);
        Ok(TableOptions { name, config })
    }
}

impl From<TableOptions> for Json {
    fn from(TableOptions { name, mut config }: TableOptions) -> Json {
        match name {
            Some(name) if config.is_empty() => name.into(),
            name => {
                config.extend(name.map(|name| ("name".to_owned(), name.into())));
                config.into()
            }
        }
    }
}

/// An option that is set: its path and its value.
pub type Leaf = (Vec<String>, Json);

impl TableOptions {
    /// Whether neither name nor options are set.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.config.is_empty()
    }

    /// Every option that is set.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        gather(&self.config, &[], &mut leaves);
        leaves
    }

    /// Every option that is set, as written with `--set`.
    pub fn settings(&self) -> impl Iterator<Item = (String, String)> {
        let leaves = self.leaves().into_iter();
        leaves.map(|(path, value)| (format!("{PREFIX}{}", path.join(".")), text(&value)))
    }

    /// Sets an option by its dotted path. The value is parsed as TOML, or else taken as a string.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), String> {
        let line = |value: &str| toml::from_str::<Map<String, Json>>(&format!("{path} = {value}"));
        let quoted = || line(&toml::Value::String(value.to_owned()).to_string());
        let one_line = !path.contains('\n') && !value.contains('\n');
        let told = if one_line { line(value).or_else(|_| quoted()).ok() } else { None };
        let mut told = told.ok_or_else(|| format!("`{path}` is not a path of names separated by dots"))?;
        join_stream(&mut told);
        merge(&mut self.config, told);
        Ok(())
    }

    /// Refuses an option that the model does not know.
    pub(super) fn check(&self) -> Result<(), InvalidValue> {
        self.leaves().iter().try_for_each(|(path, _)| check(&path.join(".")))
    }
}

/// Parts of the names of options with secrets. Options are stored in the record, so secrets are refused.
const SECRETS: &[&str] = &["jaas", "password", "sasl", "secret"];

fn check(path: &str) -> Result<(), InvalidValue> {
    let at = format!("{PREFIX}{path}");
    let lower = path.to_lowercase();
    let is_secret = SECRETS.iter().any(|word| lower.contains(word));
    let problem =
        format!("a run's table cannot have `{path}`: it would be stored in the record, and no secret may be");
    InvalidValue::unless(!is_secret, &at, &problem, "remove it")?;
    let lies_in =
        |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if KNOWN.iter().any(|known| lies_in(known)) {
        return Ok(());
    }
    let (problem, help) = match REFUSED.iter().find(|(refused, _)| lies_in(refused)) {
        Some((_, why)) => (format!("a run's table cannot have `{path}`: {why}"), None),
        None => (
            format!("the model does not know `{path}`, so a run with it could not be checked"),
            nearest(path, KNOWN),
        ),
    };
    let help = help.map_or("remove it".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(InvalidValue { at, problem, help })
}

/// Merges options into others. A list replaces a list.
pub fn merge(into: &mut Map<String, Json>, from: Map<String, Json>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Json::Object(into)), Json::Object(from)) => merge(into, from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

/// The value of an option as written with `--set` and in a record.
pub fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn gather(config: &Map<String, Json>, above: &[String], leaves: &mut Vec<Leaf>) {
    for (name, value) in config {
        let path = [above, std::slice::from_ref(name)].concat();
        match value {
            Json::Object(below) if !below.is_empty() => gather(below, &path, leaves),
            value => leaves.push((path, value.clone())),
        }
    }
}

/// `a.b = 1` under the stream's options is one named `a.b`.
fn join_stream(config: &mut Map<String, Json>) {
    let stream = config.get_mut("tableIndexConfig").and_then(|index| index.get_mut(STREAM));
    if let Some(Json::Object(stream)) = stream {
        let mut leaves = Vec::new();
        gather(stream, &[], &mut leaves);
        *stream = leaves.into_iter().map(|(path, value)| (path.join("."), value)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(toml: &str) -> TableOptions {
        #[derive(Deserialize)]
        struct File {
            table: TableOptions,
        }
        toml::from_str::<File>(toml).expect("it parses").table
    }

    fn shown(table: &TableOptions) -> Vec<String> {
        table.leaves().iter().map(|(path, value)| format!("{}={}", path.join("."), text(value))).collect()
    }

    #[test]
    fn a_name_stands_alone_or_beside_options() {
        assert_eq!(of("table = \"acct\"").name.as_deref(), Some("acct"));
        let both = of("[table]\nname = \"acct\"\n[table.upsertConfig]\nenableSnapshot = true\n");
        assert_eq!(
            (both.name.as_deref(), shown(&both)),
            (Some("acct"), vec!["upsertConfig.enableSnapshot=true".to_owned()])
        );
        for table in [of("table = \"acct\""), both] {
            let again: TableOptions = serde_json::from_value(Json::from(table.clone())).expect("JSON");
            assert_eq!(again, table);
        }
        assert!(toml::from_str::<std::collections::BTreeMap<String, TableOptions>>("table = 3").is_err());
    }

    #[test]
    fn a_value_is_of_the_type_that_it_looks_like() {
        let mut table = of("[table.tableIndexConfig]\nloadMode = \"HEAP\"\n");
        for (path, value) in [
            ("upsertConfig.enableSnapshot", "true"),
            ("upsertConfig.hashFunction", "MD5"),
            ("tableIndexConfig.streamConfigs.topic.consumption.rate.limit", "100"),
            ("tableIndexConfig.invertedIndexColumns", "[\"a\", \"b\"]"),
            ("tableIndexConfig.loadMode", "MMAP"),
        ] {
            table.set(path, value).expect(path);
        }
        assert_eq!(
            shown(&table),
            [
                "tableIndexConfig.invertedIndexColumns=[\"a\",\"b\"]",
                "tableIndexConfig.loadMode=MMAP",
                "tableIndexConfig.streamConfigs.topic.consumption.rate.limit=100",
                "upsertConfig.enableSnapshot=true",
                "upsertConfig.hashFunction=MD5",
            ]
        );
        assert_eq!(table.config["upsertConfig"]["enableSnapshot"], true);
        assert_eq!(table.config["tableIndexConfig"][STREAM]["topic.consumption.rate.limit"], 100);
        table.check().expect("the model knows all of them");
        assert!(table.set("a..b", "1").is_err() && table.set("a", "1\nb = 2").is_err());
    }

    /// An option, and words of its refusal; none: it is admitted.
    #[test]
    fn an_option_that_the_model_does_not_know_is_refused_by_name() {
        for (path, words) in [
            ("upsertConfig.metadataTTL", Some("forgotten by age")),
            ("tableIndexConfig.sortedColumn", Some("order of the log")),
            ("task.taskTypeConfigsMap.UpsertCompactionTask.schedule", Some("compact or merge")),
            (
                "tableIndexConfig.streamConfigs.realtime.segment.flush.threshold.rows",
                Some("--set segment-rows"),
            ),
            ("upsertConfig.partialUpsertStrategies.status", Some("how columns merge")),
            ("tableIndexConfig.streamConfigs.stream.kafka.consumer.prop.sasl.jaas.config", Some("no secret")),
            ("upsertConfig.enableSnapshots", Some("does not know `upsertConfig.enableSnapshots`")),
            ("upsertConfig.enableSnapshot", None),
            ("tableIndexConfig.streamConfigs.stream.kafka.consumer.prop.isolation.level", None),
            ("ingestionConfig.streamIngestionConfig.enforceConsumptionInOrder", None),
        ] {
            let mut table = TableOptions::default();
            table.set(path, "x").expect("it is a path");
            match (table.check(), words) {
                (Ok(()), None) => {}
                (Err(wrong), Some(words)) => {
                    assert!(
                        wrong.problem.contains(words) && wrong.problem.contains(path),
                        "{}",
                        wrong.problem
                    );
                }
                (other, _) => panic!("{path}: {:?}", other.map_err(|wrong| wrong.problem)),
            }
        }
    }
}
