//! Publication and subscriptions of a run's table: one subscription with a slot of its own for each
//! subscriber, both named `TABLE_REPLICA` (PostgreSQL manual, "Logical Replication").
//!
//! A subscriber connects to the primary by itself, with the address, user and password of the target file. It
//! keeps them in `pg_subscription`, which only superusers can read there, until the table is removed.

use super::server::PostgresServer;
use super::sql::{literal, quoted, table};
use crate::target_error::TargetError;
use tokio_postgres::types::{PgLsn, Type};

/// The name of a subscription and of its slot.
pub(super) fn name(table: &str, subscriber: &PostgresServer) -> String {
    format!("{table}_{}", subscriber.name)
}

/// Publishes the table at the primary.
pub(super) async fn publish(primary: &PostgresServer, of: &str) -> Result<(), TargetError> {
    primary.run(&format!("create publication {} for table {}", quoted(of), table(of))).await
}

/// Subscribes to the table, which exists and is empty on both sides. Returns once changes flow.
pub(super) async fn subscribe(
    primary: &PostgresServer,
    subscriber: &PostgresServer,
    of: &str,
) -> Result<(), TargetError> {
    let name = name(of, subscriber);
    let (connection, publication) = (literal(&primary.connection_string()), quoted(of));
    let subscribe = format!(
        "create subscription {} connection {connection} publication {publication} with (copy_data = false)",
        quoted(&name)
    );
    subscriber.run(&subscribe).await?;
    until_streaming(primary, &name).await
}

/// Waits until a subscription is connected to its slot.
pub(super) async fn until_streaming(primary: &PostgresServer, name: &str) -> Result<(), TargetError> {
    let active = format!(
        "select exists(select from pg_replication_slots where slot_name = {} and active)",
        literal(name)
    );
    primary.until(&format!("the subscription {name} connects"), &active).await
}

/// What the primary knows of a subscription.
pub(super) struct Standing {
    /// The subscriber has applied, and has on disk, every transaction whose commit lies at or below.
    pub(super) confirmed: Option<u64>,
    /// The state of the process that sends to it; `None` without one.
    pub(super) state: Option<String>,
}

/// Asks the primary how far a subscription has come.
///
/// A subscriber has one process, which applies a transaction as a whole before it reads on. It confirms what
/// is committed and flushed there; only while nothing waits for that, it confirms all that it has read
/// (`send_feedback` in `src/backend/replication/logical/worker.c`). So the position never runs ahead of what
/// is visible: a lock that stops the process stops the position too. On an idle primary the subscriber
/// confirms what keepalive messages tell, and reaches the end of the log. `latest_end_lsn` of
/// `pg_stat_subscription` does not survive a new connection, and the progress of the replication origin stays
/// at the last transaction of the table, below an end that other tables move.
pub(super) async fn standing(primary: &PostgresServer, name: &str) -> Result<Standing, TargetError> {
    let question = "select slot.confirmed_flush_lsn, sender.state from pg_replication_slots slot \
                    left join pg_stat_replication sender on sender.pid = slot.active_pid \
                    where slot.slot_name = $1";
    let rows = primary.ask(question, &[(&name, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(Standing { confirmed: None, state: None }) };
    let confirmed: Option<PgLsn> = primary.get(row, 0)?;
    Ok(Standing { confirmed: confirmed.map(u64::from), state: primary.get(row, 1)? })
}

/// The position that a replication slot of the primary has confirmed. None if there is no such slot.
pub(super) async fn position_of_slot(
    primary: &PostgresServer,
    slot: &str,
) -> Result<Option<u64>, TargetError> {
    Ok(standing(primary, slot).await?.confirmed)
}

/// Drops what a subscriber has of a table. Its slot stays, so this needs no primary.
pub(super) async fn unsubscribe(subscriber: &PostgresServer, of: &str) -> Result<(), TargetError> {
    let own = "select subname::text from pg_subscription \
               join pg_database on pg_database.oid = subdbid and datname = current_database() \
               where starts_with(subname::text, $1)";
    for row in subscriber.ask(own, &[(&format!("{of}_"), Type::TEXT)]).await? {
        let name = quoted(&subscriber.get::<String>(&row, 0)?);
        subscriber.run(&format!("alter subscription {name} disable")).await?;
        subscriber.run(&format!("alter subscription {name} set (slot_name = none)")).await?;
        subscriber.run(&format!("drop subscription {name}")).await?;
    }
    drop_conflict(subscriber, of).await
}

/// The function that a trigger on the table calls at a subscriber that is to skip a transaction.
pub(super) fn conflict(of: &str) -> String {
    table(&format!("{of}_conflict"))
}

/// Drops that function with its trigger, if it is there.
pub(super) async fn drop_conflict(subscriber: &PostgresServer, of: &str) -> Result<(), TargetError> {
    subscriber.run(&format!("drop function if exists {}() cascade", conflict(of))).await
}

/// Drops the publication of a table and the slots of its subscriptions. A slot that stays keeps the primary
/// from removing its log, so subscribers that did not answer lose theirs too.
pub(super) async fn unpublish(primary: &PostgresServer, of: &str) -> Result<(), TargetError> {
    let slots = format!(
        "from pg_replication_slots where starts_with(slot_name::text, {})",
        literal(&format!("{of}_"))
    );
    primary.run(&format!("select pg_terminate_backend(active_pid) {slots} and active")).await?;
    let inactive = format!("select not exists(select {slots} and active)");
    primary.until("the slots of the table become inactive", &inactive).await?;
    primary.run(&format!("select pg_drop_replication_slot(slot_name) {slots}")).await?;
    primary.run(&format!("drop publication if exists {}", quoted(of))).await
}
