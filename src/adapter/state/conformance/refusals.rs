//! What a store must not accept.

use super::trials::{Bench, rows, unacknowledged};
use crate::adapter::state::StateStore;
use dissent_core::history::event::OpOutcome;
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};

/// A replica that no store has.
const NOBODY: &str = "dissent-no-such-replica";

/// Tries it.
pub(super) async fn prove(bench: &mut Bench<'_>) {
    let (store, of_nobody) = (bench.store, rows(bench.store, &bench.schema, NOBODY).await);
    let refused = |answer: Result<(), String>| match answer {
        Err(error) => Ok(error),
        Ok(()) => Err("it was answered as if there were one".to_owned()),
    };
    bench.found("rows of an unknown replica are an error", refused(of_nobody.map(|_| ())));
    let state = store.replica(NOBODY).await;
    let state = state.map(|_| ()).map_err(|error| error.to_string());
    bench.found("the state of an unknown replica is an error", refused(state));
    bad_column(bench).await;
    no_table(bench).await;
}

/// A column that the table does not have.
async fn bad_column(bench: &mut Bench<'_>) {
    let mut wider = bench.schema.clone();
    wider.columns.push(Column::data("no_such_column", Type::Long, Merge::Overwrite));
    let mut op = bench.op("bad column", Vec::new());
    op.cols.push(Value::Long(1));
    let outcome = bench.store.write(&wider, &op).await;
    match outcome {
        OpOutcome::Failed => bench.want(&op, None),
        OpOutcome::Ok | OpOutcome::Unknown => bench.forget(&op.key),
    }
    let seen = not_ok(bench.store, outcome);
    bench.found("a write to a column that is not there is not acknowledged", seen);
}

/// A table that was never made.
async fn no_table(bench: &mut Bench<'_>) {
    let elsewhere = Schema { table: format!("{}_none", bench.schema.table), ..bench.schema.clone() };
    let op = bench.op("no table", Vec::new());
    let outcome = bench.store.write(&elsewhere, &op).await;
    let seen = not_ok(bench.store, outcome);
    if outcome != OpOutcome::Failed {
        // It may have made the table after all. What cannot be removed is listed by `leftovers`.
        drop(bench.store.remove(&elsewhere.table).await);
    }
    bench.found("a write to a table that is not there is not acknowledged", seen);
}

fn not_ok(store: &dyn StateStore, outcome: OpOutcome) -> Result<String, String> {
    match outcome {
        OpOutcome::Ok => Err("it was acknowledged".to_owned()),
        OpOutcome::Failed | OpOutcome::Unknown => Ok(unacknowledged(store, outcome)),
    }
}
