//! A table that no run created, as `dissent raw` shows it: with its own columns of any name and type, and
//! with what cannot be concluded about it. There is no model of what is right in such a table, so nothing is
//! folded.

use super::table::{SchemaDocument, made_by};
use super::wire::invalid_response;
use crate::adapter::http::parse;
use crate::target_error::TargetError;
use dissent_core::generator::table::OP;
use dissent_core::history::row::Entry;
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};
use serde::Deserialize as _;
use serde_json::{Map, Value as Json};

/// Separates the values of a key with several columns.
const KEY_SEPARATOR: &str = ",";

/// How to read a table that no run created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignTable {
    /// The columns of its key.
    pub(super) keys: Vec<String>,
    /// What cannot be concluded about it, and why.
    pub(super) unmodelled: Vec<String>,
}

/// The schema of a foreign table. None if a run created the table, or if it looks like one that the model can
/// fold.
pub(super) fn foreign_table(table: &str, document: &[u8], config: &Json) -> Option<(Schema, ForeignTable)> {
    let document: SchemaDocument = serde_json::from_slice(document).ok()?;
    let keys = document.primary_key_columns.clone()?;
    let comparisons = comparisons(&config["REALTIME"]);
    if made_by(config).is_some() || is_foldable(&document, &keys, &comparisons) {
        return None;
    }
    let others = document.fields().filter(|field| !keys.contains(&field.name));
    let columns = others.map(|field| Column::data(&field.name, Type::String, Merge::Overwrite));
    let schema = Schema { key: keys.join(KEY_SEPARATOR), ..Schema::plain(table, columns.collect()) };
    Some((schema, ForeignTable { unmodelled: unmodelled(&keys, &comparisons, &config["REALTIME"]), keys }))
}

/// The columns by which rows are compared.
pub(super) fn comparisons(config: &Json) -> Vec<String> {
    let upsert = &config["upsertConfig"];
    let text = |value: &Json| value.as_str().map(str::to_owned);
    match upsert["comparisonColumns"].as_array() {
        Some(several) => several.iter().filter_map(text).collect(),
        None => {
            let one = text(&upsert["comparisonColumn"]);
            one.or_else(|| text(&config["segmentsConfig"]["timeColumnName"])).into_iter().collect()
        }
    }
}

/// Whether the table has one text key, one integer comparison column, and op ids.
fn is_foldable(document: &SchemaDocument, keys: &[String], comparisons: &[String]) -> bool {
    let ty =
        |name: &String| document.fields().find(|field| field.name == *name).map(|it| it.data_type.as_str());
    let ([key], [comparison]) = (keys, comparisons) else { return false };
    ty(key) == Some("STRING")
        && ty(&OP.to_owned()) == Some("LONG")
        && matches!(ty(comparison), None | Some("LONG" | "INT" | "TIMESTAMP"))
}

/// Options under which the documents of a segment do not match the log entries one to one.
const REORDERING: [[&str; 2]; 5] = [
    ["tableIndexConfig", "sortedColumn"],
    ["tableIndexConfig", "aggregateMetrics"],
    ["ingestionConfig", "filterConfig"],
    ["ingestionConfig", "aggregationConfigs"],
    ["upsertConfig", "dropOutOfOrderRecord"],
];

fn unmodelled(keys: &[String], comparisons: &[String], config: &Json) -> Vec<String> {
    let mut unmodelled = vec![
        "which row is right: only tables created by runs have a model; ≠ marks what most replicas do not show"
            .to_owned(),
    ];
    if let [_, _, ..] = comparisons {
        let names = comparisons.join(", ");
        unmodelled
            .push(format!("which row wins: rows are compared by {} columns ({names})", comparisons.len()));
    }
    if let [_, _, ..] = keys {
        unmodelled.push(format!("a key of one column: keys consist of {}, in this order", keys.join(", ")));
    }
    let is_on =
        |value: &Json| !matches!(value, Json::Null | Json::Bool(false)) && *value != Json::Array(Vec::new());
    let on = REORDERING.iter().filter(|[part, option]| is_on(&config[part][option]));
    for [_, option] in on {
        unmodelled.push(format!(
            "offsets: with `{option}`, rows may not be in log order, so documents are counted"
        ));
    }
    unmodelled
}

/// A cell of any type, for display. A value that JSON has, but no type of ours, is shown as JSON.
pub(super) fn display_value(cell: &Json) -> Value {
    Value::deserialize(cell).unwrap_or_else(|_| Value::String(cell.to_string().into()))
}

/// A key as the user writes it.
pub(super) fn display_key<'j>(cells: impl Iterator<Item = &'j Json>) -> String {
    let text = |cell: &Json| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    cells.map(text).collect::<Vec<_>>().join(KEY_SEPARATOR)
}

/// An entry of the table's log, whose value must be JSON: its key and its value for each column.
pub(super) fn entry(
    keys: &[String],
    schema: &Schema,
    at: &str,
    off: u64,
    value: &[u8],
) -> Result<Entry, TargetError> {
    let fields: Map<String, Json> = parse(at, value)?;
    let missing = keys.iter().find(|name| !fields.contains_key(*name));
    if let Some(name) = missing {
        return Err(invalid_response(at, &format!("no {name}")));
    }
    let key = display_key(keys.iter().filter_map(|name| fields.get(name)));
    let columns = schema.columns.iter();
    let cols = columns.map(|column| fields.get(&column.name).map_or(Value::Null, display_value)).collect();
    Ok(Entry { off, key: key.into(), op: 0, cmp: 0, tombstone: false, cols })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Json {
        json!({
            "primaryKeyColumns": ["region", "account"],
            "dimensionFieldSpecs": [
                { "name": "region", "dataType": "STRING" },
                { "name": "account", "dataType": "INT" },
                { "name": "tags", "dataType": "STRING", "singleValueField": false },
            ],
            "metricFieldSpecs": [{ "name": "balance", "dataType": "DOUBLE" }],
            "dateTimeFieldSpecs": [
                { "name": "seen", "dataType": "LONG" },
                { "name": "booked", "dataType": "LONG" },
            ],
        })
    }

    fn of(document: &Json, upsert: &Json) -> Option<(Schema, ForeignTable)> {
        let config = json!({ "REALTIME": { "upsertConfig": upsert } });
        foreign_table("acct", document.to_string().as_bytes(), &config)
    }

    #[test]
    fn a_table_of_others_is_read_by_its_own_names_and_what_cannot_be_said_is_said() {
        let comparisons = json!({ "comparisonColumns": ["seen", "booked"] });
        let (schema, foreign_table) = of(&document(), &comparisons).expect("it is theirs");
        let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["tags", "balance", "seen", "booked"]);
        assert_eq!(foreign_table.keys, ["region", "account"]);
        for (part, words) in foreign_table.unmodelled.iter().zip([
            "which row is right",
            "2 columns (seen, booked)",
            "region, account",
        ]) {
            assert!(part.contains(words), "{part}");
        }
        let message = br#"{"region":"eu","account":7,"balance":1.5,"tags":["a"],"other":{}}"#;
        let entry = entry(&foreign_table.keys, &schema, "here", 3, message).expect("an entry");
        assert_eq!((entry.off, entry.key.as_ref()), (3, "eu,7"));
        assert_eq!(
            entry.cols,
            [Value::Strings(["a".into()].into()), Value::double(1.5), Value::Null, Value::Null]
        );
        for nonsense in [&b"Obj\x01"[..], b"{}", b"", br#"["eu",7]"#] {
            assert!(super::entry(&foreign_table.keys, &schema, "here", 3, nonsense).is_err());
        }
    }

    #[test]
    fn a_table_that_the_model_can_fold_is_not_among_them() {
        let ours = |ty: &str| {
            json!({
                "primaryKeyColumns": ["pk"],
                "dimensionFieldSpecs": [
                    { "name": "pk", "dataType": "STRING" },
                    { "name": "op", "dataType": ty },
                ],
                "dateTimeFieldSpecs": [{ "name": "ts", "dataType": "LONG" }],
            })
        };
        let by = |upsert: &Json, ty: &str| of(&ours(ty), upsert).is_some();
        assert!(!by(&json!({ "comparisonColumn": "ts" }), "LONG"));
        assert!(!by(&json!({ "comparisonColumns": ["ts"] }), "LONG"));
        assert!(by(&json!({ "comparisonColumns": ["ts", "op"] }), "LONG"));
        assert!(by(&json!({ "comparisonColumn": "ts" }), "STRING"), "its `op` is something else");
    }
}
