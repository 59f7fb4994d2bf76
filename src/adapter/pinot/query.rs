//! Queries for large answers without waste: small probes find out which server is next at the broker, and the
//! large query is sent when the wanted server is next.
//!
//! A broker assigns queries to the servers in strict rotation, with a counter over all clients. So another
//! client's query shifts the rotation. The host name in the answer decides, and the query is repeated if
//! needed.

use super::pages::{KEYS_MAX, PAGE_ROWS, QUERIES_MAX, Query, RoundRobin, SMALL_ROWS, grouped, quoted};
use super::query_result;
use super::reads::Reads;
use super::table::realtime;
use crate::target_error::TargetError;
use serde_json::Value as Json;
use std::ops::Range;

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
        Query { sql, segments: 0, probe, is_big: count > SMALL_ROWS }
    }

    fn probe(&self, segments: &[String]) -> String {
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
            Query { sql, segments, probe, is_big }
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
        let query = Query { sql, segments, probe, is_big: false };
        let counted = self.ask(replica, &query).await?;
        let count = |name: &String| {
            let row = counted.iter().find(|row| row.get(1).and_then(Json::as_str) == Some(name));
            row.and_then(|row| row.get(2)).and_then(Json::as_u64).unwrap_or(0)
        };
        Ok(names.iter().map(|name| (name.clone(), count(name))).collect())
    }

    /// The wanted server's rows. None if its turn does not come.
    pub(super) async fn ask_in_turn(
        &self,
        host: &str,
        query: &Query,
    ) -> Result<Option<Vec<Vec<Json>>>, TargetError> {
        match query.is_big {
            true => self.ask_when_next(host, query).await,
            false => self.round(host, &query.sql, query.segments).await,
        }
    }

    /// Finds the rotation with probes, and sends the query when the wanted server is next.
    async fn ask_when_next(&self, host: &str, query: &Query) -> Result<Option<Vec<Vec<Json>>>, TargetError> {
        let Query { sql, segments, probe, .. } = query;
        let url = self.cluster.sql();
        let servers = self.cluster.roster().len();
        let mut turn = RoundRobin { cycle: Some(servers), ago: None };
        let mut is_seen = false;
        let permit = self.gate.acquire().await;
        for _ in 0..QUERIES_MAX * servers {
            if turn.is_next() {
                let rows = self.query(sql, *segments).await?;
                if query_result::host_of(&url, &rows)? == Some(host) {
                    return Ok(Some(rows));
                }
                // Another client has queried, or not all servers take turns: count the servers again.
                turn = RoundRobin::default();
            } else {
                let answered = self.query(probe, *segments).await?;
                let is_wanted = query_result::host_of(&url, &answered)? == Some(host);
                is_seen |= is_wanted;
                turn.answered(is_wanted);
            }
        }
        drop(permit);
        if is_seen { self.round(host, sql, *segments).await } else { Ok(None) }
    }
}
