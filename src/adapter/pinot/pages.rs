//! Big answers in pieces, and whose turn it is at the broker.

use std::ops::Range;

/// The most rows that are asked for at once.
pub(super) const PAGE_ROWS: u64 = 50_000;

/// An answer of so few rows costs no more than learning whose turn it is.
pub(super) const SMALL_ROWS: u64 = 2_000;

/// The most keys that are current in a group of segments.
pub(super) const KEYS_MAX: usize = 10_000_000;

/// So many questions a server, and whose turn it is cannot be learnt: others ask all the time.
pub(super) const QUERIES_MAX: usize = 6;

/// What is asked of one server.
pub(super) struct Query {
    pub(super) sql: String,
    /// Of how many segments of the table the answer must be made; 0 if that does not matter.
    pub(super) segments: usize,
    /// A small question that goes the same way, and has a row for an answer.
    pub(super) probe: String,
    /// Whether its answer is worth more than a few probes.
    pub(super) is_big: bool,
}

/// The wanted server's turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RoundRobin {
    /// After so many queries it comes again.
    pub(super) cycle: Option<usize>,
    /// So many queries ago it came last.
    pub(super) ago: Option<usize>,
}

impl RoundRobin {
    pub(super) fn is_next(&self) -> bool {
        self.ago.is_some_and(|ago| self.cycle == Some(ago + 1))
    }

    /// A query was answered by the wanted server, or by another.
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

/// Segments in groups of about a page, each with how many of its rows are wanted. The last group takes what
/// is left, so that none is asked for that has no rows: an empty answer does not tell whose it is.
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

/// As SQL wants names in a list.
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
