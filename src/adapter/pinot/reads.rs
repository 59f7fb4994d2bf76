//! Reads of Pinot's replicas around the router. Positions and checksums come from each server's own HTTP
//! interface. Rows and flags come from the broker, with queries repeated until the wanted server answers.
//!
//! The broker queries an upsert table on one server at a time, in rotation, and every row has the server's
//! host name.

use super::cluster::PinotCluster;
use super::foreign_table;
use super::pages::ROW_BYTES;
use super::query_result;
use super::routing::Routes;
use super::table::{parse_segment_name, realtime};
use super::turns::Turns;
use super::wire::{self, Assignment, SegmentMetadata, invalid_response};
use crate::adapter::capabilities::{RawReads, RowSink, SegmentCatalogue};
use crate::adapter::throttle::Gate;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::conductor::CurrentRowsAnswer;
use dissent_core::history::event::ReadTraffic;
use dissent_core::history::row::{CopyState, Cover, Coverage, CurrentRow, Observed, Row, Segment};
use dissent_core::history::schema::{Column, Schema, Type};
use dissent_core::seed::number_of;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The documents that a replica flagged as current at the last read, by key.
type CurrentDocs = BTreeMap<String, Vec<u64>>;

/// The origin of a copy that a replica was seen to build itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyOrigin {
    /// It is consuming, in this incarnation. If it has read beyond the segment's end, it must download the
    /// copy.
    Consuming { incarnation: u64, overran: bool },
    /// It has committed the rows that it consumed.
    Committed { crc: u64 },
}

/// Whether a committed copy is the one that the replica built. The replica must have been seen to consume the
/// segment in the same incarnation; then its first committed copy is its own. A copy with another checksum
/// was downloaded later.
fn own_copy(
    built: &mut BTreeMap<(String, String), CopyOrigin>,
    at: (String, String),
    incarnation: u64,
    crc: u64,
) -> bool {
    match built.get(&at) {
        Some(CopyOrigin::Committed { crc: own }) => *own == crc,
        Some(CopyOrigin::Consuming { incarnation: then, overran: false }) if *then == incarnation => {
            built.insert(at, CopyOrigin::Committed { crc });
            true
        }
        _ => false,
    }
}

/// The servers of each segment, and its metadata if the coordination store has them.
type SegmentTable = (Assignment, BTreeMap<String, SegmentMetadata>);

/// Reads of the replicas of one table.
pub(super) struct Reads {
    pub(super) cluster: Arc<PinotCluster>,
    pub(super) schema: Schema,
    /// Metadata of committed segments, which never changes.
    committed: Mutex<BTreeMap<String, SegmentMetadata>>,
    /// What the coordination store showed last.
    seen: Mutex<Option<SegmentTable>>,
    /// The copies that replicas were seen to build themselves, by replica and segment.
    built: Mutex<BTreeMap<(String, String), CopyOrigin>>,
    /// By replica and partition.
    shown: Mutex<BTreeMap<(String, u32), CurrentDocs>>,
    /// How long the broker may leave each server out.
    pub(super) routes: Mutex<Routes>,
    /// Limits the load on the cluster, which other people may use.
    pub(super) gate: Gate,
    /// Whose turn it is at the broker.
    pub(super) turns: Turns,
    /// The bytes of a row, on average over the widest page so far.
    pub(super) row_bytes: AtomicU64,
    /// The queries that were answered.
    pub(super) queries: AtomicU64,
    /// Bytes of their answers.
    pub(super) received: AtomicU64,
}

impl Reads {
    pub(super) fn new(cluster: Arc<PinotCluster>, schema: Schema) -> Reads {
        let gate = Gate::new(&cluster.file.limits);
        Reads {
            cluster,
            schema,
            committed: Mutex::default(),
            seen: Mutex::default(),
            built: Mutex::default(),
            shown: Mutex::default(),
            routes: Mutex::default(),
            gate,
            turns: Turns::default(),
            row_bytes: AtomicU64::new(ROW_BYTES),
            queries: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    /// The table of segments as it was read last.
    pub(super) async fn seen(&self) -> Option<SegmentTable> {
        self.seen.lock().await.clone()
    }

    /// The bounds of each segment, and the servers that it is assigned to.
    async fn assigned(&self) -> Result<SegmentTable, TargetError> {
        let (url, body) = self.cluster.get(&format!("tables/{}/idealstate", self.schema.table)).await?;
        let assignment = wire::ideal_state(&url, &body)?;
        let mut known = BTreeMap::new();
        for segment in assignment.keys() {
            if let Some(metadata) = self.metadata(segment).await? {
                known.insert(segment.clone(), metadata);
            }
        }
        let table = (assignment, known);
        *self.seen.lock().await = Some(table.clone());
        Ok(table)
    }

    /// None if the coordination store does not know the segment yet.
    pub(super) async fn metadata(&self, segment: &str) -> Result<Option<SegmentMetadata>, TargetError> {
        if let Some(committed) = self.committed.lock().await.get(segment) {
            return Ok(Some(committed.clone()));
        }
        let path = format!("segments/{}/{segment}/metadata", realtime(&self.schema.table));
        let (url, body) = match self.cluster.get(&path).await {
            Ok(came) => came,
            Err(error) if wire::is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = wire::segment_metadata(&url, &body)?;
        if metadata.end.is_some() {
            self.committed.lock().await.insert(segment.to_owned(), metadata.clone());
        }
        Ok(Some(metadata))
    }

    async fn start_of(&self, segment: &str) -> Result<u64, TargetError> {
        let known = self.metadata(segment).await?;
        known
            .map(|it| it.start)
            .ok_or_else(|| invalid_response(self.cluster.url(), &format!("no segment {segment}")))
    }
}

#[async_trait]
impl SegmentCatalogue for Reads {
    async fn segments(&self) -> Result<Vec<Segment>, TargetError> {
        let (assignment, known) = self.assigned().await?;
        let mut segments: Vec<Segment> = Vec::new();
        for (name, servers) in assignment {
            let Some((partition, seq)) = parse_segment_name(&self.schema.table, &name) else { continue };
            let Some(SegmentMetadata { start, end, crc, .. }) = known.get(&name).cloned() else { continue };
            let replicas = servers.into_keys().filter(|server| self.cluster.has(server)).collect();
            segments.push(Segment { name, partition, seq, start, end, crc, replicas });
        }
        segments.sort_by_key(|segment| (segment.partition, segment.seq));
        Ok(segments)
    }

    async fn force_commit(&self) -> Result<(), TargetError> {
        let path = format!("tables/{}/forceCommit", self.schema.table);
        let release = wire::release(self.cluster.version());
        let answer = self.cluster.post(&path, &Json::Null).await;
        let answer = answer.map_err(|error| wire::not_committed(release, error))?;
        wire::force_committed(&format!("{}/{path}", self.cluster.url()), &answer)
    }
}

#[async_trait]
impl RawReads for Reads {
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError> {
        let table = realtime(&self.schema.table);
        let incarnation = self.cluster.session(replica).await?;
        self.routes.lock().await.seen(replica, incarnation, Instant::now());
        let crcs = self.cluster.server(replica, &format!("tables/{table}/segments/crc")).await;
        if crcs.as_ref().is_err_and(wire::is_absent) {
            // The server has nothing of the table.
            return Ok(Coverage { incarnation, status: String::new(), covers: Vec::new(), leads: None });
        }
        let (url, body) = crcs?;
        let crcs = wire::crcs(&url, &body)?;
        let (url, body) =
            self.cluster.server(replica, &format!("tables/{table}/consumingSegmentsInfo")).await?;
        let consuming = wire::consuming(&url, &body)?;
        let mut states = BTreeSet::new();
        let mut covers = Vec::new();
        for (segment, crc) in crcs {
            let Some((partition, seq)) = parse_segment_name(&self.schema.table, &segment) else { continue };
            let Some(metadata) = self.metadata(&segment).await? else { continue };
            let consumed = consuming.get(&segment).filter(|_| crc.is_none());
            let at = (replica.to_owned(), segment.clone());
            let (end, state, copy) = match (consumed, crc, metadata.end) {
                (Some(consumed), _, _) => {
                    states.insert(consumed.state.clone());
                    let end = metadata.end.unwrap_or(u64::MAX);
                    let overran = consumed.position > end;
                    self.built.lock().await.insert(at, CopyOrigin::Consuming { incarnation, overran });
                    // A server that has read beyond the segment's end holds no more of it.
                    let position = consumed.position.min(end);
                    (position.max(metadata.start), CopyState::Consuming, incarnation)
                }
                (None, Some(crc), Some(end)) => {
                    let own = own_copy(&mut *self.built.lock().await, at, incarnation, crc);
                    (end, if own { CopyState::CommittedLocal } else { CopyState::Downloaded }, crc)
                }
                // The copy is between two states. The next read sees it.
                _ => continue,
            };
            covers.push(Cover {
                copy: identity(&segment, state, copy),
                segment,
                partition,
                seq,
                start: metadata.start,
                end,
                state,
                registered: Observed::Unobservable,
                rows: end - metadata.start,
                position: None,
                checksum: crc.filter(|_| state != CopyState::Consuming && end > metadata.start),
            });
        }
        covers.sort_by_key(|cover| (cover.partition, cover.seq));
        let status = states.into_iter().collect::<Vec<_>>().join(" ");
        Ok(Coverage { incarnation, status, covers, leads: None })
    }

    async fn rows(
        &self,
        replica: &str,
        segment: &str,
        from: u64,
        to: u64,
        out: RowSink<'_, Row>,
    ) -> Result<(), TargetError> {
        if from >= to {
            return Ok(());
        }
        let schema = &self.schema;
        let start = self.start_of(segment).await?;
        let columns: String = match self.foreign_keys() {
            Some(keys) => keys.iter().map(column_item).collect(),
            None => [&schema.key, &schema.op, &schema.comparison].into_iter().map(column_item).collect(),
        };
        let columns: String = columns + &schema.columns.iter().map(value_item).collect::<String>();
        let (mut next, end) = (from.saturating_sub(start), to.saturating_sub(start));
        let pages = std::iter::from_fn(|| {
            let first = next;
            next = end.min(first + self.page_rows());
            (first < end).then_some(first..next)
        });
        let asked = pages.map(|page| {
            let query = self.rows_query(segment, &page, &columns);
            async move { (page, self.ask(replica, &query).await) }
        });
        let mut answers = stream::iter(asked).buffered(self.cluster.file.limits.queries as usize);
        while let Some((page, rows)) = answers.next().await {
            let rows = rows?;
            let came = rows.len() as u64;
            for (doc, row) in page.clone().zip(&rows) {
                let row = self.row(start, row)?;
                if u64::from(row.doc) != doc {
                    let cause = format!("document {} of {segment} in place of {doc}", row.doc);
                    return Err(invalid_response(&self.cluster.sql(), &cause));
                }
                out(row);
            }
            // Rows are missing here. The total count shows that the read was cut short.
            if came < page.end - page.start {
                break;
            }
        }
        Ok(())
    }

    fn traffic(&self) -> Option<ReadTraffic> {
        let [queries, bytes] = [&self.queries, &self.received].map(|it| it.load(Ordering::Relaxed));
        Some(ReadTraffic { queries, bytes })
    }

    async fn current_rows(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: RowSink<'_, CurrentRow>,
    ) -> Result<CurrentRowsAnswer, TargetError> {
        let Coverage { incarnation, covers, .. } = self.coverage(replica).await?;
        let mine = |cover: &&Cover| cover.partition == partition && cover.rows > 0;
        let held: BTreeMap<&str, u64> =
            covers.iter().filter(mine).map(|cover| (cover.segment.as_str(), cover.rows)).collect();
        if held.is_empty() {
            // An answer without rows would not show which server gave it.
            return Ok(CurrentRowsAnswer { incarnation, version: since + 1, keys: 0 });
        }
        let (assignment, known) = self.assigned().await?;
        let is_mine =
            |name: &str| parse_segment_name(&self.schema.table, name).is_some_and(|(of, _)| of == partition);
        let mine = assignment.iter().filter(|(name, servers)| is_mine(name) && servers.contains_key(replica));
        let mine: Assignment = mine.map(|(name, servers)| (name.clone(), servers.clone())).collect();
        if held.keys().any(|segment| !mine.contains_key(*segment)) {
            let cause = format!("{replica} is not readable: the table is being moved away from it");
            return Err(TargetError::Refused { at: self.cluster.sql(), cause });
        }
        let mut now = CurrentDocs::new();
        for (names, rows) in group_by_servers(mine.iter(), &held) {
            for query in self.flags_queries(replica, &names, rows, assignment.len()).await? {
                for row in self.ask(replica, &query).await? {
                    let (key, off) = self.current_row(&known, &row)?;
                    now.entry(key).or_default().push(off);
                }
            }
        }
        now.values_mut().for_each(|offs| offs.sort_unstable());
        let keys = self.changed(replica, partition, since, now).await;
        let read = CurrentRowsAnswer { incarnation, version: since + 1, keys: keys.len() as u64 };
        keys.into_iter().for_each(out);
        Ok(read)
    }
}

/// A column in a SQL list.
fn column_item(name: &String) -> String {
    format!(", \"{name}\"")
}

/// A column with values in a SQL list. A decimal comes as text, since a JSON number would lose digits.
fn value_item(column: &Column) -> String {
    match column.ty {
        Type::Decimal => format!(", CAST(\"{}\" AS STRING)", column.name),
        _ => column_item(&column.name),
    }
}

impl Reads {
    /// The key columns of a foreign table. None for a table that the model folds.
    fn foreign_keys(&self) -> Option<&Vec<String>> {
        self.cluster.named.get()?.foreign.as_ref().map(|foreign| &foreign.keys)
    }

    /// The key columns as a SQL list.
    pub(super) fn keys(&self) -> String {
        self.foreign_keys()
            .map_or_else(|| column_item(&self.schema.key), |keys| keys.iter().map(column_item).collect())
    }

    fn key_of(&self, cells: &[Json]) -> Option<String> {
        match (self.foreign_keys(), cells) {
            (Some(keys), cells) => {
                (cells.len() == keys.len()).then(|| foreign_table::display_key(cells.iter()))
            }
            (None, [key]) => key.as_str().map(str::to_owned),
            (None, _) => None,
        }
    }

    /// The key of a current row, and its offset.
    fn current_row(
        &self,
        known: &BTreeMap<String, SegmentMetadata>,
        row: &[Json],
    ) -> Result<(String, u64), TargetError> {
        let [_, segment, doc, key @ ..] = row else {
            return Err(invalid_response(&self.cluster.sql(), "wrong number of cells"));
        };
        let (segment, doc, key) = (segment.as_str(), doc.as_u64(), self.key_of(key));
        let start = segment.and_then(|segment| known.get(segment)).map(|it| it.start);
        let (Some(start), Some(doc), Some(key)) = (start, doc, key) else {
            return Err(invalid_response(&self.cluster.sql(), "a current row that cannot be placed"));
        };
        Ok((key, start + doc))
    }

    /// Pinot returns all flags. Only those that changed since the last read are returned here.
    async fn changed(&self, replica: &str, partition: u32, since: u64, now: CurrentDocs) -> Vec<CurrentRow> {
        let mut shown = self.shown.lock().await;
        let shown = shown.entry((replica.to_owned(), partition)).or_default();
        if since == 0 {
            shown.clear();
        }
        let gone = shown.keys().filter(|key| !now.contains_key(*key)).map(|key| (key, Vec::new()));
        let moved = now.iter().filter(|(key, offs)| shown.get(*key) != Some(offs));
        let changed = gone.chain(moved.map(|(key, offs)| (key, offs.clone())));
        let changed = changed.map(|(key, offs)| CurrentRow { key: key.as_str().into(), offs }).collect();
        *shown = now;
        changed
    }

    /// A raw row. Documents are in log order, so the first one is the segment's first entry.
    fn row(&self, start: u64, cells: &[Json]) -> Result<Row, TargetError> {
        let url = self.cluster.sql();
        if let Some(keys) = self.foreign_keys() {
            return foreign_row(&url, keys.len(), start, cells);
        }
        let [_, doc, key, op, cmp, cols @ ..] = cells else {
            return Err(invalid_response(&url, "wrong number of cells"));
        };
        let doc = doc.as_u64().and_then(|doc| u32::try_from(doc).ok());
        let (Some(doc), Some(key), Some(op), Some(cmp)) = (doc, key.as_str(), op.as_i64(), cmp.as_i64())
        else {
            return Err(invalid_response(&url, "a row that cannot be placed"));
        };
        let named = self.schema.columns.iter().zip(cols);
        let cols =
            named.map(|(column, cell)| query_result::cell(&url, column, cell)).collect::<Result<_, _>>()?;
        let off = start + u64::from(doc);
        Ok(Row { off, key: key.into(), op: op.cast_unsigned(), cmp, cols, doc })
    }
}

/// A raw row of a foreign table, with cells of any type.
fn foreign_row(url: &str, keys: usize, start: u64, cells: &[Json]) -> Result<Row, TargetError> {
    let doc = cells.get(1).and_then(Json::as_u64).and_then(|doc| u32::try_from(doc).ok());
    let (Some(doc), Some((key, cols))) = (doc, cells.get(2..).and_then(|rest| rest.split_at_checked(keys)))
    else {
        return Err(invalid_response(url, "a row that cannot be placed"));
    };
    let cols = cols.iter().map(foreign_table::display_value).collect();
    Ok(Row {
        off: start + u64::from(doc),
        key: foreign_table::display_key(key.iter()).into(),
        op: 0,
        cmp: 0,
        cols,
        doc,
    })
}

/// Groups the segments that are on the same servers, with their number of rows: one server answers for the
/// whole group. A group without rows is left out, because an empty answer does not show which server gave it.
fn group_by_servers<'s>(
    segments: impl Iterator<Item = (&'s String, &'s BTreeMap<String, String>)>,
    held: &BTreeMap<&str, u64>,
) -> Vec<(Vec<String>, u64)> {
    let mut by_servers: BTreeMap<Vec<&String>, (Vec<String>, u64)> = BTreeMap::new();
    for (segment, servers) in segments {
        let (names, rows) = by_servers.entry(servers.keys().collect()).or_default();
        names.push(segment.clone());
        *rows += held.get(segment.as_str()).copied().unwrap_or(0);
    }
    by_servers.into_values().filter(|(_, rows)| *rows > 0).collect()
}

/// Identifies a copy: a consuming one by the replica's incarnation, a committed one by its checksum.
fn identity(segment: &str, state: CopyState, number: u64) -> u64 {
    let kind = if state == CopyState::Consuming { "consuming" } else { "committed" };
    number_of(&[segment, kind, &number.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_consumed_in_this_life_up_to_its_end_is_a_replicas_own_copy() {
        let at = || ("s1".to_owned(), "t__0__0".to_owned());
        let open =
            |incarnation, overran| BTreeMap::from([(at(), CopyOrigin::Consuming { incarnation, overran })]);
        let mut built = open(1, false);
        assert!(own_copy(&mut built, at(), 1, 7) && own_copy(&mut built, at(), 2, 7));
        assert!(!own_copy(&mut built, at(), 1, 8), "it was loaded again, and is another one");
        assert!(!own_copy(&mut open(1, true), at(), 1, 7), "it had read on, and fetched the winner's");
        assert!(!own_copy(&mut open(1, false), at(), 2, 7), "it was started again in between");
        assert!(!own_copy(&mut BTreeMap::new(), at(), 1, 7), "it was never seen to consume it");
    }
}
