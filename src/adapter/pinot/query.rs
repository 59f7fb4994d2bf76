//! Queries for large answers without waste: small probes find out which server is next at the broker, and
//! the large query is sent when the wanted server is next ([`super::turns`]). The host name in the answer
//! decides, and the query is repeated if needed.

use super::pages::{
    KEYS_MAX, PAGE_ROWS, QUERIES_MAX, Query, ROWS_MEASURED, SMALL_ROWS, grouped, page_rows, quoted,
};
use super::query_result;
use super::reads::Reads;
use super::table::realtime;
use super::turns::Turn;
use crate::adapter::http::send;
use crate::adapter::throttle::Amount;
use crate::target_error::TargetError;
use serde_json::{Value as Json, json};
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

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
        Query { sql, segments: 0, probe, is_big: count > SMALL_ROWS, selects: false, is_page: true }
    }

    /// The number of rows to ask for at a time.
    pub(super) fn page_rows(&self) -> u64 {
        page_rows(self.row_bytes.load(Ordering::Relaxed), self.cluster.file.limits.queries)
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
            Query { sql, segments, probe, is_big, selects: false, is_page: false }
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
        let query = Query { sql, segments, probe, is_big: false, selects: false, is_page: false };
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

    /// The rows of a query, answered by the wanted server. The broker decides whose turn it is, and may leave
    /// it out for a while ([`super::routing`]). None if the wanted server gave no answer with rows.
    pub(super) async fn answer(
        &self,
        replica: &str,
        query: &Query,
    ) -> Result<Option<AnswerRows>, TargetError> {
        let host = self.cluster.host(replica)?;
        let patience = self.routes.lock().await.patience(replica, Instant::now());
        let until = Instant::now() + patience;
        loop {
            match self.ask_in_turn(&host, query).await {
                Ok(Some(rows)) => {
                    self.routes.lock().await.answered(replica);
                    return Ok(Some(rows));
                }
                Ok(None) | Err(TargetError::Refused { .. }) if Instant::now() < until => sleep(PAUSE).await,
                failed => {
                    if !patience.is_zero() {
                        self.routes.lock().await.unanswered(replica, Instant::now());
                    }
                    return failed;
                }
            }
        }
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
        let answer = |url: &str, body: &[u8]| {
            let rows = rows(url, body, query.segments)?;
            if query.is_page && rows.len() >= ROWS_MEASURED {
                self.row_bytes.fetch_max((body.len() / rows.len()) as u64, Ordering::Relaxed);
            }
            Ok(rows)
        };
        self.send_sql(&query.sql, answer).await
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
            let size = body.len() as u64;
            self.queries.fetch_add(1, Ordering::Relaxed);
            self.received.fetch_add(size, Ordering::Relaxed);
            rows(&url, &body).map(|rows| (rows, size))
        };
        let amount = |(rows, size): &(AnswerRows, u64)| Amount { rows: rows.len() as u64, size: *size };
        Ok(self.gate.run(ask, amount).await?.0)
    }

    /// The wanted server's rows. None if its turn does not come.
    async fn ask_in_turn(&self, host: &str, query: &Query) -> Result<Option<AnswerRows>, TargetError> {
        let url = self.cluster.sql();
        let waiting = self.turns.wait(host);
        let servers = self.cluster.servers().count();
        let probes = if query.is_big { QUERIES_MAX * servers } else { 0 };
        let mut is_seen = !query.is_big;
        for attempt in 0..probes + 2 * servers {
            if attempt == probes && !is_seen {
                break;
            }
            let turn = waiting.turn(&self.gate).await;
            let is_probe = attempt < probes && !turn.is_next;
            let begun = Instant::now();
            if is_probe {
                let answer = |url: &str, body: &[u8]| query_result::rows(url, body, query.segments);
                let answered = self.send_sql(&query.probe, answer).await?;
                let by = query_result::host_of(&url, &answered)?;
                is_seen |= by == Some(host);
                turn.answered(by, begun.elapsed());
                continue;
            }
            let rows = self.ask_now(turn, query).await?;
            if query_result::host_of(&url, &rows)? == Some(host) {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// Sends the query now. If it is known who answers, others may follow once it has reached the broker.
    async fn ask_now(&self, mut turn: Turn<'_>, query: &Query) -> Result<AnswerRows, TargetError> {
        self.gate.rested().await;
        let begun = Instant::now();
        let mut asked = pin!(self.query(query));
        let early = match turn.is_next {
            true => timeout(turn.head_start, &mut asked).await.ok(),
            false => None,
        };
        let rows = match early {
            Some(rows) => rows?,
            None => {
                if turn.is_next {
                    turn.sent();
                }
                asked.await?
            }
        };
        turn.answered(query_result::host_of(&self.cluster.sql(), &rows)?, begun.elapsed());
        Ok(rows)
    }
}
