//! Big answers in pieces, and none of them for nothing: whose turn it is at the broker is learnt by small
//! questions, and the big one is put when the wanted server is next.
//!
//! A broker hands queries to the servers in strict turn, by a number that it counts over all clients. So
//! somebody else's query shifts the turn: the host in the answer decides, and the question is put again.

use super::broker;
use super::reads::Reads;
use super::table::realtime;
use crate::adapter::TargetError;
use serde_json::Value as Json;
use std::ops::Range;

/// The most rows that are asked for at once.
pub(super) const PAGE_ROWS: u64 = 50_000;

/// An answer of so few rows costs no more than learning whose turn it is.
const SMALL_ROWS: u64 = 2_000;

/// The most keys that are current in a group of segments.
const KEYS_MAX: usize = 10_000_000;

/// So many questions a server, and whose turn it is cannot be learnt: others ask all the time.
const QUERIES_MAX: usize = 6;

/// What is asked of one server.
pub(super) struct Query {
    sql: String,
    /// Of how many segments of the table the answer must be made; 0 if that does not matter.
    segments: usize,
    /// A small question that goes the same way, and has a row for an answer.
    probe: String,
    /// Whether its answer is worth more than a few probes.
    is_big: bool,
}

/// The wanted server's turn.
#[derive(Debug, Default, PartialEq, Eq)]
struct RoundRobin {
    /// After so many queries it comes again.
    cycle: Option<usize>,
    /// So many queries ago it came last.
    ago: Option<usize>,
}

impl RoundRobin {
    fn is_next(&self) -> bool {
        self.ago.is_some_and(|ago| self.cycle == Some(ago + 1))
    }

    /// A query was answered by the wanted server, or by another.
    fn answered(&mut self, wanted: bool) {
        match (wanted, self.ago) {
            (true, Some(ago)) => *self = RoundRobin { cycle: Some(ago + 1), ago: Some(0) },
            (true, None) => self.ago = Some(0),
            (false, ago) => self.ago = ago.map(|ago| ago + 1),
        }
    }
}

/// The documents `from..to` in pages.
pub(super) fn pages(docs: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = docs;
    let step = usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
    (start..end).step_by(step).map(move |from| from..end.min(from + PAGE_ROWS))
}

/// Segments in groups of about a page, each with how many of its rows are wanted. The last group takes what
/// is left, so that none is asked for that has no rows: an empty answer does not tell whose it is.
fn grouped(segments: &[(String, u64)]) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let (mut open, mut rows) = (Vec::new(), 0);
    for (segment, count) in segments {
        open.push(segment.clone());
        rows += count;
        if rows >= PAGE_ROWS {
            groups.push(std::mem::take(&mut open));
            rows = 0;
        }
    }
    match groups.last_mut() {
        Some(last) => last.append(&mut open),
        None => groups.push(open),
    }
    groups
}

/// As SQL wants names in a list.
fn quoted(segments: &[String]) -> String {
    segments.iter().map(|segment| format!("'{segment}'")).collect::<Vec<_>>().join(", ")
}

impl Reads {
    /// The question for raw rows of a segment: `columns` of these documents, in order.
    pub(super) fn of_rows(&self, segment: &str, docs: &Range<u64>, columns: &str) -> Query {
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

    /// The questions for what is current in these segments of a replica, which hold so many rows.
    pub(super) async fn of_flags(
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
        let question = |names: Vec<String>| {
            let sql = format!(
                "SELECT $hostName, $segmentName, $docId{keys} FROM {table} WHERE $segmentName IN \
                 ({}) LIMIT {KEYS_MAX}",
                quoted(&names)
            );
            let (probe, is_big) = (self.probe(&names), rows > SMALL_ROWS);
            Query { sql, segments, probe, is_big }
        };
        Ok(groups.into_iter().map(question).collect())
    }

    /// How many rows are current in each segment, in the order of the names.
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
        let question = Query { sql, segments, probe, is_big: false };
        let counted = self.ask(replica, &question).await?;
        let count = |name: &String| {
            let row = counted.iter().find(|row| row.get(1).and_then(Json::as_str) == Some(name));
            row.and_then(|row| row.get(2)).and_then(Json::as_u64).unwrap_or(0)
        };
        Ok(names.iter().map(|name| (name.clone(), count(name))).collect())
    }

    /// The wanted server's rows; none if its turn does not come.
    pub(super) async fn in_turn(
        &self,
        host: &str,
        question: &Query,
    ) -> Result<Option<Vec<Vec<Json>>>, TargetError> {
        match question.is_big {
            true => self.when_it_is_next(host, question).await,
            false => self.round(host, &question.sql, question.segments).await,
        }
    }

    /// Finds out whose turn it is, and asks when the wanted server is next.
    async fn when_it_is_next(
        &self,
        host: &str,
        question: &Query,
    ) -> Result<Option<Vec<Vec<Json>>>, TargetError> {
        let Query { sql, segments, probe, .. } = question;
        let url = self.cluster.sql();
        let servers = self.cluster.roster().len();
        let mut turn = RoundRobin { cycle: Some(servers), ago: None };
        let mut is_seen = false;
        let our_turn = self.gate.turn().await;
        for _ in 0..QUERIES_MAX * servers {
            if turn.is_next() {
                let rows = self.query(sql, *segments).await?;
                if broker::host_of(&url, &rows)? == Some(host) {
                    return Ok(Some(rows));
                }
                // Somebody else has asked, or not all servers have a turn: count again how many there are.
                turn = RoundRobin::default();
            } else {
                let answered = self.query(probe, *segments).await?;
                let is_wanted = broker::host_of(&url, &answered)? == Some(host);
                is_seen |= is_wanted;
                turn.answered(is_wanted);
            }
        }
        drop(our_turn);
        if is_seen { self.round(host, sql, *segments).await } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_the_documents_once_each() {
        let of = |docs| pages(docs).collect::<Vec<_>>();
        assert_eq!(of(5..5), []);
        assert_eq!(of(5..7), vec![5..7]);
        assert_eq!(of(1..PAGE_ROWS + 1), vec![1..PAGE_ROWS + 1]);
        assert_eq!(
            of(0..2 * PAGE_ROWS + 1),
            [0..PAGE_ROWS, PAGE_ROWS..2 * PAGE_ROWS, 2 * PAGE_ROWS..2 * PAGE_ROWS + 1]
        );
    }

    #[test]
    fn no_group_of_segments_is_without_rows() {
        let of = |counts: &[u64]| {
            let segments: Vec<(String, u64)> =
                counts.iter().enumerate().map(|(at, count)| (at.to_string(), *count)).collect();
            grouped(&segments).iter().map(|group| group.concat()).collect::<Vec<_>>()
        };
        assert_eq!(of(&[0, 1, 0]), ["012"]);
        assert_eq!(of(&[0, PAGE_ROWS, 0, PAGE_ROWS - 1, 1, 0, 7]), ["01", "23456"]);
        assert_eq!(of(&[2 * PAGE_ROWS, 3 * PAGE_ROWS]), ["0", "1"]);
    }

    /// Who answers, with `w` for the wanted server: when is it next?
    #[test]
    fn a_turn_is_known_once_it_came_twice() {
        for (cycle, answers, next) in [
            (Some(4), "abc", false),
            (Some(4), "w", false),
            (Some(4), "wabc", true),
            (Some(1), "w", true),
            (None, "wabc", false),
            (None, "wabcw", false),
            (None, "wabcwabc", true),
            (Some(4), "wabwab", true),
        ] {
            let mut turn = RoundRobin { cycle, ago: None };
            answers.chars().for_each(|who| turn.answered(who == 'w'));
            assert_eq!(turn.is_next(), next, "{answers} of {cycle:?}");
        }
    }
}
