//! A table that no run made, as `dissent raw` shows it: its own columns, whatever they are called and hold,
//! and what cannot be said of it. Of such a table nothing says what is right, so nothing is folded.

use super::table::{SchemaDocument, made_by};
use super::wire::invalid_response;
use crate::adapter::http::parse;
use crate::target_error::TargetError;
use dissent_core::generator::generate::OP;
use dissent_core::history::row::Entry;
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use serde::Deserialize as _;
use serde_json::{Map, Value as Json};

/// Between the values of a key of several columns.
const BETWEEN: &str = ",";

/// How a table of others is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignTable {
    /// The columns of its key.
    pub(super) keys: Vec<String>,
    /// What cannot be said of it, and why.
    pub(super) unsaid: Vec<String>,
}

/// The table, if it is none that the model could fold: one that a run made, or that looks like it.
pub(super) fn theirs(table: &str, document: &[u8], config: &Json) -> Option<(Schema, ForeignTable)> {
    let document: SchemaDocument = serde_json::from_slice(document).ok()?;
    let keys = document.primary_key_columns.clone()?;
    let comparisons = comparisons(&config["REALTIME"]);
    if made_by(config).is_some() || is_like_ours(&document, &keys, &comparisons) {
        return None;
    }
    let others = document.fields().filter(|field| !keys.contains(&field.name));
    let columns = others.map(|field| Column {
        name: field.name.clone(),
        ty: Type::String,
        merge: Merge::Overwrite,
        optional: false,
        role: Role::Data,
    });
    let schema = Schema {
        table: table.to_owned(),
        key: keys.join(BETWEEN),
        comparison: String::new(),
        op: String::new(),
        columns: columns.collect(),
        provenance: Provenance::None,
        rules: Rules::default(),
    };
    Some((schema, ForeignTable { unsaid: unsaid(&keys, &comparisons, &config["REALTIME"]), keys }))
}

/// The columns by which rows are compared.
fn comparisons(config: &Json) -> Vec<String> {
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

/// One key of text, one comparison of whole numbers, and ids of ops.
fn is_like_ours(document: &SchemaDocument, keys: &[String], comparisons: &[String]) -> bool {
    let ty =
        |name: &String| document.fields().find(|field| field.name == *name).map(|it| it.data_type.as_str());
    let ([key], [comparison]) = (keys, comparisons) else { return false };
    ty(key) == Some("STRING")
        && ty(&OP.to_owned()) == Some("LONG")
        && matches!(ty(comparison), None | Some("LONG" | "INT" | "TIMESTAMP"))
}

/// Options with which the documents of a segment are not the entries of the log, one for one.
const REORDERING: [[&str; 2]; 5] = [
    ["tableIndexConfig", "sortedColumn"],
    ["tableIndexConfig", "aggregateMetrics"],
    ["ingestionConfig", "filterConfig"],
    ["ingestionConfig", "aggregationConfigs"],
    ["upsertConfig", "dropOutOfOrderRecord"],
];

fn unsaid(keys: &[String], comparisons: &[String], config: &Json) -> Vec<String> {
    let mut unsaid = vec![
        "which row is right: only tables created by runs have a model; ≠ marks what most replicas do not show"
            .to_owned(),
    ];
    if let [_, _, ..] = comparisons {
        let names = comparisons.join(", ");
        unsaid.push(format!("which row wins: rows are compared by {} columns ({names})", comparisons.len()));
    }
    if let [_, _, ..] = keys {
        unsaid.push(format!("a key of one column: keys consist of {}, in this order", keys.join(", ")));
    }
    let is_on =
        |value: &Json| !matches!(value, Json::Null | Json::Bool(false)) && *value != Json::Array(Vec::new());
    let on = REORDERING.iter().filter(|[part, option]| is_on(&config[part][option]));
    for [_, option] in on {
        unsaid.push(format!(
            "offsets: with `{option}`, rows may not be in log order, so documents are counted"
        ));
    }
    unsaid
}

/// A cell of whatever type, for people: what is neither a whole number, a text nor a list of these is spelt
/// out.
pub(super) fn shown(cell: &Json) -> Value {
    Value::deserialize(cell).unwrap_or_else(|_| Value::String(cell.to_string()))
}

/// A key as a user gives it.
pub(super) fn key_of<'j>(cells: impl Iterator<Item = &'j Json>) -> String {
    let text = |cell: &Json| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    cells.map(text).collect::<Vec<_>>().join(BETWEEN)
}

/// An entry of the table's log, as far as it is JSON: its key, and what it says of each column.
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
    let key = key_of(keys.iter().filter_map(|name| fields.get(name)));
    let columns = schema.columns.iter();
    let cols = columns.map(|column| fields.get(&column.name).map_or(Value::Null, shown)).collect();
    Ok(Entry { off, key, op: 0, cmp: 0, tombstone: false, cols })
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
        theirs("acct", document.to_string().as_bytes(), &config)
    }

    #[test]
    fn a_table_of_others_is_read_by_its_own_names_and_what_cannot_be_said_is_said() {
        let comparisons = json!({ "comparisonColumns": ["seen", "booked"] });
        let (schema, theirs) = of(&document(), &comparisons).expect("it is theirs");
        let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["tags", "balance", "seen", "booked"]);
        assert_eq!(theirs.keys, ["region", "account"]);
        for (part, words) in
            theirs.unsaid.iter().zip(["which row is right", "2 columns (seen, booked)", "region, account"])
        {
            assert!(part.contains(words), "{part}");
        }
        let message = br#"{"region":"eu","account":7,"balance":1.5,"tags":["a"],"other":{}}"#;
        let entry = entry(&theirs.keys, &schema, "here", 3, message).expect("an entry");
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!((entry.off, entry.key.as_str()), (3, "eu,7"));
        assert_eq!(entry.cols, [Value::Strings(vec!["a".to_owned()]), text("1.5"), Value::Null, Value::Null]);
        for nonsense in [&b"Obj\x01"[..], b"{}", b"", br#"["eu",7]"#] {
            assert!(super::entry(&theirs.keys, &schema, "here", 3, nonsense).is_err());
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
