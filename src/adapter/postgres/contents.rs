//! Any table with a primary key, on every server, by SQL that only reads.
//!
//! Digests are computed by the servers: the sum of a hash of each row. What is shown and hashed depends on
//! settings of the session, which are the same everywhere.

use super::catalogue::{CatalogueColumn, SharedColumns};
use super::digest::ServerHash;
use super::roster::{PRIMARY, Roster};
use super::server::PostgresServer;
use super::sql::{STARTED, literal, quoted};
use super::subscription::position_of_slot;
use crate::adapter::contents::{
    BucketDigest, Chunk, Contents, ContentsRow, ContentsTable, KEY_SEPARATOR, PositionSample, Scope,
};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::rules::{Retention, Rules};
use dissent_core::history::schema::{Type, Value};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::PgLsn;

/// How a server gets the rows of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Primary,
    Standby,
    /// By this replication slot of the primary.
    Subscriber(String),
    /// Not from the primary, as far as it tells.
    Unknown,
}

/// A table of a cluster that has answered.
pub(super) struct PostgresContents {
    roster: Roster,
    origins: BTreeMap<String, Origin>,
    version: String,
    table: ContentsTable,
    /// Its name in statements.
    name: String,
    /// The types of the columns of its key.
    key_types: Vec<String>,
    hash: ServerHash,
    /// The hash of a row, as SQL.
    row_hash: String,
    received: AtomicU64,
}

impl PostgresContents {
    /// Reads the shape of a table on all servers.
    pub(super) async fn open(file: &TargetFile, table: &str) -> Result<PostgresContents, TargetError> {
        let roster = Roster::reading(file)?;
        let primary = &roster.primary;
        let name: String = primary.ask_value(&format!("select {}::regclass::text", literal(table))).await?;
        let columns = SharedColumns::of(&roster, &name).await?;
        let mut versions = vec![primary.version().await?];
        let mut origins = BTreeMap::from([(PRIMARY.to_owned(), Origin::Primary)]);
        for server in &roster.others {
            versions.push(server.version().await?);
            origins.insert(server.name.clone(), origin(primary, server, &name).await?);
        }
        let size = format!(
            "select greatest(reltuples, 0)::bigint, pg_relation_size(oid) from pg_class \
             where oid = {}::regclass",
            literal(&name)
        );
        let size = primary.ask_row(&size).await?;
        let SharedColumns { key, others, left_out } = columns;
        let table = ContentsTable {
            name: name.clone(),
            columns: others.iter().map(CatalogueColumn::compared).collect(),
            left_out,
            version: None,
            rules: Rules { retains: Retention::NewestRow, ..Rules::default() },
            rows: primary.get::<i64>(&size, 0)?.cast_unsigned(),
            bytes: primary.get::<i64>(&size, 1)?.cast_unsigned(),
            key: key.iter().map(|column| column.name.clone()).collect(),
        };
        let hash = ServerHash::common(&versions);
        let row_hash = hash.row(key.iter().chain(&others).map(|it| (it.name.as_str(), it.ty.as_str())));
        let version = versions.swap_remove(0);
        Ok(PostgresContents {
            roster,
            origins,
            version,
            table,
            name,
            key_types: key.into_iter().map(|column| column.ty).collect(),
            hash,
            row_hash,
            received: AtomicU64::new(0),
        })
    }

    /// The columns of the key, in its order.
    fn key_names(&self) -> String {
        let names: Vec<String> = self.table.key.iter().map(|name| quoted(name)).collect();
        names.join(", ")
    }

    /// A key as a row of constants.
    fn constants(&self, key: &str) -> String {
        let cells = key.split(KEY_SEPARATOR).zip(&self.key_types);
        let cells: Vec<String> = cells.map(|(cell, ty)| format!("{}::{ty}", literal(cell))).collect();
        format!("({})", cells.join(", "))
    }

    /// The key as one text.
    fn key_text(&self) -> String {
        let cells: Vec<String> =
            self.table.key.iter().map(|name| format!("{}::text", quoted(name))).collect();
        format!("concat_ws(chr(31), {})", cells.join(", "))
    }

    /// The condition for the rows of a chunk.
    fn within(&self, chunk: &Chunk) -> String {
        let bound = |name: &str, sign: &str| {
            let key = chunk.bounds[name].as_str()?;
            Some(format!("({}) {sign} {}", self.key_names(), self.constants(key)))
        };
        let bounds: Vec<String> = [bound("after", ">"), bound("to", "<=")].into_iter().flatten().collect();
        if bounds.is_empty() { "true".to_owned() } else { bounds.join(" and ") }
    }

    fn bucket(&self, of: u32) -> String {
        format!("(({} % {of}) + {of}) % {of}", self.hash.text(&self.key_text(), 7))
    }

    async fn ask(&self, server: &PostgresServer, sql: &str) -> Result<Vec<Row>, TargetError> {
        let rows = server.ask(sql, &[]).await?;
        let bytes: usize = rows.iter().map(Row::raw_size_bytes).sum();
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(rows)
    }

    fn row(&self, server: &PostgresServer, row: &Row) -> Result<ContentsRow, TargetError> {
        let key: String = server.get(row, 0)?;
        let cols = self.table.columns.iter().zip(1..).map(|(column, at)| {
            let text: Option<String> = server.get(row, at)?;
            Ok(text.map_or(Value::Null, |text| shown(column.ty, text)))
        });
        Ok(ContentsRow { key, cols: cols.collect::<Result<_, TargetError>>()?, deleted: false })
    }
}

/// What a server shows, letter by letter, unless it is a number or a boolean.
fn shown(ty: Type, text: String) -> Value {
    match ty {
        Type::Long => text.parse().map_or(Value::String(text.into()), Value::Long),
        Type::Double => text.parse().map_or(Value::String(text.into()), Value::double),
        Type::Boolean => Value::Boolean(text == "true"),
        _ => Value::String(text.into()),
    }
}

/// How a server gets the rows of a table.
async fn origin(
    primary: &PostgresServer,
    server: &PostgresServer,
    table: &str,
) -> Result<Origin, TargetError> {
    if server.is_standby().await? {
        return Ok(Origin::Standby);
    }
    let question = format!(
        "select subslotname::text from pg_subscription join pg_subscription_rel on srsubid = oid \
         where srrelid = {}::regclass and subslotname is not null",
        literal(table)
    );
    for row in server.ask(&question, &[]).await? {
        let slot: String = server.get(&row, 0)?;
        if position_of_slot(primary, &slot).await?.is_some() {
            return Ok(Origin::Subscriber(slot));
        }
    }
    Ok(Origin::Unknown)
}

#[async_trait]
impl Contents for PostgresContents {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn replicas(&self) -> Vec<String> {
        self.roster.servers().map(|server| server.name.clone()).collect()
    }

    fn authority(&self) -> Option<String> {
        let follows = |origin: &Origin| matches!(origin, Origin::Standby | Origin::Subscriber(_));
        self.origins.values().any(follows).then(|| PRIMARY.to_owned())
    }

    fn table(&self) -> &ContentsTable {
        &self.table
    }

    /// Walks along the primary key. The last chunk has no end, so that what is written behind it belongs
    /// to it.
    async fn chunks(&self, rows: u64) -> Result<Vec<Chunk>, TargetError> {
        let (mut chunks, mut after) = (Vec::new(), None::<String>);
        loop {
            let last = Chunk { number: chunks.len() as u32, bounds: json!({ "after": after }) };
            let question = format!(
                "select {} from {} where {} order by {} offset {} limit 1",
                self.key_text(),
                self.name,
                self.within(&last),
                self.key_names(),
                rows.saturating_sub(1),
            );
            let Some(row) = self.ask(&self.roster.primary, &question).await?.into_iter().next() else {
                chunks.push(last);
                return Ok(chunks);
            };
            let to: String = self.roster.primary.get(&row, 0)?;
            chunks.push(Chunk { bounds: json!({ "after": after, "to": to }), ..last });
            after = Some(to);
        }
    }

    async fn digests(
        &self,
        replica: &str,
        chunk: &Chunk,
        buckets: u32,
    ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
        let server = self.roster.named(replica)?;
        let bucket = if buckets == 1 { "0".to_owned() } else { self.bucket(buckets) };
        let question = format!(
            "select ({bucket})::bigint, count(*), coalesce(sum({}), 0)::text from {} where {} group by 1",
            self.row_hash,
            self.name,
            self.within(chunk),
        );
        let mut digests = vec![BucketDigest::default(); buckets as usize];
        for row in self.ask(server, &question).await? {
            let bucket = usize::try_from(server.get::<i64>(&row, 0)?).unwrap_or_default();
            let rows = server.get::<i64>(&row, 1)?.cast_unsigned();
            let digest = digests.get_mut(bucket).ok_or_else(|| server.invalid("no such bucket"))?;
            *digest = BucketDigest { rows, sum: server.get(&row, 2)? };
        }
        Ok(Some(digests))
    }

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let server = self.roster.named(replica)?;
        let condition = match scope {
            Scope::All => self.within(chunk),
            Scope::Bucket { bucket, of } => {
                format!("{} and {} = {bucket}", self.within(chunk), self.bucket(of))
            }
            Scope::Keys([]) => return Ok(Vec::new()),
            Scope::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| self.constants(key)).collect();
                format!("({}) in ({})", self.key_names(), keys.join(", "))
            }
        };
        let columns = self.table.columns.iter().map(|column| format!("{}::text", quoted(&column.name)));
        let selected: Vec<String> = std::iter::once(self.key_text()).chain(columns).collect();
        let question = format!("select {} from {} where {condition}", selected.join(", "), self.name);
        let rows = self.ask(server, &question).await?;
        rows.iter().map(|row| self.row(server, row)).collect()
    }

    async fn upstream(&self, _chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        let end: PgLsn = self.roster.primary.ask_value("select pg_current_wal_flush_lsn()").await?;
        Ok(Some(u64::from(end)))
    }

    async fn position(&self, replica: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        let server = self.roster.named(replica)?;
        match self.origins.get(replica) {
            Some(Origin::Primary) => self.upstream(chunk).await,
            Some(Origin::Standby) => {
                let at: Option<PgLsn> = server.ask_value("select pg_last_wal_replay_lsn()").await?;
                Ok(at.map(u64::from))
            }
            Some(Origin::Subscriber(slot)) => position_of_slot(&self.roster.primary, slot).await,
            Some(Origin::Unknown) | None => Ok(None),
        }
    }

    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        let mut samples = Vec::new();
        let all = Chunk { number: 0, bounds: json!({}) };
        for server in &self.roster.others {
            let Some(u1) = self.upstream(&all).await? else { continue };
            let Some(f) = self.position(&server.name, &all).await? else { continue };
            let u2 = self.upstream(&all).await?.unwrap_or(u1);
            let incarnation = server.ask_value::<i64>(&format!("select {STARTED}")).await?.cast_unsigned();
            let status = match self.origins.get(&server.name) {
                Some(Origin::Standby) => "standby",
                _ => "subscriber",
            };
            let (replica, status) = (server.name.clone(), status.to_owned());
            samples.push(PositionSample { replica, partition: 0, u1, f, u2, status, incarnation });
        }
        Ok(samples)
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
