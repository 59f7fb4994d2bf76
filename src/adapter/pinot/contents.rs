//! Any table with a primary key, as an audit reads it: what each server holds, around the broker's choice.
//!
//! There are two views of the same rows, and a server can be wrong in one alone:
//! ```text
//! raw       the documents of a segment. Committed: servers compute a checksum, and equal ones are equal rows
//! current   what queries see: the newest document of each key. No server computes a digest of it
//! ```
//! Nothing is written: GET to the controller and the servers, and POST to the broker's queries.

use super::cluster::PinotCluster;
use super::contents_cells::text;
use super::contents_shape::{Shape, TableKind, shape};
use super::contents_view::{Held, View};
use super::kafka::{Kafka, Topic};
use super::pages::{KEYS_MAX, PAGE_ROWS, Query, SMALL_ROWS, quoted};
use super::query::AnswerRows;
use super::reads::Reads;
use super::rules;
use super::table::{self, SchemaDocument, realtime};
use super::wire::{self, Assignment, invalid_response};
use crate::adapter::contents::{
    BucketDigest, Chunk, ChunkExtent, Contents, ContentsRow, ContentsTable, KEY_SEPARATOR, LogRead,
    PositionSample, Scope, TableEvent,
};
use crate::adapter::http::parse;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::{Schema, Value};
use dissent_core::seed::number_of;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A table of a cluster that has answered.
pub(super) struct PinotContents {
    pub(super) reads: Reads,
    pub(super) shape: Shape,
    /// Its log. None if the target file does not say where Kafka is.
    pub(super) topic: Option<Topic>,
    /// What the coordination store said last, and when.
    pub(super) assignment: Mutex<Option<(Instant, Arc<Assignment>)>>,
    /// What each server said last, and when.
    pub(super) held: Mutex<BTreeMap<String, (Instant, Arc<Held>)>>,
}

impl PinotContents {
    /// Reads the shape of a table.
    pub(super) async fn open(file: &TargetFile, table: &str) -> Result<PinotContents, TargetError> {
        let table = table.strip_suffix("_REALTIME").unwrap_or(table);
        let cluster = PinotCluster::reach(file).await?;
        let refused = |cause: String| TargetError::Refused { at: file.url.clone(), cause };
        let config = cluster.inventory.table(table).await?;
        if config["REALTIME"].is_null() {
            let tables = cluster.inventory.tables().await?.join(", ");
            return Err(refused(format!("there is no realtime table {table}: there are {tables}")));
        }
        let (url, body) = cluster.get(&format!("tables/{table}/schema")).await?;
        let document: SchemaDocument = parse(&url, &body)?;
        let rules = file.table_rules.clone().unwrap_or_else(|| rules::from_config(&config));
        let mut shape = shape(table, &document, &config, rules).map_err(refused)?;
        let schema = Schema::plain(table, Vec::new());
        cluster.take_roster(&schema).await?;
        let name = table::stream(&config)["stream.kafka.topic.name"].as_str();
        let topic = Kafka::of(file).zip(name);
        let topic = topic.map(|(kafka, name)| Topic::new(kafka, name.to_owned(), &schema, None));
        let replicas = cluster.roster().len().max(1) as u64;
        // The controller asks all servers for their sizes, and waits for one that is stopped.
        let size = cluster.get_quick(&format!("tables/{table}/size?detailed=false")).await;
        let size = size.ok().and_then(|(_, body)| wire::table_size(&body));
        shape.table.bytes = size.unwrap_or_default() / replicas;
        let reads = Reads::new(Arc::new(cluster), schema);
        let sql = format!("SELECT count(*) FROM {} option(skipUpsert=true)", realtime(table));
        let counted = reads.query_any(&Query::counting(sql, 0)).await?;
        shape.table.rows = counted.first().and_then(|row| row.first()?.as_u64()).unwrap_or_default();
        let (assignment, held) = (Mutex::default(), Mutex::default());
        Ok(PinotContents { reads, shape, topic, assignment, held })
    }

    /// The table's name in queries.
    pub(super) fn name(&self) -> String {
        realtime(&self.shape.table.name)
    }

    /// The part of the table that a chunk is.
    pub(super) fn view(chunk: &Chunk) -> Result<View, TargetError> {
        serde_json::from_value(chunk.bounds.clone())
            .map_err(|error| invalid_response("the plan of the audit", &error.to_string()))
    }

    /// The query for rows.
    fn rows_query(&self, condition: &str, limit: u64, skips_upsert: bool) -> String {
        let table = &self.shape.table;
        let keys = table.key.iter().zip(&self.shape.key_cells);
        let columns = table.columns.iter().map(|column| &column.name).zip(&self.shape.cells);
        let items: Vec<String> = keys.chain(columns).map(|(name, (cell, _))| cell.selected(name)).collect();
        let option = if skips_upsert { " option(skipUpsert=true)" } else { "" };
        format!(
            "SELECT $hostName, $docId, {} FROM {} WHERE {condition} LIMIT {limit}{option}",
            items.join(", "),
            self.name(),
        )
    }

    /// A condition that holds at least for the rows of these keys. None if it cannot be told in SQL.
    fn keys_condition(&self, keys: &[String]) -> Option<String> {
        let columns = self.shape.table.key.iter().zip(&self.shape.key_cells).enumerate();
        let conditions: Vec<String> = columns
            .filter_map(|(at, (name, (cell, _)))| {
                let cells = keys.iter().map(|key| key.split(KEY_SEPARATOR).nth(at).unwrap_or_default());
                let constants: Option<BTreeSet<String>> = cells.map(|text| cell.constant(text)).collect();
                let constants: Vec<String> = constants?.into_iter().collect();
                Some(format!("\"{name}\" IN ({})", constants.join(", ")))
            })
            .collect();
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// The documents of a segment, up to a number of them while it is being consumed.
    async fn raw_rows(
        &self,
        replica: &str,
        segment: &str,
        documents: u64,
        is_open: bool,
        keys: Option<&[String]>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let within = format!("$segmentName = '{segment}'");
        let capped = |end: u64| if is_open { format!(" AND $docId < {end}") } else { String::new() };
        let probe = self.reads.probe(&[segment.to_owned()]);
        let mut rows = BTreeMap::new();
        if let Some(condition) = keys.and_then(|keys| self.keys_condition(keys)) {
            // The first document is always there, so every server has something to answer.
            let condition = format!("{within} AND ($docId = 0 OR ({condition})){}", capped(documents));
            let sql = self.rows_query(&condition, KEYS_MAX as u64, true);
            let answer = self.reads.ask(replica, &Query::selecting(sql, 0, probe, false)).await?;
            self.add_rows(&answer, &mut rows)?;
            return Ok(rows.into_values().collect());
        }
        for from in (0..documents).step_by(PAGE_ROWS as usize) {
            let to = documents.min(from + PAGE_ROWS);
            // What lies behind the last document that should be there is extra.
            let end = if to == documents { capped(to) } else { format!(" AND $docId < {to}") };
            let limit = if end.is_empty() { KEYS_MAX as u64 } else { to - from + 1 };
            let sql = self.rows_query(&format!("{within} AND $docId >= {from}{end}"), limit, true);
            let query = Query::selecting(sql, 0, probe.clone(), to - from > SMALL_ROWS);
            self.add_rows(&self.reads.ask(replica, &query).await?, &mut rows)?;
        }
        // Documents are numbered without gaps.
        let last = rows.last_key_value().map_or(0, |(doc, _)| doc + 1);
        if last != rows.len() as u64 {
            let cause =
                format!("a truncated read of {segment} on {replica}: {} of {last} documents", rows.len());
            return Err(TargetError::Refused { at: self.reads.cluster.sql(), cause });
        }
        Ok(rows.into_values().collect())
    }

    /// The current rows of a partition.
    async fn current_rows(
        &self,
        replica: &str,
        partition: u32,
        condition: Option<String>,
        is_big: bool,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let assignment = self.assignment().await?;
        let names = self.names(&assignment, partition);
        let more = condition.map(|condition| format!(" AND {condition}")).unwrap_or_default();
        let condition = format!("$segmentName IN ({}){more}", quoted(&names));
        let probe = self.reads.probe(&names);
        let sql = self.rows_query(&condition, KEYS_MAX as u64, false);
        let query = Query::selecting(sql, assignment.len(), probe.clone(), is_big);
        let Some(answer) = self.reads.answer(replica, &query).await? else {
            // An empty answer does not show whose it is. If this server takes its turns, one was its own.
            self.reads.ask(replica, &Query::counting(probe, assignment.len())).await?;
            return Ok(Vec::new());
        };
        if answer.len() >= KEYS_MAX {
            let cause =
                format!("more than {KEYS_MAX} rows of partition {partition}: take a lower --chunk-rows");
            return Err(TargetError::Refused { at: self.reads.cluster.sql(), cause });
        }
        answer.iter().map(|cells| Ok(self.row(cells)?.1)).collect()
    }

    fn add_rows(
        &self,
        answer: &AnswerRows,
        rows: &mut BTreeMap<u64, ContentsRow>,
    ) -> Result<(), TargetError> {
        for cells in answer {
            let (doc, row) = self.row(cells)?;
            rows.insert(doc, row);
        }
        Ok(())
    }

    /// A row of an answer, with the number of its document.
    fn row(&self, cells: &[Json]) -> Result<(u64, ContentsRow), TargetError> {
        let url = self.reads.cluster.sql();
        let Shape { table, key_cells, cells: types, deletes, .. } = &self.shape;
        let wrong = || invalid_response(&url, "a row that cannot be placed");
        let [_, doc, values @ ..] = cells else { return Err(wrong()) };
        let doc = doc.as_u64().ok_or_else(wrong)?;
        let (keys, cols) = values.split_at_checked(key_cells.len()).ok_or_else(wrong)?;
        if cols.len() != types.len() {
            return Err(wrong());
        }
        let keys = table.key.iter().zip(key_cells).zip(keys);
        let keys = keys.map(|((name, (cell, _)), shown)| Ok(text(&cell.shown(&url, name, shown)?)));
        let keys: Vec<String> = keys.collect::<Result<_, TargetError>>()?;
        let cols = table.columns.iter().zip(types).zip(cols);
        let cols = cols.map(|((column, (cell, _)), shown)| cell.shown(&url, &column.name, shown));
        let cols: Vec<Value> = cols.collect::<Result<_, _>>()?;
        let deleted = deletes.is_some_and(|at| says_deleted(&cols[at]));
        Ok((doc, ContentsRow { key: keys.join(&KEY_SEPARATOR.to_string()), cols, deleted }))
    }
}

/// Whether a column that marks deletes does.
pub(super) fn says_deleted(value: &Value) -> bool {
    match value {
        Value::Boolean(deleted) => *deleted,
        Value::String(text) => matches!(&**text, "true" | "1"),
        Value::Long(long) => *long > 0,
        _ => false,
    }
}

#[async_trait]
impl Contents for PinotContents {
    fn version(&self) -> String {
        self.reads.cluster.version().to_owned()
    }

    fn replicas(&self) -> Vec<String> {
        self.reads.cluster.roster()
    }

    fn table(&self) -> &ContentsTable {
        &self.shape.table
    }

    async fn holders(&self, chunk: &Chunk) -> Result<Vec<String>, TargetError> {
        self.assigned_to(&PinotContents::view(chunk)?).await
    }

    async fn chunks(&self, rows: u64) -> Result<Vec<Chunk>, TargetError> {
        let views = self.plan(rows).await?;
        let chunk = |(number, view): (u32, &View)| {
            let bounds = serde_json::to_value(view)
                .map_err(|error| invalid_response("the plan of the audit", &error.to_string()))?;
            Ok(Chunk { number, bounds })
        };
        (0..).zip(&views).map(chunk).collect()
    }

    fn extent(&self, chunk: &Chunk) -> Option<ChunkExtent> {
        PinotContents::view(chunk).ok().map(|view| view.extent())
    }

    /// The checksum of a committed segment, which the server computed over all cells when it made it. Of
    /// part of a segment, and of what is current in it, no server has a digest.
    async fn digests(
        &self,
        replica: &str,
        chunk: &Chunk,
        buckets: u32,
    ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
        let View::Raw { segment, documents, .. } = PinotContents::view(chunk)? else { return Ok(None) };
        if buckets != 1 {
            return Ok(None);
        }
        let held = self.held(replica).await?;
        let crc = held.crcs.get(&segment).copied().flatten();
        Ok(crc.map(|crc| vec![BucketDigest { rows: documents, sum: crc.to_string() }]))
    }

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let keys = match scope {
            Scope::Keys([]) => return Ok(Vec::new()),
            Scope::Keys(keys) => Some(keys),
            Scope::All | Scope::Bucket { .. } => None,
        };
        let mut rows = match PinotContents::view(chunk)? {
            View::Raw { segment, documents, consuming } => {
                self.raw_rows(replica, &segment, documents, consuming, keys).await?
            }
            View::Current { partition, rows, range } => {
                let condition = match keys {
                    Some(keys) => self.keys_condition(keys),
                    None => range.and_then(|range| range.condition(&self.shape)),
                };
                let is_big = rows > SMALL_ROWS && keys.is_none();
                self.current_rows(replica, partition, condition, is_big).await?
            }
        };
        match scope {
            Scope::All => {}
            Scope::Bucket { bucket, of } => {
                rows.retain(|row| number_of(&[&row.key]) % u64::from(of) == u64::from(bucket));
            }
            Scope::Keys(keys) => {
                let keys: BTreeSet<&String> = keys.iter().collect();
                rows.retain(|row| keys.contains(&row.key));
            }
        }
        Ok(rows)
    }

    async fn upstream(&self, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        self.end_of(&PinotContents::view(chunk)?).await
    }

    async fn position(&self, replica: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        self.position_of(replica, &PinotContents::view(chunk)?).await.map(Some)
    }

    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        self.samples().await
    }

    fn is_current(&self, chunk: &Chunk) -> bool {
        PinotContents::view(chunk).is_ok_and(|view| matches!(view, View::Current { .. }))
    }

    fn shown_default(&self, column: usize) -> Value {
        self.shape.cells.get(column).map(|(_, default)| default.clone()).unwrap_or_default()
    }

    /// Dedup keeps the first event, whatever its time.
    fn log_order(&self) -> Option<usize> {
        self.shape.table.version.filter(|_| self.shape.kind != TableKind::Dedup)
    }

    async fn log(
        &self,
        from: Option<&[u64]>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<Option<LogRead>, TargetError> {
        self.read_log(from, out).await.map(Some)
    }

    fn received(&self) -> u64 {
        self.reads.received.load(Ordering::Relaxed)
    }
}
