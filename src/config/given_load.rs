//! Checks of the writes that a workload gives.

use super::error::InvalidValue;
use dissent_core::history::canonical::of_type;
use dissent_core::history::given_load::WriteSpec;
use dissent_core::history::schema::Value;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::workload::Workload;
use dissent_core::nearest::advise;
use std::collections::BTreeMap;

/// How the keys begin that a run writes besides the load.
const RESERVED: [&str; 3] = ["cal-", "canary-", "filler-"];

/// Refuses writes that cannot be made as they are given.
pub(super) fn check(workload: &Workload) -> Result<(), InvalidValue> {
    let mut partitions: BTreeMap<&str, u32> = BTreeMap::new();
    for (at, write) in workload.writes.iter().flatten().enumerate() {
        let place = |field: &str| format!("write.{at}.{field}");
        let problem = format!("partition {} of {}, counted from 0", write.partition, workload.partitions);
        let fits = write.partition < workload.partitions;
        let help = "raise `partitions`, or write a lower one";
        InvalidValue::unless(fits, &place("partition"), &problem, help)?;
        check_key(write, &place)?;
        let first = *partitions.entry(&write.key).or_insert(write.partition);
        let problem = format!("the key `{}` is in partition {first}", write.key);
        let help = "give every write of a key the same partition";
        InvalidValue::unless(first == write.partition, &place("partition"), &problem, help)?;
        let problem = "a deletion that sets columns";
        let is_one = !write.delete || write.set.is_empty();
        InvalidValue::unless(is_one, &place("delete"), problem, "remove `set`, or remove `delete`")?;
        for (name, value) in &write.set {
            check_cell(workload, name, value, &place(&format!("set.{name}")))?;
        }
    }
    Ok(())
}

fn check_key(write: &WriteSpec, place: &impl Fn(&str) -> String) -> Result<(), InvalidValue> {
    let is_free = !write.key.is_empty() && !RESERVED.iter().any(|start| write.key.starts_with(start));
    let help = format!("any text that does not begin with {}", RESERVED.map(|s| format!("`{s}`")).join(", "));
    InvalidValue::unless(is_free, &place("key"), &format!("`{}` is no key of a load", write.key), &help)
}

fn check_cell(workload: &Workload, name: &str, value: &Value, place: &str) -> Result<(), InvalidValue> {
    let Some(column) = workload.columns.iter().find(|column| column.name == name) else {
        let names: Vec<&str> = workload.columns.iter().map(|column| column.name.as_str()).collect();
        let problem = format!("no column is called `{name}`");
        return Err(InvalidValue::new(place, problem, advise(name, &names)));
    };
    let text = |value: &Value| serde_json::to_string(value).unwrap_or_default();
    let (shown, ty) = (text(value), stored_name(&column.ty));
    match of_type(column.ty, value.clone()) {
        Ok(settled) if settled == *value => Ok(()),
        Ok(settled) => {
            let help = format!("write {}", text(&settled));
            Err(InvalidValue::new(place, format!("{shown} is not how a {ty} is written"), help))
        }
        Err(_) => {
            let help = "write a value of the column's type";
            Err(InvalidValue::new(place, format!("{shown} is no {ty}"), help))
        }
    }
}
