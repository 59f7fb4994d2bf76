//! Rows that count for several reads, because their copies have one checksum (`RULES.md` 4). They are stored
//! once, under the read that returned them, and come back once for each read.

use dissent_core::history::row::Row;
use dissent_core::history::run_record::{RowGroups, RowsAt};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// For each read whose rows count for others, the ids of those.
pub(super) type Sharers = BTreeMap<u64, Vec<u64>>;

/// A row with the id of its read.
type ReadRow<'a> = (u64, Cow<'a, Row>);

/// The rows of all reads, given those that were stored. They are in the order of offsets, then of ids.
pub(super) fn rows_of_all<'a>(
    stored: impl Iterator<Item = ReadRow<'a>> + 'a,
    sharers: &'a Sharers,
) -> Box<dyn Iterator<Item = ReadRow<'a>> + 'a> {
    if sharers.is_empty() {
        return Box::new(stored);
    }
    let mut stored = stored.peekable();
    let next_offset = move || {
        let off = stored.peek()?.1.off;
        let mut rows = Vec::new();
        while let Some((read, row)) = stored.next_if(|(_, row)| row.off == off) {
            rows.extend(sharers.get(&read).into_iter().flatten().map(|sharer| (*sharer, row.clone())));
            rows.push((read, row));
        }
        rows.sort_by_key(|(read, _)| *read);
        Some(rows)
    };
    Box::new(std::iter::from_fn(next_offset).flatten())
}

/// The same by offset.
pub(super) struct SharedGroups<'a, G> {
    pub(super) stored: G,
    pub(super) sharers: &'a Sharers,
}

impl<'a, G: RowGroups<'a>> RowGroups<'a> for SharedGroups<'_, G> {
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool {
        let more = self.stored.next(rows);
        if more && !self.sharers.is_empty() {
            for at in 0..rows.seen.len() {
                let (read, content) = rows.seen[at];
                let sharers = self.sharers.get(&read).into_iter().flatten();
                rows.seen.extend(sharers.map(|sharer| (*sharer, content)));
            }
            rows.seen.sort_by_key(|(read, _)| *read);
        }
        more
    }
}
