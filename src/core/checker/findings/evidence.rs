//! A few rows as evidence, with all replicas next to each other.

use crate::checker::safety::current_rows::{CurrentRows, is_current};
use crate::checker::safety::mismatch::{Content, Expected, Mismatch, ReplicaView};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::tables::named_row::{name, own};
use crate::checker::verdict::{Origin, RowEvidence, ShownRow};
use crate::history::schema::Value;
use std::collections::BTreeMap;

/// The largest number of rows that one finding shows.
const ROWS_MAX: usize = 6;

/// Selects and formats evidence at one point.
pub(crate) struct EvidencePicker<'w> {
    pub(crate) history: &'w History<'w>,
    pub(crate) log_index: &'w LogIndex,
    pub(crate) flags: Option<&'w CurrentRows<'w>>,
    pub(crate) at: CapturePoint,
}

impl EvidencePicker<'_> {
    /// Selects rows: roots first, in log order. If any row shows defaults or stale values, at least one such
    /// row is selected.
    pub(crate) fn select_rows(
        &self,
        mismatches: &[&Mismatch],
        is_member: impl Fn(&ReplicaView) -> bool,
    ) -> Vec<RowEvidence> {
        let mut ranked: Vec<(bool, Origin, u64, &Mismatch)> = Vec::new();
        for mismatch in mismatches {
            let origins = mismatch.views.iter().filter(|view| is_member(view) && view.content_or_absent());
            let Some(origin) = origins.filter_map(|view| view.anomaly.as_ref().map(|w| w.origin)).min()
            else {
                continue;
            };
            let gone = !mismatch.at(self.at).any(&is_member);
            ranked.push((gone, origin, mismatch.off, mismatch));
        }
        ranked.sort_by_key(|&(gone, origin, off, _)| (gone, origin, off));
        let shows = |mismatch: &Mismatch, default: bool| {
            let wrongs = mismatch.views.iter().filter_map(|view| view.anomaly.as_ref());
            wrongs
                .into_iter()
                .any(|wrong| if default { wrong.shows_default } else { !wrong.stale.is_empty() })
        };
        let mut chosen: Vec<usize> = Vec::new();
        for default in [true, false] {
            chosen.extend(ranked.iter().position(|(.., mismatch)| shows(mismatch, default)));
        }
        chosen.extend(0..ranked.len());
        let mut kept: Vec<usize> = Vec::new();
        for at in chosen {
            if !kept.contains(&at) && kept.len() < ROWS_MAX {
                kept.push(at);
            }
        }
        kept.sort_unstable();
        let spell = |at: usize| self.row_evidence(ranked[at].3, ranked[at].1, &is_member);
        kept.into_iter().map(spell).collect()
    }

    fn row_evidence(
        &self,
        mismatch: &Mismatch,
        origin: Origin,
        is_member: &dyn Fn(&ReplicaView) -> bool,
    ) -> RowEvidence {
        let schema = &self.history.meta.schema;
        let spans = &self.history.segments[self.log_index.partition as usize];
        let names = |at: &[usize]| -> Vec<String> {
            at.iter().map(|&at| name(&schema.columns, at).to_owned()).collect()
        };
        let member = mismatch.at(self.at).chain(&mismatch.views).find(|view| is_member(view));
        let key = member.map_or(&mismatch.key, |view| mismatch.key_of(view));
        let shown = (0..self.history.meta.roster.len()).map(|replica| {
            let view = mismatch.at(self.at).find(|view| view.replica == replica);
            ShownRow {
                replica: self.history.meta.roster[replica].clone(),
                read: view.and_then(|view| view.read),
                state: view.and_then(|view| view.state),
                row: view.and_then(|view| view.content.as_ref()).map(|content| self.content(content)),
                wrong: view.is_some_and(|view| view.anomaly.is_some()),
                stale: view.and_then(|view| view.anomaly.as_ref()).map_or(Vec::new(), |it| names(&it.stale)),
                current: view.is_some_and(|view| {
                    is_current(self.flags, replica, mismatch.key_of(view), mismatch.off, self.at)
                }),
            }
        });
        let shown = shown.collect();
        let mut columns: Vec<usize> = mismatch
            .at(self.at)
            .filter_map(|view| view.anomaly.as_ref())
            .flat_map(|wrong| wrong.columns.iter().copied())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        RowEvidence {
            key: key.clone(),
            off: Some(mismatch.off),
            segment: mismatch.segment.map_or_else(String::new, |at| spans[at].name.clone()),
            origin,
            expected: mismatch.expected.as_ref().map(|expected| self.expected(expected)),
            shown,
            columns: names(&columns),
        }
    }

    fn expected(&self, expected: &Expected) -> BTreeMap<String, Value> {
        match expected {
            Expected::Row(op, cmp, columns) => self.row(*op, *cmp, columns),
            Expected::Current(off) => flagged(off.iter()),
        }
    }

    fn content(&self, content: &Content) -> BTreeMap<String, Value> {
        match content {
            Content::Row(row) => self.row(row.op, row.cmp, &row.cols),
            Content::Flags(offs) => flagged(offs.iter()),
        }
    }

    fn row(&self, op: u64, cmp: i64, values: &[Value]) -> BTreeMap<String, Value> {
        let columns = &self.history.meta.schema.columns;
        let named = columns.iter().zip(values).map(|(column, value)| {
            // The cell is compared with a raw row, so it must look like one.
            (column.name.clone(), column.shown(value))
        });
        named.chain(own(op, cmp)).collect()
    }
}

impl ReplicaView {
    /// Whether this view can be shown: its content was kept, or it has none.
    fn content_or_absent(&self) -> bool {
        self.content.is_some() || self.read.is_none()
    }
}

fn flagged<'o>(offs: impl Iterator<Item = &'o u64>) -> BTreeMap<String, Value> {
    let offs = offs.map(|off| off.cast_signed()).collect();
    BTreeMap::from([("current".to_owned(), Value::Longs(offs))])
}
