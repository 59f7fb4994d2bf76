//! Any table that an adapter can read by its name: `rows` with no columns named, so that it shows all it has.

use super::store::ExecStore;
use crate::adapter::contents::{Chunk, Contents, ContentsRow, ContentsTable, PositionSample, Scope};
use crate::adapter::exec::messages::ExecRow;
use crate::adapter::state::StateStore;
use crate::adapter::state::positions::positions_of;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::rules::{Retention, Rules};
use dissent_core::history::schema::{Column, Merge, Type, Value};
use dissent_core::history::time::Nanos;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The columns that every row has: the comparison value and the newest op.
const OWN: [&str; 2] = ["cmp", "op"];

/// A table of a store.
pub(super) struct ExecContents {
    store: ExecStore,
    table: ContentsTable,
    received: AtomicU64,
}

impl ExecContents {
    /// Reads the table once, to learn its columns.
    pub(super) async fn open(store: ExecStore, table: &str) -> Result<ExecContents, TargetError> {
        let mut types: BTreeMap<String, Option<Type>> = BTreeMap::new();
        let mut rows = 0;
        for replica in store.replicas() {
            store
                .shown(table, &replica, &mut |row| {
                    rows += 1;
                    for (name, value) in row.cols {
                        let known = types.entry(name).or_default();
                        *known = known.or_else(|| {
                            Type::ALL.into_iter().find(|ty| value.fits(*ty) && value != Value::Null)
                        });
                    }
                })
                .await?;
        }
        let column = |name: &str, ty| Column::data(name, ty, Merge::Overwrite);
        let own = OWN.into_iter().map(|name| column(name, Type::Long));
        let others = types.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
        let others = others.map(|(name, ty)| column(name, ty.unwrap_or(Type::String)));
        let table = ContentsTable {
            name: table.to_owned(),
            key: vec!["key".to_owned()],
            columns: own.chain(others).collect(),
            left_out: Vec::new(),
            version: Some(0),
            rules: Rules { retains: Retention::NewestRow, ..Rules::default() },
            rows: rows / (store.replicas().len() as u64).max(1),
            bytes: 0,
        };
        Ok(ExecContents { store, table, received: AtomicU64::new(0) })
    }

    fn row(&self, row: ExecRow) -> Result<ContentsRow, TargetError> {
        let ExecRow { key, op, cmp, cols: mut named } = row;
        let bytes = key.len() + named.keys().map(|name| name.len() + 8).sum::<usize>();
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let own = [cmp, op.cast_signed()].map(Value::Long);
        let others = self.table.columns.iter().skip(OWN.len());
        let others = others.map(|column| named.remove(&column.name).unwrap_or_default());
        let cols = own.into_iter().chain(others).collect();
        match named.keys().find(|name| !OWN.contains(&name.as_str())) {
            Some(name) => {
                let cause = format!("a column `{name}` has appeared: audit once more");
                Err(TargetError::InvalidResponse { at: self.table.name.clone(), cause })
            }
            None => Ok(ContentsRow { key, cols, deleted: false }),
        }
    }
}

#[async_trait]
impl Contents for ExecContents {
    fn version(&self) -> String {
        self.store.version()
    }

    fn replicas(&self) -> Vec<String> {
        self.store.replicas()
    }

    fn table(&self) -> &ContentsTable {
        &self.table
    }

    /// One: an adapter reads whole tables.
    async fn chunks(&self, _rows: u64) -> Result<Vec<Chunk>, TargetError> {
        Ok(vec![Chunk { number: 0, bounds: json!({}) }])
    }

    async fn rows(
        &self,
        replica: &str,
        _chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let is_asked = |key: &String| match scope {
            Scope::Keys(keys) => keys.contains(key),
            Scope::All | Scope::Bucket { .. } => true,
        };
        let mut shown = Vec::new();
        self.store.shown(&self.table.name, replica, &mut |row| shown.push(row)).await?;
        shown.into_iter().filter(|row| is_asked(&row.key)).map(|row| self.row(row)).collect()
    }

    async fn upstream(&self, _chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        self.store.upstream().await
    }

    async fn position(&self, replica: &str, _chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        Ok(self.store.replica(replica).await?.position)
    }

    fn frozen_floor(&self) -> Nanos {
        self.store.frozen_floor()
    }

    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        positions_of(&self.store).await
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
