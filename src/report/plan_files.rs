//! A workload and a plan as the text of their files: the way back from `config`.

use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::workload::Workload;
use serde::Serialize;
use std::fmt::Write as _;
use toml::ser::{Error, ValueSerializer};
use toml::{Table, Value};

/// Fields in the order in which people read them. Others follow.
const ORDER: [&str; 11] =
    ["hunts", "id", "name", "at", "fault", "select", "partition", "key", "type", "merge", "begin"];

/// The text of a workload's file, under these lines of comment.
pub fn workload_text(workload: &Workload, comment: &str) -> Result<String, Error> {
    document(workload, comment)
}

/// The text of a plan's file, under these lines of comment.
pub fn nemesis_text(nemesis: &Nemesis, comment: &str) -> Result<String, Error> {
    document(nemesis, comment)
}

/// Plain fields first, then lists with a line for each item. Steps have more to say, and a paragraph each.
fn document(of: &impl Serialize, comment: &str) -> Result<String, Error> {
    let mut fields = Table::try_from(of)?;
    // It is the file's name.
    fields.remove("name");
    let is_list = |value: &Value| matches!(value, Value::Array(items) if items.iter().any(Value::is_table));
    let (lists, plain): (Vec<_>, Vec<_>) =
        ordered(&fields).into_iter().partition(|(_, value)| is_list(value));
    let mut out: String =
        comment.lines().map(|line| format!("{}\n", format!("# {line}").trim_end())).collect();
    out.push('\n');
    for (key, value) in plain {
        let _ = writeln!(out, "{key} = {}", inline(value)?);
    }
    for (key, value) in lists {
        let items = value.as_array().into_iter().flatten().filter_map(Value::as_table);
        if key == "step" {
            for step in items {
                let _ = write!(out, "\n[[{key}]]\n{}\n", assigned(step, "\n")?);
            }
            continue;
        }
        let _ = write!(out, "\n{key} = [\n");
        for item in items {
            let _ = writeln!(out, "  {{ {} }},", assigned(item, ", ")?);
        }
        out.push_str("]\n");
    }
    Ok(out)
}

/// The fields that say something, in order: a field that is false or an empty list of requirements could be
/// left out.
fn ordered(fields: &Table) -> Vec<(&String, &Value)> {
    let is_default = |(key, value): &(&String, &Value)| {
        **value == Value::Boolean(false) || *key == "required" && value.as_array().is_some_and(Vec::is_empty)
    };
    let mut fields: Vec<_> = fields.iter().filter(|field| !is_default(field)).collect();
    fields.sort_by_key(|(key, _)| ORDER.iter().position(|name| name == key).unwrap_or(ORDER.len()));
    fields
}

fn assigned(fields: &Table, between: &str) -> Result<String, Error> {
    let fields = ordered(fields).into_iter();
    let fields = fields.map(|(key, value)| Ok(format!("{key} = {}", inline(value)?)));
    Ok(fields.collect::<Result<Vec<String>, Error>>()?.join(between))
}

/// A value in one line.
pub(super) fn inline(value: &impl Serialize) -> Result<String, Error> {
    let mut out = String::new();
    value.serialize(ValueSerializer::new(&mut out))?;
    Ok(out)
}
