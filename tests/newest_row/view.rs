//! A run with every version of each row, as somebody would have seen it who can only read the newest rows.

use dissent_core::history::event::Event;
use dissent_core::history::row::{Base, Cover, CurrentRead, Read, ReadValidity, Row};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::schema::rules::Retention;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every read brings the whole copy, and of that only the rows that the replica flagged as current in the
/// same capture.
pub(crate) fn newest_rows(every: &MemoryRecord) -> MemoryRecord {
    let mut record = every.clone();
    record.meta.schema.rules.retains = Retention::NewestRow;
    record.rows.iter_mut().for_each(Vec::clear);
    let mut view = View::of(every);
    for at in 0..record.events.len() {
        let (earlier, later) = record.events.split_at_mut(at + 1);
        match &mut earlier[at].event {
            Event::Read(read) => {
                let flags = later.iter().find_map(|timed| match &timed.event {
                    Event::CurrentRead(it) => {
                        let is_of = (&it.replica, it.partition) == (&read.replica, read.before.partition);
                        is_of.then_some(&**it)
                    }
                    _ => None,
                });
                let rows = view.whole(read, flags);
                record.rows[read.before.partition as usize].extend(rows);
            }
            Event::CurrentRead(read) => view.rename(read),
            _ => {}
        }
    }
    record.rows.iter_mut().for_each(|rows| rows.sort_by_key(|(read, row)| (row.off, *read)));
    record
}

/// A copy: replica, segment, and the number that the target gives it.
type CopyId = (String, String, u64);

/// What is current, and the last read that told it.
#[derive(Default)]
struct Flags {
    last: u64,
    known: BTreeMap<String, Vec<u64>>,
}

struct View {
    /// By read: its rows.
    rows: BTreeMap<u64, Vec<Arc<Row>>>,
    /// By read of current rows: the offsets of each key.
    currents: BTreeMap<u64, Vec<(String, Vec<u64>)>>,
    /// All rows of a copy so far.
    copies: BTreeMap<CopyId, Vec<Arc<Row>>>,
    /// By replica, partition and incarnation.
    flags: BTreeMap<(String, u32, u64), Flags>,
    /// The number that a copy has in its newest read.
    renamed: BTreeMap<CopyId, u64>,
}

impl View {
    fn of(every: &MemoryRecord) -> View {
        let mut rows: BTreeMap<u64, Vec<Arc<Row>>> = BTreeMap::new();
        every.rows.iter().flatten().for_each(|(read, row)| rows.entry(*read).or_default().push(row.clone()));
        let mut currents: BTreeMap<u64, Vec<(String, Vec<u64>)>> = BTreeMap::new();
        for (read, row) in every.current_rows.iter().flatten() {
            currents.entry(*read).or_default().push((row.key.to_string(), row.offs.clone()));
        }
        let (copies, flags, renamed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        View { rows, currents, copies, flags, renamed }
    }

    /// Makes a read one of the whole copy. Returns its rows.
    fn whole(&mut self, read: &mut Read, flags: Option<&CurrentRead>) -> Vec<(u64, Arc<Row>)> {
        let copy = (read.replica.clone(), read.before.segment.clone(), read.before.copy);
        if read.soundness == ReadValidity::Sound {
            let rows = self.rows.remove(&read.id).unwrap_or_default();
            self.copies.entry(copy.clone()).or_default().extend(rows);
        }
        let current = flags.map(|flags| self.current(flags)).unwrap_or_default();
        let held = self.copies.get(&copy).into_iter().flatten();
        let shown = held.filter(|row| current.contains(&row.off)).map(|row| (read.id, row.clone()));
        let rows: Vec<_> = shown.filter(|_| read.soundness == ReadValidity::Sound).collect();
        self.renamed.insert(copy, read.id);
        (read.from, read.base, read.rows) = (read.before.start, Base::Nothing, rows.len() as u64);
        read.before.copy = read.id;
        rows
    }

    /// The offsets that a replica flags as current in this read.
    fn current(&mut self, read: &CurrentRead) -> BTreeSet<u64> {
        let of = (read.replica.clone(), read.partition, read.incarnation);
        let Flags { last, known } = self.flags.entry(of).or_default();
        if *last < read.id && read.soundness == ReadValidity::Sound {
            *last = read.id;
            known.extend(self.currents.get(&read.id).cloned().unwrap_or_default());
        }
        known.values().flatten().copied().collect()
    }

    fn rename(&mut self, read: &mut CurrentRead) {
        let CurrentRead { replica, before, after, .. } = read;
        let rename = |cover: &mut Cover| {
            let copy = (replica.clone(), cover.segment.clone(), cover.copy);
            cover.copy = self.renamed.get(&copy).copied().unwrap_or(u64::MAX - cover.copy);
        };
        before.iter_mut().chain(after).for_each(rename);
    }
}
