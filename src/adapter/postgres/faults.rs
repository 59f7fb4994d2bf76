//! Faults by PostgreSQL's own means.
//!
//! - *lock-table*, on a subscriber: a session holds a lock that readers pass and the applying process does
//!   not. Needs the right to write to the table.
//! - *long-snapshot*, on a standby: a session keeps a snapshot that still sees row versions which the
//!   primary's vacuum removes, so replay waits (PostgreSQL manual, "Handling Query Conflicts"). It lasts as
//!   long as `max_standby_streaming_delay` of the standby allows, -1 for ever, and cannot begin while the
//!   standby's `hot_standby_feedback` is on.
//! - *skip-transaction*, on a subscriber: an insert meets a conflict, which is resolved as operators do: by
//!   skipping its transaction (PostgreSQL manual, "Logical Replication", "Conflicts"). It is an insert since
//!   the next update of a row brings the whole row, and would hide that one was skipped. Needs a superuser on
//!   the subscriber, and `REPLICATION` on the primary. The subscriber stands still meanwhile, for up to its
//!   `wal_retrieve_retry_interval`.
//!
//! A session carries the fault's mark as its name. It lives in the process that began it: if that dies, the
//! server ends the session, and the fault.

use super::roster::Roster;
use super::server::{PAUSE, PostgresServer};
use super::sql::{literal, quoted, table};
use super::store::PINNED;
use super::subscription;
use crate::adapter::capabilities::Refusal;
use crate::adapter::state::FaultSite;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use dissent_core::history::fault::FaultKind;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::types::{PgLsn, Type};

/// The server shall not end a session that does nothing, but one whose other end has vanished with its
/// machine: after 25 s (PostgreSQL manual, "Connections and Authentication").
const STAY: &str = "set idle_in_transaction_session_timeout = 0; set tcp_keepalives_idle = 10; \
                    set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3";

/// Which faults there are.
pub(super) fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::LockTable | FaultKind::LongSnapshot | FaultKind::SkipTransaction => {
            match file.servers.is_empty() {
                true => "the target file names no standby or subscriber under [servers]",
                false => return Ok(()),
            }
        }
        _ => "PostgreSQL has nothing like it",
    };
    Err(Refusal { target: file.system.clone(), fault: kind, reason: reason.to_owned() })
}

/// Begins a fault, and returns once it is in force.
pub(super) async fn begin(roster: &Roster, at: &FaultSite<'_>) -> Result<(), TargetError> {
    let (primary, replica) = (&roster.primary, roster.named(&at.fault.replica)?);
    let is_standby = replica.is_standby().await?;
    let is_primary = replica.name == primary.name;
    match at.fault.kind {
        FaultKind::LongSnapshot if is_standby => hold_snapshot(primary, replica, at).await,
        FaultKind::LongSnapshot => Err(replica.refused("only a standby waits for the queries of others")),
        _ if is_standby || is_primary => Err(replica.refused("only a subscriber applies transactions")),
        FaultKind::LockTable => lock(replica, at).await,
        FaultKind::SkipTransaction => skip(primary, replica, at.table).await,
        _ => Err(replica.refused("PostgreSQL has no such fault")),
    }
}

/// Undoes a fault, and returns once it is undone.
pub(super) async fn heal(roster: &Roster, at: &FaultSite<'_>) -> Result<(), TargetError> {
    let replica = roster.named(&at.fault.replica)?;
    if at.fault.kind == FaultKind::SkipTransaction {
        return end_conflict(replica, at.table).await;
    }
    let marked = format!("from pg_stat_activity where application_name = left({}, 63)", literal(at.mark));
    replica.run(&format!("select pg_terminate_backend(pid) {marked}")).await?;
    let gone = format!("select not exists(select {marked})");
    replica.until(&format!("the session {} ends", at.mark), &gone).await
}

/// Keeps a session until the server ends it.
fn keep(session: Client) {
    tokio::spawn(async move {
        while !session.is_closed() {
            sleep(Duration::from_secs(1)).await;
        }
    });
}

/// Locks the table against writers, but not against readers (PostgreSQL manual, "Explicit Locking").
async fn lock(subscriber: &PostgresServer, at: &FaultSite<'_>) -> Result<(), TargetError> {
    let session = subscriber.open(at.mark).await?;
    let lock = format!("{STAY}; begin; lock table {} in share mode", table(at.table));
    subscriber.within(session.batch_execute(&lock)).await?;
    keep(session);
    Ok(())
}

/// Keeps a snapshot on a standby, and lets the primary remove row versions that it sees until replay waits.
/// They are those of a table of their own, since any table of the database will do.
async fn hold_snapshot(
    primary: &PostgresServer,
    standby: &PostgresServer,
    at: &FaultSite<'_>,
) -> Result<(), TargetError> {
    if standby.ask_value("select current_setting('hot_standby_feedback')::bool").await? {
        return Err(standby.refused("hot_standby_feedback is on: the primary keeps what its queries see"));
    }
    let pinned = table(&format!("{}{PINNED}", at.table));
    primary.run(&format!("create table if not exists {pinned} (n bigint)")).await?;
    primary.run(&format!("insert into {pinned} values (0)")).await?;
    let session = standby.open(at.mark).await?;
    let begin = format!("{STAY}; begin isolation level repeatable read");
    let look = format!("{begin}; select from {} limit 1", table(at.table));
    standby.within(session.batch_execute(&look)).await?;
    let waits = "select exists(select from pg_stat_activity where backend_type = 'startup' \
                 and wait_event = 'RecoveryConflictSnapshot')";
    let end = Instant::now() + standby.timeout();
    while !standby.ask_value::<bool>(waits).await? {
        if Instant::now() > end {
            return Err(standby.refused("replay does not wait for the snapshot"));
        }
        primary.run(&format!("update {pinned} set n = n + 1")).await?;
        primary.run(&format!("vacuum (truncate false) {pinned}")).await?;
        sleep(PAUSE).await;
    }
    keep(session);
    Ok(())
}

/// Lets a subscriber fail to apply the next insert, and makes it go on behind that transaction.
async fn skip(primary: &PostgresServer, subscriber: &PostgresServer, of: &str) -> Result<(), TargetError> {
    begin_conflict(subscriber, of).await?;
    let skipped = pass_over(primary, subscriber, of).await;
    end_conflict(subscriber, of).await?;
    skipped?;
    subscription::until_streaming(primary, &subscription::name(of, subscriber)).await
}

/// A trigger that fires for the applying process alone refuses inserts.
async fn begin_conflict(subscriber: &PostgresServer, of: &str) -> Result<(), TargetError> {
    let (function, on) = (subscription::conflict(of), table(of));
    let create = format!(
        "create function {function}() returns trigger language plpgsql as \
         $$ begin raise exception 'a conflict made by dissent'; end $$; \
         create trigger conflict before insert on {on} for each row execute function {function}(); \
         alter table {on} enable replica trigger conflict"
    );
    subscriber.run(&create).await
}

/// Removes the trigger, and enables the subscription if it is disabled.
async fn end_conflict(subscriber: &PostgresServer, of: &str) -> Result<(), TargetError> {
    subscription::drop_conflict(subscriber, of).await?;
    let name = subscription::name(of, subscriber);
    let disabled = "select exists(select from pg_subscription where not subenabled and subname =";
    match subscriber.ask_value(&format!("{disabled} {})", literal(&name))).await? {
        true => subscriber.run(&format!("alter subscription {} enable", quoted(&name))).await,
        false => Ok(()),
    }
}

/// Waits until the applying process has failed, disables the subscription, and moves its origin behind the
/// transaction that is next.
async fn pass_over(
    primary: &PostgresServer,
    subscriber: &PostgresServer,
    of: &str,
) -> Result<(), TargetError> {
    let plain = subscription::name(of, subscriber);
    let name = literal(&plain);
    let inactive =
        format!("select not exists(select from pg_replication_slots where slot_name = {name} and active)");
    primary.until("an insert meets the conflict", &inactive).await?;
    subscriber.run(&format!("alter subscription {} disable", quoted(&plain))).await?;
    let workers = format!("select from pg_stat_subscription where subname = {name} and pid is not null");
    subscriber.until("the applying process ends", &format!("select not exists({workers})")).await?;
    primary.until("the slot becomes inactive", &inactive).await?;
    let origin = format!("(select 'pg_' || oid from pg_subscription where subname = {name}) as o(x)");
    let progress = format!("select pg_replication_origin_progress(x, true) from {origin}");
    let progress: Option<PgLsn> = subscriber.ask_value(&progress).await?;
    let next = next_commit(primary, &name, of, progress.map_or(0, u64::from)).await?;
    let advance = format!("select pg_replication_origin_advance(x, $1) from {origin}");
    subscriber.ask(&advance, &[(&PgLsn::from(next), Type::PG_LSN)]).await?;
    Ok(())
}

/// The end of the first transaction that changes the table and ends above a position. Waits for one.
async fn next_commit(primary: &PostgresServer, slot: &str, of: &str, above: u64) -> Result<u64, TargetError> {
    let peek = format!(
        "select lsn, get_byte(data, 0) from pg_logical_slot_peek_binary_changes({slot}, null, null, \
         'proto_version', '1', 'publication_names', {})",
        literal(&quoted(of))
    );
    let end = Instant::now() + primary.timeout();
    while Instant::now() < end {
        let messages = primary.ask(&peek, &[]).await?;
        let read = |row| Ok((u64::from(primary.get::<PgLsn>(row, 0)?), primary.get(row, 1)?));
        let messages: Vec<(u64, i32)> = messages.iter().map(read).collect::<Result<_, TargetError>>()?;
        if let Some(commit) = first_commit(&messages, above) {
            return Ok(commit);
        }
        sleep(PAUSE).await;
    }
    Err(primary.refused("nothing was written to the table that could be skipped"))
}

/// The position of the first commit above a position that follows a change. Messages begin with a letter:
/// insert, update, delete, truncate and commit (PostgreSQL manual, "Logical Replication Message Formats").
fn first_commit(messages: &[(u64, i32)], above: u64) -> Option<u64> {
    let mut changed = false;
    messages.iter().find_map(|(at, letter)| {
        let letter = u8::try_from(*letter).unwrap_or_default();
        let is_end = letter == b'C';
        let found = is_end && changed && *at > above;
        changed = !is_end && (changed || b"IUDT".contains(&letter));
        found.then_some(*at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_transaction_that_changes_something_is_found() {
        let of = |text: &str| {
            let letters = text.split(' ').map(|word| word.split_at(1));
            letters
                .map(|(letter, at)| (at.parse().expect("a number"), i32::from(letter.as_bytes()[0])))
                .collect::<Vec<(u64, i32)>>()
        };
        let messages = of("B10 C11 B20 R0 I21 U22 C23 B30 D31 C32 B40 I41");
        assert_eq!(first_commit(&messages, 0), Some(23));
        assert_eq!(first_commit(&messages, 22), Some(23));
        assert_eq!(first_commit(&messages, 23), Some(32));
        assert_eq!(first_commit(&messages, 32), None, "its commit is not there yet");
    }
}
