//! Splitting large answers into pages, and predicting which server answers the next query.

use std::ops::Range;

/// The maximum number of rows per query.
pub(super) const PAGE_ROWS: u64 = 50_000;

/// An answer of at most this many rows costs no more than finding out whose turn it is.
pub(super) const SMALL_ROWS: u64 = 2_000;

/// The maximum number of current keys in one group of segments.
pub(super) const KEYS_MAX: usize = 10_000_000;

/// The number of queries per server after which predicting the turn is given up, because other clients keep
/// querying.
pub(super) const QUERIES_MAX: usize = 6;

/// A query for one server.
pub(super) struct Query {
    pub(super) sql: String,
    /// The number of segments that the answer must cover; 0 if that does not matter.
    pub(super) segments: usize,
    /// A small query with the same routing and at least one row in its answer.
    pub(super) probe: String,
    /// Whether the answer costs more than a few probes.
    pub(super) is_big: bool,
    /// Whether every document that matches is a row of the answer.
    pub(super) selects: bool,
}

impl Query {
    /// A query that counts, or otherwise has no document as a row.
    pub(super) fn counting(sql: String, segments: usize) -> Query {
        Query { sql, segments, probe: String::new(), is_big: false, selects: false }
    }

    /// A query for documents.
    pub(super) fn selecting(sql: String, segments: usize, probe: String, is_big: bool) -> Query {
        Query { sql, segments, probe, is_big, selects: true }
    }
}

/// The position of the wanted server in the broker's rotation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RoundRobin {
    /// The number of queries between two turns of the server, once known.
    pub(super) cycle: Option<usize>,
    /// The number of queries since its last turn. None before the first.
    pub(super) ago: Option<usize>,
}

impl RoundRobin {
    pub(super) fn is_next(&self) -> bool {
        self.ago.is_some_and(|ago| self.cycle == Some(ago + 1))
    }

    /// Records whether the wanted server answered a query.
    pub(super) fn answered(&mut self, wanted: bool) {
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

/// Groups segments, given with their numbers of wanted rows, into groups of about one page. The last group
/// takes the rest. So no group is without rows: an empty answer does not show which server gave it.
pub(super) fn grouped(segments: &[(String, u64)]) -> Vec<Vec<String>> {
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

/// The names as a SQL list.
pub(super) fn quoted(segments: &[String]) -> String {
    segments.iter().map(|segment| format!("'{segment}'")).collect::<Vec<_>>().join(", ")
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

    /// Whether the wanted server is next, after a sequence of answers in which `w` is the wanted server.
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
