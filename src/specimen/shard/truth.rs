//! What really happened in the world, for tests: noted where it happens, and not taken from any log.

use std::collections::BTreeMap;

/// An append that moved the shard's upper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMove {
    /// The writer that made it.
    pub writer: String,
    /// The incarnation of that writer.
    pub incarnation: u64,
    /// The upper before.
    pub from: u64,
    /// The upper after.
    pub to: u64,
    /// When, in nanoseconds.
    pub at: u64,
}

/// A writer holds an update that the shard has passed, and will never release it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranding {
    /// The writer.
    pub writer: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The earliest time that is stranded.
    pub ts: u64,
    /// The append that moved the shard past it.
    pub passed_by: ShardMove,
}

/// Everything that was noted.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Every move of the shard, in order.
    pub moves: Vec<ShardMove>,
    /// By writer and incarnation: the earliest stranded time.
    stranded: BTreeMap<(String, u64), u64>,
}

impl Truth {
    pub(crate) fn note_stranded(&mut self, writer: &str, incarnation: u64, ts: u64) {
        self.stranded.entry((writer.to_owned(), incarnation)).or_insert(ts);
    }

    /// Every writer that ever stranded, with the append that did it.
    pub fn strandings(&self) -> Vec<Stranding> {
        let stranding = |((writer, incarnation), ts): (&(String, u64), &u64)| {
            let passed_by = self.moves.iter().find(|it| it.from <= *ts && *ts < it.to)?.clone();
            Some(Stranding { writer: writer.clone(), incarnation: *incarnation, ts: *ts, passed_by })
        };
        self.stranded.iter().filter_map(stranding).collect()
    }
}
