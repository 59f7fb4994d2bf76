//! Queries for large answers without waste: small probes find out which server is next at the broker, and
//! the large query is sent when the wanted server is next.
//!
//! A broker assigns queries to the servers in strict rotation, with a counter over all clients. So another
//! client's query shifts the rotation. The host name in the answer decides, and the query is repeated if
//! needed.

use super::pages::{KEYS_MAX, PAGE_ROWS, QUERIES_MAX, Query, RoundRobin, SMALL_ROWS, grouped, quoted};
use super::query_result;
use super::reads::Reads;
use super::table::realtime;
use crate::adapter::http::send;
use crate::target_error::TargetError;
use serde_json::{Value as Json, json};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// After this long without an answer of the wanted server, the broker counts as leaving it out, for the
/// same time.
const ROUTING_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two rounds of queries.
const PAUSE: Duration = Duration::from_millis(50);

/// The rows of an answer.
pub(super) type AnswerRows = Vec<Vec<Json>>;

impl Reads {
    /// The query for raw rows of a segment: `columns` of these documents, in order.
    pub(super) fn rows_query(&self, segment: &str, docs: &Range<u64>, columns: &str) -> Query {
        let table = realtime(&self.schema.table);
        let Range { start, end } = docs;
        let count = end - start;
        let sql = format!(
            "SELECT $hostName, $docId{columns} FROM {table} WHERE $segmentName = '{segment}' AND \
             $docId >= {start} AND $docId < {end} ORDER BY $docId LIMIT {} option(skipUpsert=true)",
            count + 1
        );
        let probe = self.probe(&[segment.to_owned()]);
        Query { sql, segments: 0, probe, is_big: count > SMALL_ROWS, selects: false }
    }

    /// A small query that is answered like others on these segments, which have rows.
    pub(super) fn probe(&self, segments: &[String]) -> String {
        let (table, segments) = (realtime(&self.schema.table), quoted(segments));
        format!(
            "SELECT $hostName FROM {table} WHERE $segmentName IN ({segments}) LIMIT 1 option(skipUpsert=true)"
        )
    }

    /// The queries for the current rows in these segments of a replica. `rows` is the number of rows that
    /// they hold.
    pub(super) async fn flags_queries(
        &self,
        replica: &str,
        names: &[String],
        rows: u64,
        segments: usize,
    ) -> Result<Vec<Query>, TargetError> {
        let groups = match rows > PAGE_ROWS {
            true => grouped(&self.current_counts(replica, names, segments).await?),
            false => vec![names.to_vec()],
        };
        let (table, keys) = (realtime(&self.schema.table), self.keys());
        let query = |names: Vec<String>| {
            let sql = format!(
                "SELECT $hostName, $segmentName, $docId{keys} FROM {table} WHERE $segmentName IN \
                 ({}) LIMIT {KEYS_MAX}",
                quoted(&names)
            );
            let (probe, is_big) = (self.probe(&names), rows > SMALL_ROWS);
            Query { sql, segments, probe, is_big, selects: false }
        };
        Ok(groups.into_iter().map(query).collect())
    }

    /// The number of current rows in each segment, in the order of the names.
    async fn current_counts(
        &self,
        replica: &str,
        names: &[String],
        segments: usize,
    ) -> Result<Vec<(String, u64)>, TargetError> {
        let sql = format!(
            "SELECT $hostName, $segmentName, count(*) FROM {} WHERE $segmentName IN ({}) \
             GROUP BY $hostName, $segmentName LIMIT {}",
            realtime(&self.schema.table),
            quoted(names),
            names.len() + 1
        );
        let probe = self.probe(names);
        let query = Query { sql, segments, probe, is_big: false, selects: false };
        let counted = self.ask(replica, &query).await?;
        let count = |name: &String| {
            let row = counted.iter().find(|row| row.get(1).and_then(Json::as_str) == Some(name));
            row.and_then(|row| row.get(2)).and_then(Json::as_u64).unwrap_or(0)
        };
        Ok(names.iter().map(|name| (name.clone(), count(name))).collect())
    }

    /// The rows of a query, answered by the wanted server.
    pub(super) async fn ask(&self, replica: &str, query: &Query) -> Result<AnswerRows, TargetError> {
        self.answer(replica, query).await?.ok_or_else(|| {
            let cause = format!("{replica} is not readable: the broker asks others");
            TargetError::Refused { at: self.cluster.sql(), cause }
        })
    }

    /// The rows of a query, answered by the wanted server. The broker decides whose turn it is. It leaves
    /// a server out, or refuses all queries, while a segment changes its state. That passes, except for a
    /// server that lacks a segment. Such a server then gets only one round of queries for a while. None if
    /// the wanted server gave no answer with rows.
    pub(super) async fn answer(
        &self,
        replica: &str,
        query: &Query,
    ) -> Result<Option<AnswerRows>, TargetError> {
        let host = self.cluster.host(replica)?;
        let unrouted = self.unrouted.lock().await.get(replica).is_some_and(|until| Instant::now() < *until);
        let until = Instant::now() + if unrouted { Duration::ZERO } else { ROUTING_TIMEOUT };
        loop {
            match self.ask_in_turn(&host, query).await {
                Ok(Some(rows)) => {
                    self.unrouted.lock().await.remove(replica);
                    return Ok(Some(rows));
                }
                Ok(None) | Err(TargetError::Refused { .. }) if Instant::now() < until => sleep(PAUSE).await,
                failed => {
                    if !unrouted {
                        let until = Instant::now() + ROUTING_TIMEOUT;
                        self.unrouted.lock().await.insert(replica.to_owned(), until);
                    }
                    return failed;
                }
            }
        }
    }

    /// Repeats a query until each server has had its turn, and returns the wanted server's rows. An empty
    /// answer does not show which server gave it.
    async fn round(&self, host: &str, query: &Query) -> Result<Option<AnswerRows>, TargetError> {
        let url = self.cluster.sql();
        let _turn = self.gate.acquire().await;
        for _ in 0..2 * self.cluster.servers().count() {
            let rows = self.query(query).await?;
            if query_result::host_of(&url, &rows)? == Some(host) {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// A query that any server may answer. Each gets its turn, because one of them may be stopped.
    pub(super) async fn query_any(&self, query: &Query) -> Result<AnswerRows, TargetError> {
        for _ in 1..self.cluster.roster().len() {
            if let Ok(rows) = self.query(query).await {
                return Ok(rows);
            }
        }
        self.query(query).await
    }

    /// A query, answered by whichever server is next.
    async fn query(&self, query: &Query) -> Result<AnswerRows, TargetError> {
        let rows = if query.selects { query_result::selected } else { query_result::rows };
        self.send_sql(&query.sql, |url, body| rows(url, body, query.segments)).await
    }

    async fn send_sql(
        &self,
        sql: &str,
        rows: impl FnOnce(&str, &[u8]) -> Result<AnswerRows, TargetError>,
    ) -> Result<AnswerRows, TargetError> {
        let url = self.cluster.sql();
        let patience = Duration::from_nanos(self.cluster.file.limits.query_timeout.0);
        let query = self.cluster.http.post(&url, &json!({ "sql": sql })).timeout(patience);
        let ask = async {
            let body = send(&url, query).await?;
            self.received.fetch_add(body.len() as u64, Ordering::Relaxed);
            rows(&url, &body)
        };
        self.gate.run(ask, |rows| rows.len() as u64).await
    }

    /// The wanted server's rows. None if its turn does not come.
    async fn ask_in_turn(&self, host: &str, query: &Query) -> Result<Option<AnswerRows>, TargetError> {
        match query.is_big {
            true => self.ask_when_next(host, query).await,
            false => self.round(host, query).await,
        }
    }

    /// Finds the rotation with probes, and sends the query when the wanted server is next.
    async fn ask_when_next(&self, host: &str, query: &Query) -> Result<Option<AnswerRows>, TargetError> {
        let Query { segments, probe, .. } = query;
        let url = self.cluster.sql();
        let servers = self.cluster.roster().len();
        let mut turn = RoundRobin { cycle: Some(servers), ago: None };
        let mut is_seen = false;
        let permit = self.gate.acquire().await;
        for _ in 0..QUERIES_MAX * servers {
            if turn.is_next() {
                let rows = self.query(query).await?;
                if query_result::host_of(&url, &rows)? == Some(host) {
                    return Ok(Some(rows));
                }
                // Another client has queried, or not all servers take turns: count the servers again.
                turn = RoundRobin::default();
            } else {
                let answered =
                    self.send_sql(probe, |url, body| query_result::rows(url, body, *segments)).await?;
                let is_wanted = query_result::host_of(&url, &answered)? == Some(host);
                is_seen |= is_wanted;
                turn.answered(is_wanted);
            }
        }
        drop(permit);
        if is_seen { self.round(host, query).await } else { Ok(None) }
    }
}
