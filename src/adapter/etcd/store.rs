//! One etcd cluster: its members, writes through them, and raw reads of each.

use super::cells::{self, RowCells, TableCells};
use super::gateway::{Failure, Gateway, after, base64, no_members};
use super::wire::{Cell, MemberList, MemberStatus, RANGE, Range};
use crate::adapter::capabilities::{Leftover, RowSink};
use crate::adapter::state::{ReplicaState, StateRow, StateStore};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::seed::number_of;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

const STATUS: &str = "/v3/maintenance/status";
const TXN: &str = "/v3/kv/txn";

/// A new leader is elected within a few times the election timeout, which is 1 s by default.
const FROZEN_FLOOR: Nanos = Nanos(5_000_000_000);

/// The number of keys that one transaction puts. A member takes 128 at most, by default.
const PUTS: u32 = 100;

/// A cluster of etcd that was reached.
pub struct EtcdStore {
    gateway: Arc<Gateway>,
    version: String,
    /// The client URLs of the members, by the names that the roster gives them.
    members: BTreeMap<String, String>,
    /// The names of all members, learners included, by their ids.
    names: BTreeMap<u64, String>,
    /// A key that the user may read.
    fence: String,
    patience: Duration,
    /// How far the history of each replica has been folded.
    folds: Mutex<BTreeMap<String, Fold>>,
}

/// The table of one replica as of some revision.
struct Fold {
    next: u64,
    table: TableCells,
}

impl EtcdStore {
    /// Reaches the cluster of a target file. Its members are those that the file names, or else all that
    /// vote and have started.
    pub async fn reach(file: &TargetFile) -> Result<EtcdStore, TargetError> {
        let given = file.servers.iter().map(|(name, url)| (name.clone(), bare(url)));
        let given: BTreeMap<String, String> = given.collect();
        let urls = std::iter::once(bare(&file.url)).chain(given.values().cloned());
        let mut gateway = Gateway::new(file, urls.collect())?;
        let listed: MemberList = gateway.any("/v3/cluster/member/list", &json!({})).await?;
        let status: MemberStatus = gateway.any(STATUS, &json!({})).await?;
        let voters = listed.members.iter().filter(|member| !member.is_learner);
        let voters = voters.filter_map(|member| Some((member.name.clone(), bare(member.urls.first()?))));
        let members = if given.is_empty() { voters.collect() } else { given };
        gateway.members = members.values().cloned().collect();
        Ok(EtcdStore {
            gateway: Arc::new(gateway),
            version: status.version,
            members,
            names: listed.members.into_iter().map(|member| (member.id, member.name)).collect(),
            fence: cells::table(""),
            patience: Duration::from_nanos(file.limits.query_timeout.0),
            folds: Mutex::default(),
        })
    }

    /// The same cluster, of a user who may read this key.
    pub(super) fn fenced_by(self, key: &str) -> EtcdStore {
        EtcdStore { fence: key.to_owned(), ..self }
    }

    /// The client of all members.
    pub(super) fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// The members with their client URLs.
    pub(super) fn servers(&self) -> Vec<(String, String)> {
        self.members.clone().into_iter().collect()
    }

    /// The client URL of a member.
    pub(super) fn url(&self, replica: &str) -> Result<&str, TargetError> {
        let cause = || "the cluster has no such member that votes".to_owned();
        let url = self.members.get(replica).map(String::as_str);
        url.ok_or_else(|| TargetError::Refused { at: replica.to_owned(), cause: cause() })
    }

    /// Writes an op at one member. Whether its comparisons held there.
    async fn write_at(&self, member: &str, schema: &Schema, op: &Op) -> Result<bool, Failure> {
        // Nothing has been sent that changes anything.
        let undone = |error| Failure { error, is_undone: true };
        let mut held = RowCells::default();
        if cells::depends(schema, op) {
            let row = cells::row(&schema.table, &op.key);
            let found = self.gateway.range(member, &row, json!({})).await.map_err(undone)?;
            let mut table = TableCells::default();
            table.put(&schema.table, found.kvs);
            held = table.0.remove(&*op.key).unwrap_or_default();
        }
        let request = cells::transaction(schema, op, &held).map_err(undone)?;
        let answer: Json = self.gateway.call(member, TXN, &request).await?;
        Ok(answer["succeeded"] == true)
    }

    /// Writes an op at the first member, from one that its key chooses, that does not certainly leave it
    /// undone.
    async fn write_in_turn(&self, schema: &Schema, op: &Op) -> OpOutcome {
        let count = self.members.len();
        let first = number_of(&[&op.key]) % (count as u64).max(1);
        for member in self.members.values().cycle().skip(first as usize).take(count) {
            match self.write_at(member, schema, op).await {
                Ok(true) => return OpOutcome::Ok,
                // The session owns the key alone. So if its cells differ from what was read, members
                // disagree, and others may have found them equal.
                Ok(false) => return OpOutcome::Unknown,
                Err(failure) if failure.is_undone => {}
                Err(_) => return OpOutcome::Unknown,
            }
        }
        OpOutcome::Failed
    }

    /// The revisions that created the table and that wrote to a row last, at one member.
    async fn extent(&self, member: &str, table: &str) -> Result<(u64, u64), TargetError> {
        let more = json!({"serializable": true, "keys_only": true, "limit": "1",
                          "sort_order": "DESCEND", "sort_target": "MOD"});
        let newest = self.gateway.range(member, &cells::rows(table), more).await?;
        let run = json!({"key": base64(&cells::run(table)), "serializable": true});
        let run: Range = self.gateway.call(member, RANGE, &run).await?;
        let first = run.kvs.first().map_or(1, |cell| cell.create_revision);
        Ok((first, newest.kvs.first().map_or(0, |cell| cell.mod_revision)))
    }

    /// The table of a replica as of just before a revision. Folded from the beginning unless that is where
    /// the last call ended.
    fn fold(&self, replica: &str, from: u64, first: u64) -> Fold {
        let fold = self.folds.lock().unwrap_or_else(PoisonError::into_inner).remove(replica);
        let fold = fold.filter(|fold| fold.next == from);
        fold.unwrap_or_else(|| Fold { next: first, table: TableCells::default() })
    }

    /// The name of a member.
    fn name(&self, id: u64) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| format!("{id:x}"))
    }

    /// What a member says of itself, in few words.
    fn words(&self, status: &MemberStatus) -> String {
        let part = match status.leader {
            0 => "without a leader".to_owned(),
            _ if status.leads() => "leader".to_owned(),
            leader => format!("follower of {}", self.name(leader)),
        };
        let errors: Vec<&str> = status.errors.iter().map(|error| error.trim()).collect();
        let errors = if errors.is_empty() { "no alarm".to_owned() } else { errors.join(", ") };
        format!("{part}, revision {}, {errors}", status.header.revision)
    }
}

fn bare(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// A linearizable read, and then how far the member has applied the log. The read waits until the member has
/// applied all that was committed when it came (`linearizableReadLoop` in etcd's `v3_server.go`).
async fn applied(gateway: Arc<Gateway>, member: String, fence: String) -> Result<u64, TargetError> {
    let read = json!({"key": base64(&fence), "keys_only": true});
    gateway.call::<Range>(&member, RANGE, &read).await?;
    let status: MemberStatus = gateway.call(&member, STATUS, &json!({})).await?;
    Ok(status.applied)
}

#[async_trait]
impl StateStore for EtcdStore {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn replicas(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn lacks(&self) -> &'static [Merge] {
        &[]
    }

    fn retains(&self) -> Retention {
        Retention::NewestRowAndHistory
    }

    /// A deleted row would not show which op deleted it.
    fn deletes(&self) -> bool {
        false
    }

    fn guards(&self) -> bool {
        true
    }

    fn frozen_floor(&self) -> Nanos {
        FROZEN_FLOOR
    }

    async fn make_table(&self, run: &str, schema: &Schema) -> Result<(), TargetError> {
        let mark = cells::run(&schema.table);
        let request = json!({
            "compare": [{"key": base64(&mark), "target": "VERSION", "result": "EQUAL", "version": "0"}],
            "success": [{"request_put": {"key": base64(&mark), "value": base64(run)}}],
        });
        let made: Json = self.gateway.any(TXN, &request).await?;
        if made["succeeded"] != true {
            let cause = "the table exists; remove it with `dissent clean`".to_owned();
            return Err(TargetError::Refused { at: schema.table.clone(), cause });
        }
        for first in (0..schema.guard_keys).step_by(PUTS as usize) {
            let numbers = first..schema.guard_keys.min(first + PUTS);
            let keys = numbers.map(|number| format!("{}{number:06}", cells::ballast(&schema.table)));
            let puts: Vec<Json> = keys.map(|key| json!({"request_put": {"key": base64(&key)}})).collect();
            self.gateway.any::<Json>(TXN, &json!({"success": puts})).await?;
        }
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        let mut leftovers = Vec::new();
        let mut from = cells::ROOT.to_owned();
        // From the first key of a table to the first key of the next: their cells need not be read.
        loop {
            let next = json!({"key": base64(&from), "range_end": base64(&after(cells::ROOT)),
                              "keys_only": true, "limit": "1"});
            let next: Range = self.gateway.any(RANGE, &next).await?;
            let name = next.kvs.first().and_then(|cell| cell.key.strip_prefix(cells::ROOT));
            let Some(name) = name else { return Ok(leftovers) };
            let name = name.split('/').next().unwrap_or_default();
            let run = json!({"key": base64(&cells::run(name))});
            let run: Range = self.gateway.any(RANGE, &run).await?;
            let run = run.kvs.into_iter().next().map(|cell| cell.value);
            from = after(&cells::table(name));
            leftovers.push(Leftover { table: name.to_owned(), run });
        }
    }

    async fn remove(&self, table: &str) -> Result<(), TargetError> {
        let prefix = cells::table(table);
        let request = json!({"key": base64(&prefix), "range_end": base64(&after(&prefix))});
        self.gateway.any::<Json>("/v3/kv/deleterange", &request).await.map(drop)
    }

    async fn write(&self, schema: &Schema, op: &Op) -> OpOutcome {
        if op.delete {
            return OpOutcome::Failed;
        }
        let written = tokio::time::timeout(self.patience, self.write_in_turn(schema, op)).await;
        written.unwrap_or(OpOutcome::Unknown)
    }

    async fn upstream(&self) -> Result<Option<u64>, TargetError> {
        // All at once: one that is stopped must not delay the answer of another.
        let members = self.members.values();
        let mut asked: JoinSet<_> = members
            .map(|member| applied(Arc::clone(&self.gateway), member.clone(), self.fence.clone()))
            .collect();
        let mut silent = no_members();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(position)) => return Ok(Some(position)),
                Ok(Err(error)) => silent = error,
                Err(_) => {}
            }
        }
        Err(silent)
    }

    async fn replica(&self, replica: &str) -> Result<ReplicaState, TargetError> {
        let member = self.url(replica)?;
        // In this order: the status of an earlier life must not pass for one of this life.
        let incarnation = self.gateway.started(member).await?;
        let status: MemberStatus = self.gateway.call(member, STATUS, &json!({})).await?;
        let (leads, position) = (Some(status.leads()), Some(status.applied));
        Ok(ReplicaState { incarnation, status: self.words(&status), leads, position })
    }

    async fn rows(
        &self,
        schema: &Schema,
        replica: &str,
        out: RowSink<'_, StateRow>,
    ) -> Result<(), TargetError> {
        let (mut table, mut keys) = (TableCells::default(), BTreeSet::new());
        let mut take = |cells: Vec<Cell>| keys.extend(table.put(&schema.table, cells));
        self.gateway.pages(self.url(replica)?, &cells::rows(&schema.table), &mut take).await?;
        keys.iter().try_for_each(|key| table.shown(schema, key).map(&mut *out))
    }

    async fn history(
        &self,
        schema: &Schema,
        replica: &str,
        from: u64,
        out: RowSink<'_, StateRow>,
    ) -> Result<u64, TargetError> {
        let member = self.url(replica)?;
        let (first, newest) = self.extent(member, &schema.table).await?;
        if newest < from.max(first) {
            return Ok(from);
        }
        let Fold { next: begin, mut table } = self.fold(replica, from, first);
        let mut next = begin;
        let mut take = |cells: Vec<Cell>| {
            for write in cells.chunk_by(|a, b| a.mod_revision == b.mod_revision) {
                let revision = write.first().map_or(next, |cell| cell.mod_revision);
                let touched = table.put(&schema.table, write.iter().cloned());
                if revision >= from {
                    touched.iter().try_for_each(|key| table.shown(schema, key).map(&mut *out))?;
                }
                next = revision + 1;
            }
            Ok(next > newest)
        };
        self.gateway.watch(member, &cells::rows(&schema.table), begin, &mut take).await?;
        let fold = Fold { next, table };
        self.folds.lock().unwrap_or_else(PoisonError::into_inner).insert(replica.to_owned(), fold);
        Ok(next)
    }
}
