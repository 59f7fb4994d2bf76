//! A store behind an adapter process.

use super::connection::{ADAPTER, AdapterCommand, Connection, invalid};
use super::messages::{
    DoneAnswer, ExecCall, ExecOp, ExecRow, ExecTable, HelloAnswer, LeftoversAnswer, ReplicaAnswer,
    RowsAnswer, TableName, UpstreamAnswer, WriteAnswer,
};
use crate::adapter::capabilities::{Leftover, RowSink};
use crate::adapter::state::{ReplicaState, StateRow, StateStore};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::canonical;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use serde::de::DeserializeOwned;
use std::sync::{Mutex, PoisonError};

/// A position without progress counts as frozen after this time at the earliest (`RULES.md` 7). Nothing is
/// known of the store, so this is long.
const FROZEN_FLOOR: Nanos = Nanos(10_000_000_000);

/// All merge functions.
const MERGES: [Merge; 7] =
    [Merge::Overwrite, Merge::Ignore, Merge::Increment, Merge::Append, Merge::Union, Merge::Max, Merge::Min];

/// A store that an adapter process speaks for. The process ends with it.
#[derive(Debug)]
pub struct ExecStore {
    connection: Connection,
    hello: HelloAnswer,
    lacks: &'static [Merge],
    /// Why the newest write that was not acknowledged was not.
    refusal: Mutex<Option<String>>,
}

impl ExecStore {
    /// Starts the adapter, and asks it what the store is and can do.
    pub(super) async fn open(how: AdapterCommand) -> Result<ExecStore, TargetError> {
        let (connection, hello) = Connection::open(how).await?;
        let lacks = lacking(&hello).leak();
        Ok(ExecStore { connection, hello, lacks, refusal: Mutex::default() })
    }

    /// Refuses the name of a replica that the adapter did not declare. It need not know what to do with one.
    fn admit(&self, replica: &str) -> Result<(), TargetError> {
        if self.hello.replicas.iter().any(|known| known == replica) {
            return Ok(());
        }
        let cause = format!("it has no replica {replica}");
        Err(TargetError::Refused { at: ADAPTER.to_owned(), cause })
    }

    /// Reads a table that somebody else made, with all columns that it has.
    pub(super) async fn shown(
        &self,
        table: &str,
        replica: &str,
        out: &mut (dyn FnMut(ExecRow) + Send),
    ) -> Result<(), TargetError> {
        self.admit(replica)?;
        let call = ExecCall::Rows { table: ExecTable::of_others(table), replica };
        let mut each = |answer: RowsAnswer| {
            answer.rows.into_iter().for_each(&mut *out);
            Ok(())
        };
        self.connection.rows(call, &mut each).await
    }

    async fn ask<T: DeserializeOwned>(&self, call: ExecCall<'_>) -> Result<T, TargetError> {
        self.connection.ask(call).await.map_err(|failed| failed.error)
    }
}

/// The merge functions that a store lacks. At most seven, once per connection.
fn lacking(hello: &HelloAnswer) -> Vec<Merge> {
    let lacks = |merge: &Merge| match (&hello.merges, &hello.lacks) {
        (Some(merges), _) => !merges.contains(merge),
        (None, lacks) => lacks.iter().flatten().any(|lacking| lacking == merge),
    };
    MERGES.into_iter().filter(lacks).collect()
}

#[async_trait]
impl StateStore for ExecStore {
    fn version(&self) -> String {
        format!("{} {}", self.hello.system, self.hello.version)
    }

    fn replicas(&self) -> Vec<String> {
        self.hello.replicas.clone()
    }

    fn lacks(&self) -> &'static [Merge] {
        self.lacks
    }

    fn retains(&self) -> Retention {
        self.hello.retains
    }

    fn deletes(&self) -> bool {
        self.hello.deletes
    }

    fn frozen_floor(&self) -> Nanos {
        FROZEN_FLOOR
    }

    async fn make_table(&self, run: &str, schema: &Schema) -> Result<(), TargetError> {
        let call = ExecCall::MakeTable { run, table: ExecTable::of(schema) };
        self.ask(call).await.map(|DoneAnswer {}| ())
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        let LeftoversAnswer { tables } = self.ask(ExecCall::Leftovers).await?;
        Ok(tables.into_iter().map(|left| Leftover { table: left.name, run: left.run }).collect())
    }

    async fn remove(&self, table: &str) -> Result<(), TargetError> {
        let call = ExecCall::Remove { table: TableName { name: table } };
        self.ask(call).await.map(|DoneAnswer {}| ())
    }

    async fn write(&self, schema: &Schema, op: &Op) -> OpOutcome {
        let call = ExecCall::Write { table: ExecTable::of(schema), op: ExecOp::of(schema, op) };
        let (outcome, why) = match self.connection.ask(call).await {
            Ok(WriteAnswer { outcome, why }) => (outcome, why),
            Err(failed) if failed.sent => (OpOutcome::Unknown, Some(failed.error.to_string())),
            Err(failed) => (OpOutcome::Failed, Some(failed.error.to_string())),
        };
        if outcome != OpOutcome::Ok {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
        outcome
    }

    fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn upstream(&self) -> Result<Option<u64>, TargetError> {
        if !self.hello.positions {
            return Ok(None);
        }
        self.ask(ExecCall::Upstream).await.map(|UpstreamAnswer { position }| Some(position))
    }

    async fn replica(&self, replica: &str) -> Result<ReplicaState, TargetError> {
        self.admit(replica)?;
        let answer: ReplicaAnswer = self.ask(ExecCall::Replica { replica }).await?;
        let ReplicaAnswer { incarnation, status, leads, position } = answer;
        match (self.hello.positions, position) {
            (true, None) => Err(invalid(format!("it declares positions, and tells none of {replica}"))),
            (true, position) => Ok(ReplicaState { incarnation, status, leads, position }),
            (false, _) => Ok(ReplicaState { incarnation, status, leads, position: None }),
        }
    }

    async fn rows(
        &self,
        schema: &Schema,
        replica: &str,
        out: RowSink<'_, StateRow>,
    ) -> Result<(), TargetError> {
        self.admit(replica)?;
        let call = ExecCall::Rows { table: ExecTable::of(schema), replica };
        let mut each = |answer: RowsAnswer| {
            for row in answer.rows {
                out(state_row(schema, row)?);
            }
            Ok(())
        };
        self.connection.rows(call, &mut each).await
    }
}

/// A row of the table, with the columns of the schema in order.
fn state_row(schema: &Schema, row: ExecRow) -> Result<StateRow, TargetError> {
    let ExecRow { key, op, cmp, cols: mut named } = row;
    let mut cols = Vec::with_capacity(schema.columns.len());
    for column in &schema.columns {
        let value = named.remove(&column.name).unwrap_or_default();
        cols.push(canonical::of_type(column.ty, value).map_err(|value| {
            let name = &column.name;
            invalid(format!("column `{name}` of key {key:?} does not have its type: {value:?}"))
        })?);
    }
    match named.keys().next() {
        Some(name) => Err(invalid(format!("key {key:?} has a column `{name}`, which the table has not"))),
        None => Ok(StateRow { key, op, cmp, cols }),
    }
}
