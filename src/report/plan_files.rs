//! A workload and a plan as the text of their files: the way back from `config`.

use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::workload::Workload;
use serde::Serialize;
use std::fmt::Write as _;
use toml::ser::{Error, ValueSerializer};
use toml::{Table, Value};

/// The text of a workload's file, under these lines of comment.
pub fn workload_text(workload: &Workload, comment: &str) -> Result<String, Error> {
    document(Table::try_from(workload)?, comment, "write")
}

/// The text of a plan's file, under these lines of comment.
pub fn nemesis_text(nemesis: &Nemesis, comment: &str) -> Result<String, Error> {
    document(Table::try_from(nemesis)?, comment, "step")
}

/// Fields in one line each, lists with a line for each item, and `last` at the end. The name is that of the
/// file.
fn document(mut fields: Table, comment: &str, last: &str) -> Result<String, Error> {
    fields.remove("name");
    let mut out: String =
        comment.lines().map(|line| format!("{}\n", format!("# {line}").trim_end())).collect();
    out.push('\n');
    let last = fields.remove_entry(last);
    let hunts = fields.remove_entry("hunts");
    for (key, value) in hunts.into_iter().chain(fields).chain(last) {
        match value {
            Value::Array(items) if items.iter().any(Value::is_table) => {
                let _ = write!(out, "\n{key} = [\n");
                for item in &items {
                    let _ = writeln!(out, "  {},", inline(item)?);
                }
                out.push_str("]\n");
            }
            value => {
                let _ = writeln!(out, "{key} = {}", inline(&value)?);
            }
        }
    }
    Ok(out)
}

/// A value in one line.
fn inline(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    value.serialize(ValueSerializer::new(&mut out))?;
    Ok(out)
}
