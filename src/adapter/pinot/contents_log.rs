//! The log of a table that others write, as events with the values that the servers will show.

use super::contents::{PinotContents, says_deleted};
use super::contents_cells::{CellType, PinotType, Uncertain, text};
use super::contents_shape::{Shape, TableKind};
use super::kafka::Topic;
use super::pages::Query;
use super::table::parse_segment_name;
use crate::adapter::contents::{KEY_SEPARATOR, LogRead, TableEvent};
use crate::target_error::TargetError;
use dissent_core::history::schema::Value;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What a broker whose clock is in UTC shows for the first instant.
const FIRST_INSTANT: &str = "1970-01-01 00:00:00.0";

/// Why an event cannot be folded: the column.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unconverted<'s>(&'s str);

/// The event in a message. None if the table has no row of it.
fn event<'s>(shape: &'s Shape, message: &[u8]) -> Result<Option<TableEvent>, Unconverted<'s>> {
    let Ok(fields) = serde_json::from_slice::<Map<String, Json>>(message) else { return Ok(None) };
    let value = |name: &'s str, cell: &CellType| {
        let told = fields.get(name).unwrap_or(&Json::Null);
        cell.event(told).map_err(|Uncertain| Unconverted(name))
    };
    let filled = |value: Value, default: &Value| if value == Value::Null { default.clone() } else { value };
    let table = &shape.table;
    let mut key = Vec::new();
    for (name, (cell, default)) in table.key.iter().zip(&shape.key_cells) {
        key.push(text(&filled(value(name, cell)?, default)));
    }
    let mut cols = Vec::new();
    for (column, (cell, default)) in table.columns.iter().zip(&shape.cells) {
        let told = value(&column.name, cell)?;
        // Without merging, what an event does not name is not kept from the event before.
        cols.push(if shape.kind == TableKind::Partial { told } else { filled(told, default) });
    }
    let deleted = shape.deletes.is_some_and(|at| says_deleted(&cols[at]));
    Ok(Some(TableEvent { key: key.join(&KEY_SEPARATOR.to_string()), cols, deleted }))
}

impl PinotContents {
    /// Reads the log, partition by partition.
    pub(super) async fn read_log(
        &self,
        from: Option<&[u64]>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<LogRead, TargetError> {
        let refused = |cause: String| TargetError::Refused { at: self.name(), cause };
        if let Some(why) = &self.shape.unfoldable {
            return Err(refused(format!("its log does not say what it should hold: {why}; leave --log out")));
        }
        let Some(topic) = &self.topic else {
            return Err(refused(
                "its log is in Kafka: add `kafka = \"HOST:PORT\"` to the target file".to_owned(),
            ));
        };
        let mut read = LogRead { whole: true, ..LogRead::default() };
        let first = self.first_offsets().await?;
        for partition in 0..topic.count().await? {
            let begin = topic.begin(partition).await?;
            let of_table = first.get(&partition).copied();
            read.whole &= begin <= of_table.unwrap_or(0);
            let at = from.and_then(|from| from.get(partition as usize)).copied();
            let start = at.unwrap_or_else(|| begin.max(of_table.unwrap_or(0)));
            let end = topic.end(partition).await?;
            // A partition that the table does not know yet has no rows.
            if of_table.is_some() {
                self.read_partition(topic, partition, start..end, out).await?;
            }
            read.next.push(if of_table.is_some() { end.max(start) } else { start });
        }
        read.off.clone_from(&self.shape.off);
        if from.is_none() && !self.shows_utc().await? {
            let instants = self.shape.table.columns.iter().zip(&self.shape.cells);
            let instants = instants.filter(|(_, (cell, _))| cell.ty == PinotType::Timestamp);
            let why = "the broker shows instants in a time zone of its own";
            read.off.extend(instants.map(|(column, _)| (column.name.clone(), why.to_owned())));
        }
        Ok(read)
    }

    async fn read_partition(
        &self,
        topic: &Topic,
        partition: u32,
        offsets: std::ops::Range<u64>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<(), TargetError> {
        let mut take = |off: u64, message: &[u8]| match event(&self.shape, message) {
            Ok(event) => {
                event.into_iter().for_each(&mut *out);
                Ok(())
            }
            Err(Unconverted(column)) => {
                let cause = format!(
                    "the event at offset {off} of partition {partition} has a value in {column} that Pinot \
                     may convert, or drop with the whole event: leave --log out"
                );
                Err(TargetError::Refused { at: self.name(), cause })
            }
        };
        topic.values(partition, offsets.start, offsets.end, &mut take).await
    }

    /// By partition, the offset at which the table began. Fails if it has lost its first segments: then
    /// the log has events whose rows are rightly gone.
    async fn first_offsets(&self) -> Result<BTreeMap<u32, u64>, TargetError> {
        let assignment = self.assignment().await?;
        let mut first: BTreeMap<u32, (u32, &String)> = BTreeMap::new();
        for name in assignment.keys() {
            let Some((partition, seq)) = parse_segment_name(&self.shape.table.name, name) else { continue };
            let least = first.entry(partition).or_insert((seq, name));
            *least = (*least).min((seq, name));
        }
        let mut offsets = BTreeMap::new();
        for (partition, (seq, name)) in first {
            if seq > 0 {
                let cause = format!(
                    "segments of partition {partition} before {name} were removed, so the log has events \
                     whose rows are rightly gone: leave --log out"
                );
                return Err(TargetError::Refused { at: self.name(), cause });
            }
            if let Some(metadata) = self.reads.metadata(name).await? {
                offsets.insert(partition, metadata.start);
            }
        }
        Ok(offsets)
    }

    /// Whether the broker shows instants in UTC.
    async fn shows_utc(&self) -> Result<bool, TargetError> {
        let sql = format!("SELECT CAST(0 AS TIMESTAMP) FROM {} LIMIT 1", self.name());
        let shown = self.reads.query_any(&Query::counting(sql, 0)).await?;
        Ok(shown.first().and_then(|row| row.first()?.as_str()).is_none_or(|shown| shown == FIRST_INSTANT))
    }
}

#[cfg(test)]
mod tests {
    use super::super::contents_shape::shape;
    use super::super::table::SchemaDocument;
    use super::*;
    use dissent_core::history::schema::rules::Rules;
    use serde_json::json;

    fn of(upsert: &Json) -> Shape {
        let document: SchemaDocument =
            serde_json::from_slice(include_bytes!("answers/0.11.0/types_schema.json")).expect("a schema");
        let decoder = "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder";
        let config = json!({ "REALTIME": {
            "segmentsConfig": { "timeColumnName": "at" },
            "tableIndexConfig": { "streamConfigs": { "stream.kafka.decoder.class.name": decoder } },
            "upsertConfig": upsert,
        } });
        shape("types", &document, &config, Rules::default()).expect("a shape")
    }

    fn shown(shape: &Shape, message: &[u8], name: &str) -> Option<Value> {
        let at = shape.table.columns.iter().position(|column| column.name == name)?;
        Some(event(shape, message).ok()??.cols[at].clone())
    }

    #[test]
    fn an_event_says_what_it_names_and_without_merging_the_whole_row() {
        let message = br#"{"region":"eu","number":7,"at":1000,"ms":["b","a"],"s":null,"more":{}}"#;
        let partial = of(&json!({ "mode": "PARTIAL" }));
        let event = event(&partial, message).expect("it converts").expect("an event");
        assert_eq!((event.key.as_str(), event.deleted), ("eu\u{1f}7", false));
        assert_eq!(shown(&partial, message, "s"), Some(Value::Null));
        let full = of(&json!({ "mode": "FULL" }));
        assert_eq!(shown(&full, message, "s"), Some(Value::String("null".into())));
        assert_eq!(shown(&full, message, "xi"), Some(Value::Long(0)));
        assert_eq!(shown(&full, message, "ms"), Some(Value::Strings(["b".into(), "a".into()].into())));
    }

    #[test]
    fn deletes_nonsense_and_what_may_be_dropped_are_told_apart() {
        let shape = of(&json!({ "mode": "FULL", "deleteRecordColumn": "b" }));
        let deleted = event(&shape, br#"{"region":"eu","number":7,"b":true}"#).expect("it converts");
        assert!(deleted.is_some_and(|event| event.deleted));
        assert_eq!((event(&shape, b""), event(&shape, b"Obj\x01")), (Ok(None), Ok(None)));
        let odd = br#"{"region":"eu","number":7,"t":"2024-05-01T08:00:00Z"}"#;
        assert_eq!(event(&shape, odd), Err(Unconverted("t")));
        // A key that an event does not name is the default of its type.
        let keyless = event(&shape, b"{}").expect("it converts").expect("an event");
        assert_eq!(keyless.key, "null\u{1f}-2147483648");
    }
}
