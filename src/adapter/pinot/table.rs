//! Schema and table configuration in Pinot's format, and parsing them back.

use super::wire::release;
use crate::config::table::{Leaf, merge, text};
use dissent_core::history::schema::{Column, Merge, Schema, Type};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The first release that can merge columns by maximum or minimum.
const MAX_AND_MIN: (u32, u32) = (1, 1);

/// The prefix of the names of runs' tables.
pub(super) const TABLE_PREFIX: &str = "dissent_";

/// The merge functions that a version lacks.
pub(super) fn lacks(version: &str) -> &'static [Merge] {
    let has = release(version) >= MAX_AND_MIN;
    if has { &[] } else { &[Merge::Max, Merge::Min] }
}

/// The row limit of a table whose segments end only at a requested boundary.
const ROWS_WITHOUT_END: u64 = 1_000_000;

/// The name of the realtime table in queries and in the REST interface.
pub(super) fn realtime(table: &str) -> String {
    format!("{table}_REALTIME")
}

const BIG_DECIMAL: &str = "BIG_DECIMAL";

fn pinot_type(ty: Type) -> (&'static str, bool) {
    match ty {
        Type::Long => ("LONG", true),
        Type::Double => ("DOUBLE", true),
        Type::Decimal => (BIG_DECIMAL, true),
        Type::Boolean => ("BOOLEAN", true),
        Type::String => ("STRING", true),
        Type::Timestamp => ("TIMESTAMP", true),
        Type::Bytes => ("BYTES", true),
        Type::Json => ("JSON", true),
        Type::LongList => ("LONG", false),
        Type::StringList => ("STRING", false),
    }
}

fn strategy(merge: Merge) -> &'static str {
    match merge {
        Merge::Overwrite => "OVERWRITE",
        Merge::Ignore => "IGNORE",
        Merge::Increment => "INCREMENT",
        Merge::Append => "APPEND",
        Merge::Union => "UNION",
        Merge::Max => "MAX",
        Merge::Min => "MIN",
    }
}

/// The body of `POST /schemas`. The comparison column is the time column, because partial upsert compares by
/// it.
pub(super) fn schema(schema: &Schema) -> Value {
    let own = [(schema.key.as_str(), "STRING", true), (schema.op.as_str(), "LONG", true)];
    let columns = schema.columns.iter().map(|column| {
        let (ty, single) = pinot_type(column.ty);
        (column.name.as_str(), ty, single)
    });
    // A dimension cannot be a decimal.
    let all = own.into_iter().chain(columns);
    let (metrics, dimensions): (Vec<_>, Vec<_>) = all.partition(|(_, ty, _)| *ty == BIG_DECIMAL);
    let field = |(name, ty, single)| match single {
        true => json!({ "name": name, "dataType": ty }),
        false => json!({ "name": name, "dataType": ty, "singleValueField": false }),
    };
    json!({
        "schemaName": schema.table,
        "primaryKeyColumns": [schema.key],
        "dimensionFieldSpecs": dimensions.into_iter().map(field).collect::<Vec<Value>>(),
        "metricFieldSpecs": metrics.into_iter().map(field).collect::<Vec<Value>>(),
        "dateTimeFieldSpecs": [{
            "name": schema.comparison,
            "dataType": "LONG",
            "format": "1:MILLISECONDS:EPOCH",
            "granularity": "1:MILLISECONDS",
        }],
    })
}

/// The key of the run's id in a table's configuration, under `metadata.customConfigs`.
const RUN: &str = "dissent.run";

/// The run that created a table, from `GET /tables/{table}`. None if no run did.
pub(super) fn made_by(config: &Value) -> Option<String> {
    let run = config["REALTIME"]["metadata"]["customConfigs"][RUN].as_str();
    run.map(str::to_owned)
}

/// The stream of a table, from `GET /tables/{table}`, where newer or older versions put it.
pub(super) fn stream(config: &Value) -> &Value {
    let config = &config["REALTIME"];
    match &config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"][0] {
        Value::Null => &config["tableIndexConfig"]["streamConfigs"],
        newer => newer,
    }
}

/// A configuration with a run's changes. If it then has a stream ingestion section, the stream configuration
/// moves there, because Pinot requires that.
pub(super) fn changed(config: Value, change: &Map<String, Value>) -> Value {
    let Value::Object(mut config) = config else { return config };
    merge(&mut config, change.clone());
    let mut config = Value::Object(config);
    if config["ingestionConfig"]["streamIngestionConfig"].is_object() {
        let stream = config["tableIndexConfig"]["streamConfigs"].take();
        config["ingestionConfig"]["streamIngestionConfig"]["streamConfigMaps"] = json!([stream]);
        config["tableIndexConfig"].as_object_mut().map(|index| index.remove("streamConfigs"));
    }
    config
}

/// The options that were set on a table but are missing in `GET /tables/{table}`. Pinot silently drops
/// options that a release does not know.
pub(super) fn not_taken(config: &Value, wanted: &[Leaf]) -> Vec<String> {
    let has = |(path, value): &&Leaf| {
        let mut here = &config["REALTIME"];
        for name in path {
            here = if name == "streamConfigs" { stream(config) } else { &here[name.as_str()] };
        }
        text(here) == text(value)
    };
    wanted.iter().filter(|leaf| !has(leaf)).map(|(path, _)| path.join(".")).collect()
}

/// The body of `POST /tables`: partial upsert, fed by the topic of the same name, with this many replicas.
/// Segments end when those of a server have `rows` rows over all partitions.
pub(super) fn config(run: &str, schema: &Schema, kafka: &str, replicas: usize, rows: Option<u64>) -> Value {
    let mut strategies: BTreeMap<&str, &str> =
        schema.columns.iter().map(|column| (column.name.as_str(), strategy(column.merge))).collect();
    strategies.insert(&schema.op, strategy(Merge::Overwrite));
    json!({
        "tableName": schema.table,
        "tableType": "REALTIME",
        "segmentsConfig": {
            "schemaName": schema.table,
            "timeColumnName": schema.comparison,
            "replication": replicas.to_string(),
            "replicasPerPartition": replicas.to_string(),
        },
        "tenants": {},
        "tableIndexConfig": {
            "loadMode": "MMAP",
            "nullHandlingEnabled": true,
            "streamConfigs": {
                "streamType": "kafka",
                "stream.kafka.consumer.type": "lowlevel",
                "stream.kafka.topic.name": schema.table,
                "stream.kafka.broker.list": kafka,
                "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
                "stream.kafka.consumer.factory.class.name":
                    "org.apache.pinot.plugin.stream.kafka20.KafkaConsumerFactory",
                "stream.kafka.decoder.class.name":
                    "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
                "realtime.segment.flush.threshold.rows": rows.unwrap_or(ROWS_WITHOUT_END).to_string(),
                "realtime.segment.flush.threshold.time": "24h",
            },
        },
        // Every partition is on the same replicas. Without this, five servers would divide the partitions.
        "instanceAssignmentConfigMap": {
            "CONSUMING": {
                "tagPoolConfig": { "tag": "DefaultTenant_REALTIME" },
                "replicaGroupPartitionConfig": {
                    "replicaGroupBased": true,
                    "numReplicaGroups": replicas,
                    "numInstancesPerReplicaGroup": 1,
                },
            },
        },
        "routing": { "instanceSelectorType": "strictReplicaGroup" },
        "upsertConfig": {
            "mode": "PARTIAL",
            "partialUpsertStrategies": strategies,
            "defaultPartialUpsertStrategy": "OVERWRITE",
        },
        "metadata": { "customConfigs": { RUN: run } },
    })
}

/// The partition and the sequence number in a segment's name: `table__partition__sequence__time`.
pub(super) fn parse_segment_name(table: &str, segment: &str) -> Option<(u32, u32)> {
    let mut parts = segment.strip_prefix(table)?.strip_prefix("__")?.split("__");
    let (partition, seq) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next()?;
    Some((partition, seq))
}

/// A column as in `GET /schemas/{table}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldSpec {
    pub(super) name: String,
    pub(super) data_type: String,
    #[serde(default = "yes")]
    pub(super) single_value_field: bool,
    /// What is stored in place of null. Null: the default of the type.
    #[serde(default)]
    pub(super) default_null_value: Value,
}

fn yes() -> bool {
    true
}

/// The document of `GET /schemas/{table}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaDocument {
    pub(super) primary_key_columns: Option<Vec<String>>,
    #[serde(default)]
    dimension_field_specs: Vec<FieldSpec>,
    #[serde(default)]
    metric_field_specs: Vec<FieldSpec>,
    #[serde(default)]
    date_time_field_specs: Vec<FieldSpec>,
}

impl SchemaDocument {
    pub(super) fn fields(&self) -> impl Iterator<Item = &FieldSpec> {
        self.dimension_field_specs.iter().chain(&self.metric_field_specs).chain(&self.date_time_field_specs)
    }

    pub(super) fn is_metric(&self, name: &str) -> bool {
        self.metric_field_specs.iter().any(|field| field.name == name)
    }
}

/// An existing table, as far as its schema can be read. Columns of other types are left out.
pub(super) fn read(table: &str, document: &[u8], config: &Value) -> Option<Schema> {
    let document: SchemaDocument = serde_json::from_slice(document).ok()?;
    let [key] = <[String; 1]>::try_from(document.primary_key_columns?).ok()?;
    let rules = super::rules::from_config(config);
    let config = &config["REALTIME"];
    let strategies = &config["upsertConfig"]["partialUpsertStrategies"];
    let comparison = config["upsertConfig"]["comparisonColumn"]
        .as_str()
        .or_else(|| config["upsertConfig"]["comparisonColumns"][0].as_str())
        .or_else(|| config["segmentsConfig"]["timeColumnName"].as_str())?;
    let op = dissent_core::generator::table::OP.to_owned();
    let fields = document.dimension_field_specs.into_iter().chain(document.metric_field_specs);
    let columns = fields.filter(|field| field.name != key && field.name != op && field.name != comparison);
    let columns = columns.filter_map(|FieldSpec { name, data_type, single_value_field, .. }| {
        let ty = match (data_type.as_str(), single_value_field) {
            ("LONG" | "INT", true) => Type::Long,
            ("DOUBLE", true) => Type::Double,
            ("BIG_DECIMAL", true) => Type::Decimal,
            ("BOOLEAN", true) => Type::Boolean,
            ("STRING", true) => Type::String,
            ("TIMESTAMP", true) => Type::Timestamp,
            ("BYTES", true) => Type::Bytes,
            ("JSON", true) => Type::Json,
            ("LONG" | "INT", false) => Type::LongList,
            ("STRING", false) => Type::StringList,
            _ => return None,
        };
        let merge = match strategies[&name].as_str() {
            Some("IGNORE") => Merge::Ignore,
            Some("INCREMENT") => Merge::Increment,
            Some("APPEND") => Merge::Append,
            Some("UNION") => Merge::Union,
            Some("MAX") => Merge::Max,
            Some("MIN") => Merge::Min,
            _ => Merge::Overwrite,
        };
        Some(Column::data(name, ty, merge))
    });
    let (columns, comparison) = (columns.collect(), comparison.to_owned());
    Some(Schema { key, comparison, op, rules, ..Schema::plain(table, columns) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::TableOptions;

    fn choice(paths: &[(&str, &str)]) -> TableOptions {
        let mut table = TableOptions::default();
        paths.iter().for_each(|(path, value)| table.set(path, value).expect(path));
        table
    }

    #[test]
    fn what_is_changed_lies_where_pinot_wants_it_and_what_was_dropped_is_named() {
        let base =
            json!({ "tableIndexConfig": { "loadMode": "MMAP", "streamConfigs": { "streamType": "kafka" } } });
        let change = choice(&[
            ("ingestionConfig.streamIngestionConfig.enforceConsumptionInOrder", "true"),
            ("tableIndexConfig.streamConfigs.topic.consumption.rate.limit", "100"),
        ]);
        let config = json!({ "REALTIME": changed(base.clone(), &change.config) });
        assert_eq!(stream(&config), &json!({ "streamType": "kafka", "topic.consumption.rate.limit": 100 }));
        assert_eq!(config["REALTIME"]["tableIndexConfig"], json!({ "loadMode": "MMAP" }));
        assert!(not_taken(&config, &change.leaves()).is_empty());
        // A release that does not know the option and writes numbers as text.
        let limit = json!({ "streamType": "kafka", "topic.consumption.rate.limit": "100" });
        let read = json!({ "REALTIME": { "tableIndexConfig": { "streamConfigs": limit } } });
        let dropped = "ingestionConfig.streamIngestionConfig.enforceConsumptionInOrder";
        assert_eq!(not_taken(&read, &change.leaves()), [dropped]);
        assert_eq!(changed(base.clone(), &choice(&[]).config), base);
    }
}
