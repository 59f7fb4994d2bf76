//! `postgres`: a PostgreSQL primary with physical standbys and logical subscribers.
//!
//! `url` of the target file is the primary, which is a replica too: its copy is compared with the others'.
//! `[servers]` names the others. A server in recovery is a standby, any other is a subscriber, to which each
//! run subscribes its own table (`subscription.rs`). Positions are positions in the primary's log.
//!
//! - The primary's `url` must be reachable from subscribers too, for they connect to it.
//! - All servers take the same user and password. TLS is not supported.
//! - Tables are made in the schema `public`.
//! - An update brings a subscriber the whole row, so one that was skipped is hidden by the next. Without the
//!   row it is dropped there, so a skipped insert takes the later updates of its key with it.
//! - The primary comes first in the roster. It neither replays nor applies: a plan with a fault of this
//!   module takes another replica, as `select = "last"` does.
//!
//! What the user needs, as measured with version 15:
//!
//! ```text
//! primary      LOGIN REPLICATION, pg_monitor, CREATE on the database and on the schema public
//! standby      nothing more: it has the roles of the primary
//! subscriber   SUPERUSER; since version 16 pg_create_subscription would do, but for skip-transaction
//! ```

mod catalogue;
mod contents;
mod digest;
mod faults;
mod outcome;
mod roster;
mod server;
mod sql;
mod store;
mod subscription;
mod value;

pub use store::PostgresStore;

use crate::adapter::capabilities::Refusal;
use crate::adapter::contents::Contents;
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::adapter::state::{FaultSite, StateStore, StateSystem};
use crate::config::error::InvalidValue;
use crate::config::limits::Limits;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use contents::PostgresContents;
use dissent_core::history::fault::FaultKind;
use roster::{PRIMARY, Roster};
use server::PostgresServer;
use std::sync::Arc;

/// Clusters of PostgreSQL.
pub struct Postgres;

#[async_trait]
impl StateSystem for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn about(&self) -> &'static str {
        "a PostgreSQL primary with its standbys and logical subscribers"
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        &[
            "on every server: `LOGIN`, and `CONNECT` on the database",
            "`USAGE` on the schema of the table",
            "`SELECT` on the table",
            "`BYPASSRLS` if the table has row security",
        ]
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        roster::check(file)
    }

    fn can(&self, file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
        faults::can(file, kind)
    }

    async fn connect(&self, file: &TargetFile) -> Result<Arc<dyn StateStore>, TargetError> {
        Ok(Arc::new(PostgresStore::connect(file).await?))
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        Ok(Arc::new(PostgresContents::open(file, table).await?))
    }

    /// Names who receives the primary's log. Where they listen is not known there, so their port is a guess;
    /// so is their host, where only a superuser may see it.
    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        let access = wanted.access();
        let primary =
            PostgresServer::new(PRIMARY, &wanted.url, access.credentials.as_ref(), &Limits::default())?;
        let receivers = "select application_name, host(client_addr), coalesce(state, 'unknown'), \
                         current_database()::text from pg_stat_replication order by application_name, pid";
        let mut discovery = Discovery { version: primary.version().await?, ..Discovery::default() };
        for (number, row) in (1..).zip(primary.ask(receivers, &[]).await?) {
            let (application, host): (String, Option<String>) =
                (primary.get(&row, 0)?, primary.get(&row, 1)?);
            let (state, database): (String, String) = (primary.get(&row, 2)?, primary.get(&row, 3)?);
            match (&host, discovery.guessed) {
                (None, _) => discovery.guessed = "every host and port",
                (Some(_), "") => discovery.guessed = "every port",
                _ => {}
            }
            let host = host.unwrap_or_else(|| "localhost".to_owned());
            discovery.found.push(format!("`{application}` on {host} receives the log: {state}"));
            let is_new = discovery.servers.iter().all(|(name, _)| *name != application);
            let is_name = sql::is_plain(&application) && application != PRIMARY && is_new;
            let name = if is_name { application } else { format!("replica_{number}") };
            discovery.servers.push((name, format!("postgres://{host}:5432/{database}")));
        }
        Ok(discovery)
    }

    async fn begin(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        faults::begin(&Roster::new(at.file)?, at).await
    }

    async fn heal(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        faults::heal(&Roster::new(at.file)?, at).await
    }
}
