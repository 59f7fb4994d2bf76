//! Splitting large answers into pages.

/// The maximum number of rows per query.
pub(super) const PAGE_ROWS: u64 = 50_000;

/// The minimum number of rows per page, however wide they are.
const PAGE_ROWS_MIN: u64 = 100;

/// How many bytes the pages that are being read should have together. The broker has each answer in its
/// memory several times over, and may be a small one.
const PAGES_BYTES: u64 = 16 << 20;

/// The bytes of a row while nothing is known of it.
pub(super) const ROW_BYTES: u64 = 320;

/// An answer of fewer rows does not show how wide rows are.
pub(super) const ROWS_MEASURED: usize = 100;

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
    /// Whether the answer is a page of raw rows.
    pub(super) is_page: bool,
}

impl Query {
    /// A query that counts, or otherwise has no document as a row.
    pub(super) fn counting(sql: String, segments: usize) -> Query {
        Query { sql, segments, probe: String::new(), is_big: false, selects: false, is_page: false }
    }

    /// A query for documents.
    pub(super) fn selecting(sql: String, segments: usize, probe: String, is_big: bool) -> Query {
        Query { sql, segments, probe, is_big, selects: true, is_page: false }
    }
}

/// The number of rows of a page, if each has so many bytes and so many queries run side by side.
pub(super) fn page_rows(row_bytes: u64, queries: u32) -> u64 {
    (PAGES_BYTES / u64::from(queries.max(1)) / row_bytes.max(1)).clamp(PAGE_ROWS_MIN, PAGE_ROWS)
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
    fn pages_are_smaller_if_rows_are_wide_and_if_several_are_read_side_by_side() {
        assert_eq!(page_rows(ROW_BYTES, 1), PAGE_ROWS);
        assert_eq!([page_rows(1_024, 1), page_rows(1_024, 4)], [16_384, 4_096]);
        assert_eq!(page_rows(1 << 30, 4), PAGE_ROWS_MIN);
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
}
