//! Tables, writes, positions and rows.

use super::roster::Roster;
use super::server::PostgresServer;
use super::sql::{self, STARTED, literal};
use super::{outcome, subscription, value};
use crate::adapter::capabilities::{Leftover, RowSink};
use crate::adapter::state::cluster::TABLE_PREFIX;
use crate::adapter::state::{ReplicaState, StateRow, StateStore};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::{PgLsn, ToSql, Type};
use tokio_postgres::{Client, Error, IsolationLevel};

/// The maximum number of writes at a time. A server has 100 connections by default.
const WRITES_MAX: usize = 8;
/// The rows that are held in memory of one read.
const ROWS_AT_A_TIME: i32 = 1_000;
/// The end of the name of the table whose row versions a long snapshot keeps from being removed.
pub(super) const PINNED: &str = "_pinned";

/// The size of a page of the log (`wal_block_size`).
const PAGE: u64 = 8_192;

/// How a server gets its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerKind {
    /// It takes the writes.
    Primary,
    /// It replays the log of the primary.
    Standby,
    /// It subscribes to tables of the primary.
    Subscriber,
}

/// A cluster that has answered.
pub struct PostgresStore {
    roster: Roster,
    kinds: BTreeMap<String, ServerKind>,
    version: String,
    writes: Semaphore,
    /// The table of the run, once it is made. A subscriber has no position but that of its subscription.
    table: Mutex<Option<String>>,
    /// The largest position of each subscriber, with the life in which it was reached.
    reached: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl PostgresStore {
    /// Reaches every server.
    pub(super) async fn connect(file: &TargetFile) -> Result<PostgresStore, TargetError> {
        let roster = Roster::new(file)?;
        let primary = &roster.primary;
        if primary.is_standby().await? {
            return Err(primary.refused("it is a standby: give the URL of the primary as `url`"));
        }
        let mut kinds = BTreeMap::from([(primary.name.clone(), ServerKind::Primary)]);
        for server in &roster.others {
            let is_standby = server.is_standby().await?;
            let kind = if is_standby { ServerKind::Standby } else { ServerKind::Subscriber };
            kinds.insert(server.name.clone(), kind);
        }
        let version = primary.version().await?;
        let writes = Semaphore::new(WRITES_MAX);
        let (table, reached) = (Mutex::default(), Mutex::default());
        Ok(PostgresStore { roster, kinds, version, writes, table, reached })
    }

    fn of_kind(&self, kind: ServerKind) -> impl Iterator<Item = &PostgresServer> {
        self.roster.others.iter().filter(move |server| self.kinds.get(&server.name) == Some(&kind))
    }

    fn table(&self) -> Option<String> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn flushed(&self) -> Result<u64, TargetError> {
        let end: PgLsn = self.roster.primary.ask_value("select pg_current_wal_flush_lsn()").await?;
        Ok(u64::from(end))
    }

    async fn primary_state(&self) -> Result<ReplicaState, TargetError> {
        let primary = &self.roster.primary;
        let row = primary.ask_row(&format!("select {STARTED}, pg_current_wal_flush_lsn()")).await?;
        Ok(ReplicaState {
            incarnation: primary.get::<i64>(&row, 0)?.cast_unsigned(),
            status: "primary".to_owned(),
            leads: Some(true),
            position: Some(u64::from(primary.get::<PgLsn>(&row, 1)?)),
        })
    }

    /// The state of a standby. What it has replayed is visible there.
    async fn standby_state(&self, server: &PostgresServer) -> Result<ReplicaState, TargetError> {
        let question = format!(
            "select {STARTED}, pg_last_wal_replay_lsn(), \
             case when not pg_is_in_recovery() then 'promoted' \
             when pg_is_wal_replay_paused() then 'replay paused' \
             else coalesce((select status from pg_stat_wal_receiver), 'not connected') end"
        );
        let row = server.ask_row(&question).await?;
        let position: Option<PgLsn> = server.get(&row, 1)?;
        let status: String = server.get(&row, 2)?;
        Ok(ReplicaState {
            incarnation: server.get::<i64>(&row, 0)?.cast_unsigned(),
            leads: Some(status == "promoted"),
            status,
            position: position.map(u64::from),
        })
    }

    /// The state of a subscriber. Its position is read before its life, so that it is never younger.
    async fn subscriber_state(&self, server: &PostgresServer) -> Result<ReplicaState, TargetError> {
        let name = self.table().map(|table| subscription::name(&table, server)).unwrap_or_default();
        let standing = subscription::standing(&self.roster.primary, &name).await?;
        let question = format!(
            "select {STARTED}, coalesce((select subenabled from pg_subscription where subname = {}), true)",
            literal(&name)
        );
        let row = server.ask_row(&question).await?;
        let incarnation = server.get::<i64>(&row, 0)?.cast_unsigned();
        let status = match standing.state {
            _ if !server.get::<bool>(&row, 1)? => "disabled".to_owned(),
            state => state.unwrap_or_else(|| "not connected".to_owned()),
        };
        let position = standing.confirmed.map(|confirmed| self.reached(server, incarnation, confirmed));
        Ok(ReplicaState { incarnation, status, leads: Some(false), position })
    }

    /// The largest position that a subscriber has confirmed in this life. What it has applied stays applied,
    /// but a primary that crashes forgets what was confirmed since its last checkpoint (PostgreSQL manual,
    /// "Replication Slots").
    fn reached(&self, server: &PostgresServer, incarnation: u64, confirmed: u64) -> u64 {
        let mut all = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(&server.name).filter(|(life, _)| *life == incarnation);
        let position = before.map_or(confirmed, |(_, most)| confirmed.max(*most));
        all.insert(server.name.clone(), (incarnation, position));
        position
    }

    /// A connection to the primary for one write.
    /// Drops the subscriptions, slots and publication of a table, also where a subscriber does not answer.
    async fn end_replication(&self, table: &str) -> Result<(), TargetError> {
        let mut ended = Ok(());
        for subscriber in self.of_kind(ServerKind::Subscriber) {
            ended = ended.and(subscription::unsubscribe(subscriber, table).await);
        }
        subscription::unpublish(&self.roster.primary, table).await?;
        ended
    }

    async fn writer(&self) -> Option<(tokio::sync::SemaphorePermit<'_>, Client)> {
        let turn = self.writes.acquire().await.ok()?;
        Some((turn, self.roster.primary.client().await.ok()?))
    }
}

/// Sends a write. The answer is complete when the transaction is committed.
async fn send(client: &Client, schema: &Schema, op: &Op) -> Result<u64, Error> {
    let (statement, given) = match op.delete {
        true => (sql::delete(schema), value::of_delete(op)),
        false => (sql::upsert(schema), value::of_upsert(schema, op)),
    };
    let given: Vec<(&(dyn ToSql + Sync), Type)> =
        given.iter().map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone())).collect();
    client.execute_typed(&statement, &given).await
}

#[async_trait]
impl StateStore for PostgresStore {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn replicas(&self) -> Vec<String> {
        self.roster.servers().map(|server| server.name.clone()).collect()
    }

    fn lacks(&self) -> &'static [Merge] {
        &[]
    }

    fn retains(&self) -> Retention {
        Retention::NewestRow
    }

    fn deletes(&self) -> bool {
        true
    }

    /// Twice the time after which a subscriber that lost its connection tries again
    /// (`wal_retrieve_retry_interval`, 5 s by default).
    fn frozen_floor(&self) -> Nanos {
        Nanos(10_000_000_000)
    }

    /// The comment on the table names the run. The primary's table is the first thing made and the last one
    /// removed, so that `leftovers` knows whatever else there is.
    async fn make_table(&self, run: &str, schema: &Schema) -> Result<(), TargetError> {
        let (primary, name) = (&self.roster.primary, schema.table.as_str());
        if !sql::is_plain(name) {
            return Err(primary.refused(format!("`{name}` cannot be the name of a table with slots")));
        }
        let create = sql::create(schema);
        let comment = format!("comment on table {} is {}", sql::table(name), literal(run));
        primary.run(&format!("{create}; {comment}")).await?;
        if self.of_kind(ServerKind::Subscriber).next().is_some() {
            subscription::publish(primary, name).await?;
        }
        for subscriber in self.of_kind(ServerKind::Subscriber) {
            subscriber.run(&create).await?;
            subscription::subscribe(primary, subscriber, name).await?;
        }
        let visible = format!("select to_regclass({}) is not null", literal(&sql::table(name)));
        for standby in self.of_kind(ServerKind::Standby) {
            standby.until("the table appears", &visible).await?;
        }
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
        Ok(())
    }

    /// A server has few workers and slots, a slot keeps the primary's log, and a subscription holds the
    /// password.
    async fn end(&self) {
        if let Some(table) = self.table() {
            let _left_to_clean = self.end_replication(&table).await;
        }
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        let primary = &self.roster.primary;
        let tables = "select relname::text, obj_description(oid, 'pg_class') from pg_class \
                      where relkind = 'r' and relnamespace = 'public'::regnamespace \
                      and starts_with(relname::text, $1) and right(relname::text, length($2)) <> $2 \
                      order by relname";
        let found = primary.ask(tables, &[(&TABLE_PREFIX, Type::TEXT), (&PINNED, Type::TEXT)]).await?;
        let leftover = |row| Ok(Leftover { table: primary.get(row, 0)?, run: primary.get(row, 1)? });
        found.iter().map(leftover).collect()
    }

    async fn remove(&self, table: &str) -> Result<(), TargetError> {
        let primary = &self.roster.primary;
        let drop = format!("drop table if exists {}", sql::table(table));
        let mut dropped = self.end_replication(table).await;
        for subscriber in self.of_kind(ServerKind::Subscriber) {
            dropped = dropped.and(subscriber.run(&drop).await);
        }
        dropped?;
        primary.run(&format!("drop table if exists {}", sql::table(&format!("{table}{PINNED}")))).await?;
        primary.run(&drop).await
    }

    async fn write(&self, schema: &Schema, op: &Op) -> OpOutcome {
        let primary = &self.roster.primary;
        let end = Instant::now() + primary.timeout();
        // Without a connection nothing was sent.
        let Ok(Some((_turn, client))) = timeout_at(end, self.writer()).await else {
            return OpOutcome::Failed;
        };
        match timeout_at(end, send(&client, schema, op)).await {
            Ok(Ok(_)) => {
                primary.keep(client);
                OpOutcome::Ok
            }
            Ok(Err(error)) => outcome::after(&error),
            Err(_) => OpOutcome::Unknown,
        }
    }

    /// The end of the log that is on disk. A commit is there before it is acknowledged, since connections
    /// set `synchronous_commit`.
    ///
    /// An end between two pages may lie within a record, of a transaction of others that is still open. No
    /// replica gets there before the rest is on disk too, which took 10 s on an otherwise idle server. A
    /// commit of ours takes it there at once.
    async fn upstream(&self) -> Result<Option<u64>, TargetError> {
        let end = self.flushed().await?;
        if !end.is_multiple_of(PAGE) || self.table().is_none() {
            return Ok(Some(end));
        }
        self.roster.primary.run("select pg_logical_emit_message(true, 'dissent', '')").await?;
        self.flushed().await.map(Some)
    }

    async fn replica(&self, replica: &str) -> Result<ReplicaState, TargetError> {
        let server = self.roster.named(replica)?;
        match self.kinds.get(replica) {
            Some(ServerKind::Standby) => self.standby_state(server).await,
            Some(ServerKind::Subscriber) => self.subscriber_state(server).await,
            Some(ServerKind::Primary) | None => self.primary_state().await,
        }
    }

    async fn rows(
        &self,
        schema: &Schema,
        replica: &str,
        out: RowSink<'_, StateRow>,
    ) -> Result<(), TargetError> {
        let server = self.roster.named(replica)?;
        let mut client = server.client().await?;
        let reading = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let reading = server.within(reading.read_only(true).start()).await?;
        let portal = server.within(reading.bind(&sql::select(schema), &[])).await?;
        loop {
            let rows = server.within(reading.query_portal(&portal, ROWS_AT_A_TIME)).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                out(value::row(schema, row).map_err(|error| server.invalid(error))?);
            }
        }
        server.within(reading.commit()).await?;
        server.keep(client);
        Ok(())
    }
}
