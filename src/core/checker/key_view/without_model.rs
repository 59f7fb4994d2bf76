//! What every replica shows of one key of a table that the model does not fold: offset by offset, next to the
//! log's entry if the log is known. There is no expected row; what differs from most replicas is marked.

use super::with_model::{KeyView, NoSuchKey, RowView, ShownCell, mark_cells};
use crate::checker::tables::named_row::{named, names};
use crate::history::event::Event;
use crate::history::row::{Cover, Entry, ReadValidity, Row};
use crate::history::run_record::RunRecord;
use crate::history::schema::{Schema, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The view of a key in each partition where a replica or the log has it.
pub fn without_model(
    record: &dyn RunRecord,
    key: &str,
    unsaid: &[String],
) -> Result<Vec<KeyView>, NoSuchKey> {
    let partitions = 0..record.meta().partitions;
    let views =
        partitions.filter_map(|partition| KeyReads::read(record, partition, key).view(record, key, unsaid));
    let views: Vec<KeyView> = views.collect();
    match views.is_empty() {
        true => Err(NoSuchKey { known: BTreeSet::new() }),
        false => Ok(views),
    }
}

/// Everything recorded of the key in one partition. Replicas are by name.
struct KeyReads {
    partition: u32,
    covers: BTreeMap<String, Vec<Cover>>,
    rows: BTreeMap<(u64, String), Row>,
    current: BTreeSet<(u64, String)>,
    written: BTreeMap<u64, Entry>,
}

impl KeyReads {
    fn read(record: &dyn RunRecord, partition: u32, key: &str) -> KeyReads {
        let mut covers: BTreeMap<String, Vec<Cover>> = BTreeMap::new();
        let (mut reads, mut flag_reads) = (BTreeMap::new(), BTreeMap::new());
        for stamped in record.events() {
            match stamped.into_owned().event {
                Event::Read(read)
                    if read.soundness == ReadValidity::Sound && read.before.partition == partition =>
                {
                    reads.insert(read.id, read.replica.clone());
                    covers.entry(read.replica).or_default().push(read.before);
                }
                Event::CurrentRead(read) if read.soundness == ReadValidity::Sound => {
                    flag_reads.insert(read.id, read.replica);
                }
                _ => {}
            }
        }
        let rows = record.rows(partition).filter(|(_, row)| *row.key == *key);
        let rows = rows.filter_map(|(id, row)| Some(((row.off, reads.get(&id)?.clone()), row.into_owned())));
        let flags = record.current_rows(partition).filter(|(_, flag)| *flag.key == *key);
        let current = flags.flat_map(|(id, flag)| {
            let replica = flag_reads.get(&id).cloned();
            let offs = flag.into_owned().offs.into_iter();
            offs.filter_map(move |off| Some((off, replica.clone()?))).collect::<Vec<_>>()
        });
        let written = record.log(partition).filter(|entry| *entry.key == *key);
        let written = written.map(|entry| (entry.off, entry.into_owned()));
        KeyReads {
            partition,
            rows: rows.collect(),
            current: current.collect(),
            written: written.collect(),
            covers,
        }
    }

    fn view(&self, record: &dyn RunRecord, key: &str, unsaid: &[String]) -> Option<KeyView> {
        let meta = record.meta();
        let offs = self.rows.keys().map(|(off, _)| off).chain(self.written.keys());
        let offs: BTreeSet<u64> = offs.copied().collect();
        let rows = offs.into_iter().map(|off| self.row(&meta.schema, &meta.roster, off));
        let mut view = KeyView {
            key: key.to_owned(),
            partition: self.partition,
            capture: 0,
            replicas: meta.roster.clone(),
            columns: match has_ops(&meta.schema) {
                true => names(&meta.schema.columns),
                false => meta.schema.columns.iter().map(|column| column.name.clone()).collect(),
            },
            rows: rows.collect(),
            unsaid: unsaid.to_vec(),
        };
        let is_partial = view.rows.iter().flat_map(|row| &row.held).any(|held| *held == ShownCell::NotLoaded);
        if !is_partial {
            view.rows.iter_mut().for_each(mark_flags);
        }
        (!view.rows.is_empty()).then_some(view)
    }

    fn row(&self, schema: &Schema, roster: &[String], off: u64) -> RowView {
        let cover = |replica: &String| {
            let covers = self.covers.get(replica)?.iter();
            covers.into_iter().find(|cover| (cover.start..cover.end).contains(&off))
        };
        let held = roster.iter().map(|replica| {
            let Some(cover) = cover(replica) else { return ShownCell::NotLoaded };
            let at = (off, replica.clone());
            let Some(row) = self.rows.get(&at) else { return ShownCell::Missing };
            ShownCell::Row {
                cells: cells(schema, row.op, row.cmp, &row.cols),
                doc: row.doc,
                state: cover.state,
                current: self.current.contains(&at),
                odd: BTreeSet::new(),
            }
        });
        let written = self.written.get(&off).map(|entry| cells(schema, entry.op, entry.cmp, &entry.cols));
        let segment = roster.iter().find_map(cover).map(|cover| cover.segment.clone());
        let held = held.collect();
        let mut row = RowView { off, segment, expected: None, written, deletes: false, held };
        mark_cells(&schema.columns, &mut row);
        row
    }
}

fn has_ops(schema: &Schema) -> bool {
    !schema.op.is_empty()
}

fn cells(schema: &Schema, op: u64, cmp: i64, cols: &[Value]) -> BTreeMap<String, Value> {
    let mut cells = named(&schema.columns, op, cmp, cols);
    if !has_ops(schema) {
        let is_column = |name: &String| schema.columns.iter().any(|column| column.name == *name);
        cells.retain(|name, _| is_column(name));
    }
    cells
}

/// Marks the flags that differ from those of most replicas.
fn mark_flags(row: &mut RowView) {
    let flags: Vec<bool> = row.held.iter().filter_map(ShownCell::current).collect();
    for held in &mut row.held {
        let ShownCell::Row { current, odd, .. } = held else { continue };
        let alike = flags.iter().filter(|flag| **flag == *current).count();
        if 2 * alike <= flags.len() && flags.len() > 1 {
            odd.insert("current".to_owned());
        }
    }
}
