//! Reads the verdicts of `verdict.json`, also those of version 1, which was a single verdict.

use super::json::SCHEMA;
use dissent_core::checker::verdict::{VERSION, Verdict};
use serde_json::Value;
use std::collections::BTreeSet;

/// The verdicts of a document. Runs that could not be judged are left out.
pub fn read(text: &str) -> Result<Vec<Verdict>, serde_json::Error> {
    let mut document: Value = serde_json::from_str(text)?;
    let Some(Value::Array(runs)) = document.get_mut("runs").map(Value::take) else {
        return Ok(vec![serde_json::from_value(document)?]);
    };
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let judged = runs.into_iter().filter(|run| run.get("outcome").is_some());
    judged.map(|run| verdict(run, &schema)).collect()
}

fn verdict(mut run: Value, schema: &Value) -> Result<Verdict, serde_json::Error> {
    let text_columns = text_columns(&run);
    let restoring = Restoring { schema, text_columns };
    restoring.restore(&mut run, &schema["$defs"]["JudgedEntry"]);
    run["version"] = VERSION.into();
    serde_json::from_value(run)
}

/// The names of the columns whose values are strings, which may consist of digits.
fn text_columns(run: &Value) -> BTreeSet<String> {
    let columns = run["run"]["columns"].as_object().into_iter().flatten();
    let texts = columns.filter(|(_, ty)| matches!(ty.as_str(), Some("string" | "string-list")));
    texts.map(|(name, _)| name.clone()).collect()
}

/// Turns strings of digits into integers where the schema admits an integer.
struct Restoring<'a> {
    schema: &'a Value,
    text_columns: BTreeSet<String>,
}

impl Restoring<'_> {
    fn restore(&self, value: &mut Value, by: &Value) {
        if let Some(name) = by["$ref"].as_str() {
            let named = name.strip_prefix('#').and_then(|place| self.schema.pointer(place));
            named.into_iter().for_each(|named| self.restore(value, named));
        }
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| by[name].as_array());
        choices.flatten().for_each(|choice| self.restore(value, choice));
        match value {
            Value::String(text) => {
                if let Some(integer) = integer(text).filter(|_| admits_integer(by)) {
                    *value = integer;
                }
            }
            Value::Array(items) => {
                let places = by["prefixItems"].as_array().into_iter().flatten();
                let places = places.chain(std::iter::repeat(&by["items"]));
                items.iter_mut().zip(places).for_each(|(item, by)| self.restore(item, by));
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    match by["properties"].get(name) {
                        Some(by) => self.restore(field, by),
                        None if self.text_columns.contains(name) => {}
                        None => self.restore(field, &by["additionalProperties"]),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn admits_integer(by: &Value) -> bool {
    by["type"] == "integer" || by["type"].as_array().is_some_and(|all| all.iter().any(|ty| ty == "integer"))
}

/// The integer that a string of digits stands for.
fn integer(text: &str) -> Option<Value> {
    let unsigned = || text.parse::<u64>().map(Value::from);
    text.parse::<i64>().map(Value::from).or_else(|_| unsigned()).ok()
}
