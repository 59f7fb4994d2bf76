//! Reads workloads: one TOML file each, under `workloads/`.

use super::catalogue::{EmbeddedFile, WORKLOADS};
use super::document::ConfigFile;
use super::error::InvalidValue;
use super::file_schema;
use super::given_load;
use super::settings::{choice, number, time};
use dissent_core::generator::table::{KEY, OP, OP_COUNT, OP_SUM, OPS, TABLE};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::workload::{ColumnSpec, PARTITIONS_MAX, Workload};
use std::collections::BTreeSet;

/// Maximum number of live keys over all partitions: they are kept in memory.
const LIVE_KEYS_MAX: u64 = 10_000_000;
/// Maximum number of keys that a write is compared with.
const GUARD_KEYS_MAX: u64 = 10_000;

impl ConfigFile for Workload {
    const KIND: &'static str = "workload";
    const FOLDER: &'static str = "workloads";
    const CATALOGUE: &'static [EmbeddedFile] = WORKLOADS;
    const SCHEMA: &'static str = file_schema::WORKLOAD;
    const SETTINGS: &'static [&'static str] = &[
        "rate",
        "load",
        "segment-rows",
        "provenance",
        "partitions",
        "keys",
        "delete-percent",
        "tie-percent",
        "out-of-order-percent",
        "unknown-percent",
        "duplicate-percent",
        "guard-keys",
    ];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "rate" => self.rate_hz = number(value)?,
            "load" => self.load = time(value)?,
            "segment-rows" => self.segment_rows = number(value)?,
            "provenance" => self.provenance = choice(value)?,
            "partitions" => self.partitions = number(value)?,
            "keys" => self.keys.live = number(value)?,
            "delete-percent" => self.delete_percent = number(value)?,
            "tie-percent" => self.tie_percent = number(value)?,
            "out-of-order-percent" => self.out_of_order_percent = number(value)?,
            "unknown-percent" => self.unknown_percent = number(value)?,
            "duplicate-percent" => self.duplicate_percent = number(value)?,
            "guard-keys" => self.guard_keys = number(value)?,
            _ => return Err("not a setting of a workload".to_owned()),
        }
        Ok(())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let within = |value: u64, max: u64, at: &str, what: &str| {
            let help = format!("write 1 to {max}");
            InvalidValue::unless((1..=max).contains(&value), at, &format!("{value} {what}"), &help)
        };
        let live = u64::from(self.partitions) * u64::from(self.keys.live);
        let all = within(live, LIVE_KEYS_MAX, "keys.live", "live keys over all partitions");
        let numbers = [
            within(self.partitions.into(), PARTITIONS_MAX.into(), "partitions", "partitions"),
            within(self.rate_hz.into(), 1_000_000, "rate", "ops per second"),
            within(self.segment_rows, 1_000_000_000, "segment-rows", "rows per segment"),
            within(self.keys.live.into(), 1_000_000, "keys.live", "live keys per partition")
                // None is too few in one and in all.
                .and(if live == 0 { Ok(()) } else { all }),
            InvalidValue::unless(
                self.load.0 > 0,
                "load",
                "the load must not be zero",
                "write a time such as `3s`",
            ),
        ];
        let columns = self.columns.iter().enumerate().map(|(at, column)| check_column(column, at));
        let checked = numbers.into_iter().chain(check_shares(self)).chain(check_names(self));
        let checked = checked.chain([given_load::check(self)]).chain(columns).chain([some_column(self)]);
        checked.filter_map(Result::err).collect()
    }
}

/// A load must write something.
fn some_column(workload: &Workload) -> Result<(), InvalidValue> {
    let problem = match workload.columns.as_slice() {
        [] => "there is no column",
        _ => "every column is optional",
    };
    InvalidValue::unless(
        workload.columns.iter().any(|column| !column.optional),
        "column",
        problem,
        "add a [[column]] that is not optional, so that something is always written",
    )
}

/// How many ops are of a special kind, and how many keys a write is compared with.
fn check_shares(workload: &Workload) -> [Result<(), InvalidValue>; 4] {
    let guard_keys = u64::from(workload.guard_keys);
    [
        InvalidValue::unless(
            workload.delete_percent < 100,
            "delete-percent",
            &format!("{} percent of ops delete", workload.delete_percent),
            "write 0 to 99: without writes there is nothing to delete",
        ),
        at_most_all(
            ["tie-percent", "out-of-order-percent"],
            [workload.tie_percent, workload.out_of_order_percent],
        ),
        at_most_all(
            ["unknown-percent", "duplicate-percent"],
            [workload.unknown_percent, workload.duplicate_percent],
        ),
        InvalidValue::unless(
            guard_keys <= GUARD_KEYS_MAX,
            "guard-keys",
            &format!("a comparison over {guard_keys} keys"),
            &format!("write 0 to {GUARD_KEYS_MAX}"),
        ),
    ]
}

/// Shares of the same ops, of which each op takes part in one.
fn at_most_all(names: [&str; 2], percents: [u8; 2]) -> Result<(), InvalidValue> {
    let sum = u32::from(percents[0]) + u32::from(percents[1]);
    let problem = format!("{} and {} are {sum} percent of ops", names[0], names[1]);
    InvalidValue::unless(sum <= 100, names[1], &problem, "write shares that sum up to at most 100")
}

/// Column names become names on the target. They must be unique, and differ from the table's own columns.
fn check_names(workload: &Workload) -> Vec<Result<(), InvalidValue>> {
    let mut taken = BTreeSet::from([TABLE, KEY, OP, OPS, OP_COUNT, OP_SUM]);
    let columns = workload.columns.iter().enumerate();
    let columns = columns.map(|(at, column)| (format!("column.{at}.name"), column.name.as_str()));
    let all = std::iter::once(("comparison".to_owned(), workload.comparison.as_str())).chain(columns);
    all.map(|(at, name)| check_name(name, &at, taken.insert(name))).collect()
}

fn check_name(name: &str, at: &str, is_free: bool) -> Result<(), InvalidValue> {
    let starts_with_letter = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    InvalidValue::unless(
        starts_with_letter && name.chars().all(plain),
        at,
        &format!("`{name}` is not a column name"),
        "use lower-case letters, digits and _, starting with a letter",
    )?;
    InvalidValue::unless(
        is_free,
        at,
        &format!("the name `{name}` is already used"),
        &format!("names must be unique; {TABLE}, {KEY}, {OP}, {OPS}, {OP_COUNT} and {OP_SUM} are reserved"),
    )
}

fn check_column(column: &ColumnSpec, at: usize) -> Result<(), InvalidValue> {
    let percent = column.touched_percent;
    InvalidValue::unless(
        (1..=100).contains(&percent),
        &format!("column.{at}.touched-percent"),
        &format!("{percent} percent"),
        "write 1 to 100: a column that is never written cannot show anything",
    )?;
    let fitting = column.merge.types();
    if fitting.contains(&column.ty) {
        return Ok(());
    }
    let names = fitting.iter().map(stored_name).collect::<Vec<String>>().join(", ");
    Err(InvalidValue::new(
        format!("column.{at}.merge"),
        format!("`{}` does not merge a {}", stored_name(&column.merge), stored_name(&column.ty)),
        format!("it merges: {names}"),
    ))
}
