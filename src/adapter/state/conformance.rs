//! Proves a store: whether it does what [`StateStore`] promises, on a table of its own. It knows no system
//! and no adapter, and so is for every store behind that trait.
//!
//! Without it, a mistake of an adapter is told as one of the store:
//!
//! ```text
//! the adapter turns 9007199254740993 into a float, on one replica
//! a run: "replica r2 is wrong on 14 keys"
//! ```

mod cases;
mod finding;
mod positions;
mod refusals;
mod trials;

use crate::adapter::state::StateStore;
use dissent_core::history::schema::Schema;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::timeout;
use trials::Bench;

pub use finding::{CLEAN_UP, ConformanceFinding, ProofLimits};

/// Tries a store on a table that is made and removed for that. Ends within `limits.total` and [`CLEAN_UP`],
/// whatever the store does. The store conforms if all findings have passed.
pub async fn conformance(store: &dyn StateStore, limits: ProofLimits) -> Vec<ConformanceFinding> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("dissent_conformance_{}_{number}", std::process::id());
    let mut bench = Bench::new(store, limits, cases::schema(store, &name));
    let run = format!("conformance-{}-{number}", std::process::id());
    if timeout(limits.total, prove(&mut bench, &run)).await.is_err() {
        bench.found("the proof ends in time", Err(format!("not within {:?}", limits.total)));
    }
    let removed = timeout(CLEAN_UP, remove(store, &bench.schema)).await;
    bench.found("the table is removed", removed.unwrap_or_else(|_| Err(format!("not within {CLEAN_UP:?}"))));
    bench.findings
}

/// All that needs the table.
async fn prove(bench: &mut Bench<'_>, run: &str) {
    let store = bench.store;
    bench.found("it names its replicas, each once", roster(store));
    let made = store.make_table(run, &bench.schema).await;
    let is_made = made.is_ok();
    bench.found("a table is made", made.map(|()| bench.schema.table.clone()).map_err(|it| it.to_string()));
    if !is_made {
        return;
    }
    let listed = listed(store, &bench.schema, run).await;
    bench.found("the table is listed with its run", listed);
    bench.found("a replica tells its state and one incarnation", states(store).await);
    bench.all_rows("a new table is empty everywhere").await;
    bench.prove(cases::first(&bench.schema)).await;
    positions::prove(bench).await;
    bench.prove(cases::merges(&bench.schema)).await;
    bench.prove(cases::values(&bench.schema)).await;
    bench.prove(cases::keys(&bench.schema)).await;
    bench.prove(cases::numbers(&bench.schema)).await;
    if store.deletes() {
        bench.prove(cases::deletes(&bench.schema)).await;
    }
    bench.prove(cases::many(&bench.schema)).await;
    refusals::prove(bench).await;
    bench.all_rows("a read shows every key once and no other").await;
}

fn roster(store: &dyn StateStore) -> Result<String, String> {
    let replicas = store.replicas();
    let mut names = replicas.clone();
    names.sort_unstable();
    names.dedup();
    match names.len() {
        0 => Err("it names none".to_owned()),
        some if some < replicas.len() => Err(format!("a name occurs twice: {}", replicas.join(", "))),
        _ => Ok(replicas.join(", ")),
    }
}

async fn listed(store: &dyn StateStore, schema: &Schema, run: &str) -> Result<String, String> {
    let leftovers = store.leftovers().await.map_err(|error| error.to_string())?;
    match leftovers.iter().find(|left| left.table == schema.table).map(|left| left.run.as_deref()) {
        Some(Some(named)) if named == run => Ok(format!("{} tables in all", leftovers.len())),
        Some(named) => Err(format!("it names the run {named:?} instead of {run:?}")),
        None => Err(format!("{} is not among {} tables", schema.table, leftovers.len())),
    }
}

async fn states(store: &dyn StateStore) -> Result<String, String> {
    let mut told = Vec::new();
    for replica in store.replicas() {
        let state = async || store.replica(&replica).await.map_err(|error| format!("{replica}: {error}"));
        let (first, second) = (state().await?, state().await?);
        if first.incarnation != second.incarnation {
            let (first, second) = (first.incarnation, second.incarnation);
            return Err(format!("{replica}: incarnation {first}, and at once {second}"));
        }
        told.push(format!("{replica} {}", first.status));
    }
    Ok(told.join(", "))
}

/// Removes the table, and sees that it is listed no longer.
async fn remove(store: &dyn StateStore, schema: &Schema) -> Result<String, String> {
    let table = &schema.table;
    store.remove(table).await.map_err(|error| error.to_string())?;
    let leftovers = store.leftovers().await.map_err(|error| error.to_string())?;
    match leftovers.iter().any(|left| left.table == *table) {
        true => Err(format!("{table} is still listed")),
        false => Ok(format!("{table} is not listed any more")),
    }
}
