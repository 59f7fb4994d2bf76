//! The shape of a table that an audit reads: its columns, how they merge, and what a fold of its log
//! cannot say.

use super::contents_cells::{CellType, PinotType};
use super::foreign_table::comparisons;
use super::table::{SchemaDocument, stream};
use crate::adapter::contents::ContentsTable;
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Value};
use serde_json::Value as Json;

/// What a table does with a second event of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    /// Each event is a row.
    Plain,
    /// Only the first event of a key is a row.
    Dedup,
    /// The newest event is the row.
    Full,
    /// Columns merge.
    Partial,
}

/// A table's shape.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) table: ContentsTable,
    pub(super) kind: TableKind,
    /// The cells of the key, and what is shown there for nothing.
    pub(super) key_cells: Vec<(CellType, Value)>,
    /// The cells of the columns compared, and what is shown there for nothing.
    pub(super) cells: Vec<(CellType, Value)>,
    /// The column that says that a key is deleted.
    pub(super) deletes: Option<usize>,
    /// Columns that a fold of the log cannot compute, each with the reason.
    pub(super) off: Vec<(String, String)>,
    /// Why the log does not even tell which rows there are. None if it does.
    pub(super) unfoldable: Option<String>,
    /// Whether a commit reorders the documents of a segment.
    pub(super) sorts: bool,
}

/// Parts of the ingestion configuration that make other rows of events than they say.
const RESHAPING: [&str; 5] = [
    "filterConfig",
    "complexTypeConfig",
    "aggregationConfigs",
    "schemaConformingTransformerConfig",
    "schemaConformingTransformerV2Config",
];

/// The shape of a table. An error with the reason if it has none by which replicas can be compared.
pub(super) fn shape(
    table: &str,
    document: &SchemaDocument,
    config: &Json,
    rules: Rules,
) -> Result<Shape, String> {
    let decoder = stream(config)["stream.kafka.decoder.class.name"].as_str().unwrap_or_default();
    let config = &config["REALTIME"];
    let key = document.primary_key_columns.clone().filter(|key| !key.is_empty()).ok_or_else(|| {
        format!(
            "the schema of {table} has no primaryKeyColumns, so its rows have no key by which replicas can \
             be compared: only tables with a primary key can be audited"
        )
    })?;
    let mut left_out = Vec::new();
    let (mut key_cells, mut columns, mut cells) = (vec![None; key.len()], Vec::new(), Vec::new());
    let kind = kind(config);
    let comparisons = comparisons(config);
    let mut off = Vec::new();
    for field in document.fields() {
        let Some(cell) = CellType::named(&field.data_type, field.single_value_field) else {
            left_out
                .push((field.name.clone(), format!("values of type {} are not compared", field.data_type)));
            continue;
        };
        let default = cell.default(document.is_metric(&field.name), &field.default_null_value);
        if let Some(at) = key.iter().position(|name| *name == field.name) {
            key_cells[at] = Some((cell, default));
            continue;
        }
        let merge = match merge(config, kind, &comparisons, &field.name, cell) {
            Ok(merge) => merge,
            Err(why) => {
                off.push((field.name.clone(), why));
                Merge::Overwrite
            }
        };
        columns.push(Column::data(&field.name, cell.own(), merge));
        cells.push((cell, default));
    }
    let key_cells: Option<Vec<(CellType, Value)>> = key_cells.into_iter().collect();
    let key_cells = key_cells.ok_or_else(|| {
        format!(
            "the schema of {table} lacks a column of its key, {}, or it has an unknown type",
            key.join(", ")
        )
    })?;
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let version = match comparisons.as_slice() {
        [one] => place(one),
        _ => None,
    };
    if let Some(why) = nothing_is_folded(config, &comparisons) {
        off = columns.iter().map(|column| (column.name.clone(), why.clone())).collect();
    }
    if let [_, _, ..] = comparisons.as_slice() {
        let why =
            format!("rows are ordered by {} columns together, so no row is called older", comparisons.len());
        left_out.push((comparisons.join(" and "), format!("compared, but {why}")));
    }
    let deletes = config["upsertConfig"]["deleteRecordColumn"].as_str().and_then(place);
    let sorts =
        config["tableIndexConfig"]["sortedColumn"].as_array().is_some_and(|columns| !columns.is_empty());
    let unfoldable = unfoldable(config, kind, &key, decoder);
    let name = table.to_owned();
    let table = ContentsTable { name, key, columns, left_out, version, rules, rows: 0, bytes: 0 };
    Ok(Shape { table, kind, key_cells, cells, deletes, off, unfoldable, sorts })
}

fn kind(config: &Json) -> TableKind {
    match config["upsertConfig"]["mode"].as_str() {
        Some("FULL") => TableKind::Full,
        Some("PARTIAL") => TableKind::Partial,
        _ if config["dedupConfig"]["dedupEnabled"].as_bool() == Some(true) => TableKind::Dedup,
        _ => TableKind::Plain,
    }
}

/// How a column merges. An error with the reason if the fold does not know how.
fn merge(
    config: &Json,
    kind: TableKind,
    comparisons: &[String],
    name: &str,
    cell: CellType,
) -> Result<Merge, String> {
    let upsert = &config["upsertConfig"];
    if upsert["outOfOrderRecordColumn"].as_str() == Some(name) {
        return Err("Pinot sets it, not the events".to_owned());
    }
    match kind {
        TableKind::Plain | TableKind::Full => return Ok(Merge::Overwrite),
        TableKind::Dedup => return Ok(Merge::Ignore),
        TableKind::Partial if comparisons.iter().any(|comparison| comparison == name) => {
            return Ok(Merge::Overwrite);
        }
        TableKind::Partial => {}
    }
    let own = upsert["partialUpsertStrategies"][name].as_str();
    let strategy = own.or_else(|| upsert["defaultPartialUpsertStrategy"].as_str()).unwrap_or("OVERWRITE");
    let is_integer = matches!(cell.ty, PinotType::Int | PinotType::Long);
    let is_double = cell.ty == PinotType::Double;
    let known = match (strategy, cell.single) {
        ("OVERWRITE", _) => Some(Merge::Overwrite),
        ("IGNORE", _) => Some(Merge::Ignore),
        ("INCREMENT", true) if cell.ty == PinotType::Long => Some(Merge::Increment),
        ("APPEND", false) => Some(Merge::Append),
        // Texts of other types would be sorted as texts.
        ("UNION", false) if is_integer || cell.ty == PinotType::String => Some(Merge::Union),
        ("MAX", true) if is_integer || is_double => Some(Merge::Max),
        ("MIN", true) if is_integer || is_double => Some(Merge::Min),
        _ => None,
    };
    known.ok_or_else(|| format!("the fold does not know how {strategy} merges its type"))
}

/// Why no column can be folded from the log.
fn nothing_is_folded(config: &Json, comparisons: &[String]) -> Option<String> {
    let upsert = &config["upsertConfig"];
    let is_set = |value: &Json| value.as_f64().is_some_and(|number| number > 0.0);
    let reasons = [
        (
            is_any(&config["ingestionConfig"]["transformConfigs"]),
            "transformConfigs of ingestionConfig change what events say",
        ),
        (comparisons.len() > 1, "rows are ordered by several comparison columns"),
        (comparisons.is_empty(), "the table names no column that orders the rows of a key"),
        (
            is_set(&upsert["metadataTTL"]) || is_set(&config["dedupConfig"]["metadataTTL"]),
            "with a metadataTTL, keys are forgotten at some time",
        ),
        (is_any(&upsert["partialUpsertMergerClass"]), "a class of its own merges rows"),
    ];
    reasons.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why.to_owned())
}

/// Why the log does not tell which rows there are.
fn unfoldable(config: &Json, kind: TableKind, key: &[String], decoder: &str) -> Option<String> {
    if kind == TableKind::Plain {
        return Some("the table has neither upsert nor dedup, so a key has no one row".to_owned());
    }
    let ingestion = &config["ingestionConfig"];
    if let Some(part) = RESHAPING.iter().find(|part| is_any(&ingestion[**part])) {
        return Some(format!("with {part} in its ingestionConfig, rows are not what events say"));
    }
    let transforms = ingestion["transformConfigs"].as_array().into_iter().flatten();
    let made = transforms.filter_map(|transform| transform["columnName"].as_str());
    if let Some(name) = made.into_iter().find(|name| key.iter().any(|key| key == name)) {
        return Some(format!("a transform makes {name} of its key"));
    }
    (!decoder.contains("JSON")).then(|| format!("its events are not JSON (its decoder is {decoder})"))
}

fn is_any(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Array(items) => !items.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(upsert: &Json, more: &Json) -> Result<Shape, String> {
        let document = include_bytes!("answers/0.11.0/types_schema.json");
        let document: SchemaDocument = serde_json::from_slice(document).expect("a schema");
        let decoder = "org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder";
        let mut config = json!({
            "segmentsConfig": { "timeColumnName": "at" },
            "tableIndexConfig": { "streamConfigs": { "stream.kafka.decoder.class.name": decoder } },
            "upsertConfig": upsert,
        });
        if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
            config.extend(more.clone());
        }
        shape("types", &document, &json!({ "REALTIME": config }), Rules::default())
    }

    fn off<'s>(shape: &'s Shape, name: &str) -> Option<&'s str> {
        shape.off.iter().find(|(column, _)| column == name).map(|(_, why)| why.as_str())
    }

    #[test]
    fn merge_functions_are_those_of_the_tables_configuration() {
        let upsert = json!({
            "mode": "PARTIAL",
            "defaultPartialUpsertStrategy": "IGNORE",
            "partialUpsertStrategies": { "l": "INCREMENT", "i": "INCREMENT", "ml": "APPEND", "ms": "UNION",
                "md": "UNION", "s": "FORCE_OVERWRITE", "xd": "MAX" },
        });
        let shape = of(&upsert, &json!({})).expect("a shape");
        assert_eq!(shape.table.key, ["region", "number"]);
        let merge =
            |name: &str| shape.table.columns.iter().find(|column| column.name == name).map(|it| it.merge);
        assert_eq!(merge("l"), Some(Merge::Increment));
        assert_eq!((merge("ml"), merge("ms")), (Some(Merge::Append), Some(Merge::Union)));
        assert_eq!((merge("xd"), merge("b")), (Some(Merge::Max), Some(Merge::Ignore)));
        assert_eq!(merge("at"), Some(Merge::Overwrite), "rows are compared by it");
        assert_eq!(shape.table.version.map(|at| shape.table.columns[at].name.as_str()), Some("at"));
        assert!(off(&shape, "s").is_some_and(|why| why.contains("FORCE_OVERWRITE")));
        assert!(off(&shape, "i").is_some() && off(&shape, "md").is_some() && off(&shape, "l").is_none());
        assert!(shape.unfoldable.is_none());
    }

    #[test]
    fn what_the_log_cannot_say_is_said_with_its_reason() {
        let full = json!({ "mode": "FULL" });
        let transform =
            |name: &str| json!({ "ingestionConfig": { "transformConfigs": [{ "columnName": name }] } });
        let shape = of(&full, &transform("s")).expect("a shape");
        assert!(shape.off.len() == shape.table.columns.len() && shape.unfoldable.is_none());
        assert!(of(&full, &transform("region")).expect("a shape").unfoldable.is_some());
        let filter = json!({ "ingestionConfig": { "filterConfig": { "filterFunction": "f" } } });
        assert!(
            of(&full, &filter).expect("a shape").unfoldable.is_some_and(|why| why.contains("filterConfig"))
        );
        let two =
            of(&json!({ "mode": "FULL", "comparisonColumns": ["at", "l"] }), &json!({})).expect("a shape");
        assert!(two.table.version.is_none() && off(&two, "s").is_some_and(|why| why.contains("several")));
        assert!(two.table.left_out.iter().any(|(name, _)| name == "at and l"));
        let plain = of(&Json::Null, &json!({})).expect("a shape");
        assert!(plain.kind == TableKind::Plain && plain.unfoldable.is_some());
        let dedup = of(&Json::Null, &json!({ "dedupConfig": { "dedupEnabled": true } })).expect("a shape");
        assert!(
            dedup.kind == TableKind::Dedup && dedup.table.columns.iter().all(|it| it.merge == Merge::Ignore)
        );
    }

    #[test]
    fn a_table_without_a_key_is_refused_in_words() {
        let document: SchemaDocument =
            serde_json::from_value(json!({ "dimensionFieldSpecs": [{ "name": "a", "dataType": "INT" }] }))
                .expect("a schema");
        let error = shape("t", &document, &json!({}), Rules::default()).expect_err("no key");
        assert!(error.contains("primaryKeyColumns"), "{error}");
    }
}
