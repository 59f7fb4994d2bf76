//! The recorded evidence as the judge sees it, whether it lies in memory (a simulated run) or in a folder.

use super::event::{Event, OpOutcome, TimedEvent};
use super::fault::Step;
use super::frontier::FrontierKind;
use super::nemesis::Nemesis;
use super::row::{CurrentRow, Entry, Row};
use super::schema::Schema;
use super::time::Nanos;
use super::workload::Workload;
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The store's format: readers accept all older ones. Since 2 frames say whose they are, events are numbered,
/// and a run that ended says how much it wrote.
pub const FORMAT: u32 = 2;

/// What damage calls the file of events.
pub const EVENTS: &str = "events.jsonl.zst";

/// What is known of a run beside what happened in it. Written before the first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMeta {
    /// [`FORMAT`].
    pub format: u32,
    /// The seed.
    pub seed: Seed,
    /// The target's name (`specimen-segments`).
    pub target: String,
    /// The target file, as it was given, of a cluster that lives outside of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_file: Option<String>,
    /// The target's version, as it reports it.
    pub target_version: String,
    /// `--set` and the target's own settings, ordered.
    pub settings: BTreeMap<String, String>,
    /// The words after `dissent run` that make the run again, but for the seed. Older records have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Whether time was virtual.
    pub simulated: bool,
    /// The replicas, in order.
    pub roster: Vec<String>,
    /// The number of partitions.
    pub partitions: u32,
    /// The workload, expanded.
    pub workload: Workload,
    /// The nemesis plan, expanded.
    pub nemesis: Nemesis,
    /// The schedule drawn from the seed.
    pub steps: Vec<Step>,
    /// The table as made at the target.
    pub schema: Schema,
    /// Optional columns left out because the target's version lacks their merge function.
    pub left_out: Vec<String>,
    /// Ops 1..=this are the calibration set.
    pub calibration_ops: u64,
    /// The floor of the threshold of frozen positions, in nanoseconds (`RULES.md` 7).
    pub frozen_floor: crate::history::time::Nanos,
    /// The frontiers that the target declares, beside the replicas' consuming positions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frontiers: Vec<super::frontier::Frontier>,
    /// Wall-clock time of the run's start, RFC 3339 (simulated: a fixed day).
    pub started: String,
}

impl RunMeta {
    /// Whether rows lie in segments on replicas. Where a shard has an upper, they lie in that shard.
    pub fn has_segments(&self) -> bool {
        !self.frontiers.iter().any(|frontier| frontier.kind == FrontierKind::ShardUpper)
    }
}

/// A torn or corrupt place in the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The file, relative to the run's folder.
    pub file: String,
    /// What is wrong, and at which byte.
    pub detail: String,
}

/// An event as it is read by those who read all of them: ops come without their values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventRef<'a> {
    /// An op was sent.
    Invoked {
        /// Its id.
        op: u64,
        /// The partition it is written to.
        partition: u32,
        /// When it was due.
        due: Nanos,
    },
    /// An op was answered.
    Completed {
        /// Its id.
        op: u64,
        /// What became of it.
        outcome: OpOutcome,
        /// Where it lies.
        off: Option<u64>,
    },
    /// Anything else.
    Other(&'a Event),
}

impl<'a> From<&'a Event> for EventRef<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Invoke { op } => EventRef::Invoked { op: op.id, partition: op.partition, due: op.due },
            &Event::Complete { op, outcome, off } => EventRef::Completed { op, outcome, off },
            other => EventRef::Other(other),
        }
    }
}

/// An entry without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader<'a> {
    /// See [`Entry`].
    pub off: u64,
    /// See [`Entry`].
    pub key: &'a str,
    /// See [`Entry`].
    pub op: u64,
    /// See [`Entry`].
    pub cmp: i64,
    /// See [`Entry`].
    pub tombstone: bool,
}

impl<'a> From<&'a Entry> for EntryHeader<'a> {
    fn from(entry: &'a Entry) -> Self {
        let Entry { off, ref key, op, cmp, tombstone, .. } = *entry;
        EntryHeader { off, key, op, cmp, tombstone }
    }
}

/// All rows at one offset of a partition, each content once.
#[derive(Debug, Default)]
pub struct RowsAt<'a> {
    /// The offset.
    pub off: u64,
    /// The read that brought each row, ascending, and its content by index.
    pub seen: Vec<(u64, usize)>,
    /// Contents. Two may still be equal; placement (`doc`) is that of any row of this content.
    pub contents: Vec<Cow<'a, Row>>,
}

/// The rows of a partition, offset by offset, ascending.
pub trait RowGroups<'a> {
    /// Puts the rows at the next offset in place of what `rows` holds; false after the last.
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool;
}

/// Recorded evidence. What is damaged is left out: a file ends early, other files go on, and
/// [`RunRecord::damage`] then names it. A read that lost rows has fewer than its `rows` says.
pub trait RunRecord: Sync {
    /// What is known of the run.
    fn meta(&self) -> &RunMeta;
    /// All events, in order.
    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_>;
    /// The input log of a partition, by ascending offset.
    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_>;
    /// The rows of all reads of a partition, with the read's id, by ascending offset, then read id.
    /// Rows of unsound reads come too: the judge knows which reads count.
    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_>;
    /// The current flags of all reads of a partition, with the read's id, by ascending read id, then key.
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_>;
    /// What was found torn or corrupt, in all that was read so far.
    fn damage(&self) -> Vec<Damage>;

    /// As `events`, at less cost.
    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        self.events().for_each(|stamped| each(stamped.t, EventRef::from(&stamped.event)));
    }
    /// As `log`, at less cost.
    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        self.log(partition).for_each(|entry| each(EntryHeader::from(entry.as_ref())));
    }
    /// As `rows`, at less cost where rows are alike.
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_>;
    /// How many partitions are worth reading side by side.
    fn parallelism(&self) -> usize {
        1
    }
}

/// Evidence in memory.
#[derive(Clone, Debug)]
pub struct MemoryRecord {
    /// See [`RunRecord::facts`].
    pub meta: RunMeta,
    /// See [`RunRecord::events`].
    pub events: Vec<TimedEvent>,
    /// By partition, by offset.
    pub log: Vec<Vec<Entry>>,
    /// By partition; the driver sorts them by (offset, read). Replicas that show the same share one row.
    pub rows: Vec<Vec<(u64, Arc<Row>)>>,
    /// By partition, by (read, key).
    pub current_rows: Vec<Vec<(u64, CurrentRow)>>,
}

impl RunRecord for MemoryRecord {
    fn meta(&self) -> &RunMeta {
        &self.meta
    }
    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        Box::new(self.events.iter().map(Cow::Borrowed))
    }
    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        Box::new(self.log[partition as usize].iter().map(Cow::Borrowed))
    }
    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        Box::new(self.rows[partition as usize].iter().map(|(read, row)| (*read, Cow::Borrowed(row.as_ref()))))
    }
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        Box::new(
            self.current_rows[partition as usize].iter().map(|(read, flag)| (*read, Cow::Borrowed(flag))),
        )
    }
    fn damage(&self) -> Vec<Damage> {
        Vec::new()
    }
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        Box::new(self.rows[partition as usize].chunk_by(|(_, a), (_, b)| a.off == b.off))
    }
}

impl<'a, I: Iterator<Item = &'a [(u64, Arc<Row>)]>> RowGroups<'a> for I {
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool {
        rows.seen.clear();
        rows.contents.clear();
        let Some(group) = Iterator::next(self) else { return false };
        for (read, row) in group {
            rows.off = row.off;
            let known = rows.contents.iter().position(|known| std::ptr::eq(known.as_ref(), row.as_ref()));
            let at = known.unwrap_or(rows.contents.len());
            if known.is_none() {
                rows.contents.push(Cow::Borrowed(row.as_ref()));
            }
            rows.seen.push((*read, at));
        }
        true
    }
}
