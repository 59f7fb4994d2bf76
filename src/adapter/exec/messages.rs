//! The messages between dissent and an adapter process, one JSON object a line. `PROTOCOL.md` explains them;
//! `protocol.schema.json` is derived from these types.

use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema, Type, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the protocol that this build speaks.
pub const PROTOCOL: u32 = 1;

/// The JSON Schema of every message.
pub const PROTOCOL_SCHEMA: &str = include_str!("protocol.schema.json");

/// A line from dissent to the adapter. It begins with `id` and `do`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecRequest<'r> {
    /// Ascends from 1 in the life of an adapter process. Every line of the answer repeats it.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub call: ExecCall<'r>,
}

/// What an adapter is asked to do.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum ExecCall<'r> {
    /// The first request to every adapter process: say what the store is and can do.
    Hello {
        /// The newest version of the protocol that dissent speaks.
        protocol: u32,
        /// The name of the target file.
        target: &'r str,
    },
    /// Create an empty table. Fail if it exists.
    MakeTable {
        /// The run that the table is for. `leftovers` must name it.
        run: &'r str,
        /// The table to create.
        table: ExecTable<'r>,
    },
    /// List all tables that `make-table` has created and `remove` has not removed.
    Leftovers,
    /// Remove a table with all its rows. A table that is not there is removed already.
    Remove {
        /// The table.
        table: TableName<'r>,
    },
    /// Write one op, as users of the store do.
    Write {
        /// The table, as `make-table` had it.
        table: ExecTable<'r>,
        /// The op.
        op: ExecOp<'r>,
    },
    /// Tell a position that every write acknowledged before this request lies at or below.
    Upstream,
    /// Ask one replica for its state.
    Replica {
        /// Its name, one of `replicas` of the answer to `hello`.
        replica: &'r str,
    },
    /// Read all rows of the table from one replica itself, as of one moment if that is possible.
    Rows {
        /// The replica.
        replica: &'r str,
        /// The table, as `make-table` had it. In an audit it is one that somebody else made, and names no
        /// columns: show all that its rows have, 0 for a comparison value or an op that there is not.
        table: ExecTable<'r>,
    },
}

impl ExecCall<'_> {
    /// What is asked, in errors.
    pub(super) fn name(&self) -> &'static str {
        match self {
            ExecCall::Hello { .. } => "hello",
            ExecCall::MakeTable { .. } => "make-table",
            ExecCall::Leftovers => "leftovers",
            ExecCall::Remove { .. } => "remove",
            ExecCall::Write { .. } => "write",
            ExecCall::Upstream => "upstream",
            ExecCall::Replica { .. } => "replica",
            ExecCall::Rows { .. } => "rows",
        }
    }
}

/// A table, by its name alone.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TableName<'r> {
    /// Letters, digits and `_`, at most 63 of them.
    pub name: &'r str,
}

/// A table. Besides `columns`, every row has a key (string), a comparison value (integer) and the id of the
/// newest op in it (unsigned integer).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecTable<'r> {
    /// Letters, digits and `_`, at most 63 of them.
    pub name: &'r str,
    /// The name of the key's column, for stores whose columns have names.
    pub key: &'r str,
    /// The name of the comparison value's column.
    pub comparison: &'r str,
    /// The name of the op id's column.
    pub op: &'r str,
    /// All other columns.
    pub columns: Vec<ExecColumn<'r>>,
}

/// A column.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecColumn<'r> {
    /// Its name: letters, digits and `_`.
    pub name: &'r str,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How it merges the value of a later op.
    pub merge: Merge,
}

/// An update of one key.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecOp<'r> {
    /// Its id, which the row must show afterwards.
    pub id: u64,
    /// The key.
    pub key: &'r str,
    /// The comparison value, which the row must show afterwards.
    pub cmp: i64,
    /// The columns that the op sets. The others keep their values.
    pub cols: BTreeMap<&'r str, &'r Value>,
    /// Whether it deletes the key. `cols` is empty then.
    pub delete: bool,
}

impl<'r> ExecTable<'r> {
    /// A table that somebody else made. No columns: all that it has.
    pub(super) fn of_others(name: &'r str) -> ExecTable<'r> {
        ExecTable { name, key: "key", comparison: "cmp", op: "op", columns: Vec::new() }
    }

    /// The table of a schema.
    pub(super) fn of(schema: &'r Schema) -> ExecTable<'r> {
        let columns = schema.columns.iter();
        let columns =
            columns.map(|column| ExecColumn { name: &column.name, ty: column.ty, merge: column.merge });
        ExecTable {
            name: &schema.table,
            key: &schema.key,
            comparison: &schema.comparison,
            op: &schema.op,
            columns: columns.collect(),
        }
    }
}

impl<'r> ExecOp<'r> {
    /// An op on the table of a schema.
    pub(super) fn of(schema: &'r Schema, op: &'r Op) -> ExecOp<'r> {
        let cols = schema.columns.iter().map(|column| column.name.as_str()).zip(&op.cols);
        let cols = cols.filter(|(_, value)| **value != Value::Null).collect();
        ExecOp { id: op.id, key: &op.key, cmp: op.cmp, cols, delete: op.delete }
    }
}

/// The answer to `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HelloAnswer {
    /// The version of the protocol that the adapter speaks, at most the one that dissent asked for.
    pub protocol: u32,
    /// The name of the store.
    pub system: String,
    /// The version that the store reports.
    pub version: String,
    /// The names of its replicas, at least one, each once. They must not change while dissent is connected.
    pub replicas: Vec<String>,
    /// What the store keeps of a row that was written again. Version 1 knows only `newest-row`.
    pub retains: Retention,
    /// Whether `upstream` and `replica` tell positions, in one unit.
    pub positions: bool,
    /// The merge functions that `write` does. Either this or `lacks`.
    #[serde(default)]
    pub merges: Option<Vec<Merge>>,
    /// The merge functions that `write` cannot do. Either this or `merges`.
    #[serde(default)]
    pub lacks: Option<Vec<Merge>>,
    /// Whether `write` can delete.
    pub deletes: bool,
    /// How many requests the adapter works on at once, from 1 to 64. Left out: 1.
    #[serde(default = "one")]
    pub concurrency: u32,
}

fn one() -> u32 {
    1
}

/// The answer to `make-table` and `remove`: the id alone.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoneAnswer {}

/// The answer to `leftovers`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftoversAnswer {
    /// The tables.
    pub tables: Vec<ExecLeftover>,
}

/// A table that a run has left.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecLeftover {
    /// Its name.
    pub name: String,
    /// The run that `make-table` named; null if that is unknown.
    #[serde(default)]
    pub run: Option<String>,
}

/// The answer to `write`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WriteAnswer {
    /// `ok`: the store acknowledged it. `failed`: it certainly did not and will not happen. Otherwise
    /// `unknown`, above all after a timeout.
    pub outcome: OpOutcome,
    /// Why it is not `ok`, for whoever looks for the mistake.
    #[serde(default)]
    pub why: Option<String>,
}

/// The answer to `upstream`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UpstreamAnswer {
    /// The position.
    pub position: u64,
}

/// The answer to `replica`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplicaAnswer {
    /// Another number after each restart of the replica, the same number as long as it lives. It says nothing
    /// of the adapter: a new adapter process tells the same number.
    pub incarnation: u64,
    /// The status that the replica reports, in its own words.
    pub status: String,
    /// Whether it leads the others: it takes the writes, or decides on them. Null if the store has no leader.
    #[serde(default)]
    pub leads: Option<bool>,
    /// How far it has applied what `upstream` counts; null if the store has no positions.
    #[serde(default)]
    pub position: Option<u64>,
}

/// A line of the answer to `rows`. The last one has `end` and `count`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RowsAnswer {
    /// Some of the rows.
    #[serde(default)]
    pub rows: Vec<ExecRow>,
    /// Whether this is the last line of the answer.
    #[serde(default)]
    pub end: bool,
    /// The number of rows in the whole answer, as the store counted them. Needed in the last line.
    #[serde(default)]
    pub count: Option<u64>,
}

/// A row as a replica shows it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExecRow {
    /// The key.
    pub key: String,
    /// The id of the newest op in it; 0 if it has none.
    pub op: u64,
    /// The comparison value.
    pub cmp: i64,
    /// The values by column. One that is null or left out has no value.
    pub cols: BTreeMap<String, Value>,
}

/// What dissent looks for in every line before it knows whose answer it is.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) end: bool,
}
