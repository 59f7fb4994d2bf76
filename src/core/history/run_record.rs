//! The recorded evidence as the judge sees it, whether it is in memory (a simulated run) or in a folder.

use super::event::{Event, OpOutcome, TimedEvent};
use super::fault::Step;
use super::frontier::FrontierKind;
use super::lifecycle::LifecycleRecord;
use super::nemesis::Nemesis;
use super::row::{CurrentRow, Entry, Row};
use super::schema::Schema;
use super::scratch::Scratch;
use super::time::Nanos;
use super::trust::TrustChecksums;
use super::workload::{Keys, Skew, Workload};
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of the store's format. Readers accept all older ones. Since 2, frames say which stream they
/// belong to, events are numbered, and a run that ended says how much it wrote. Since 3, contents that
/// several reads returned are stored once. Since 4, what there are millions of is stored by column.
pub const FORMAT: u32 = 4;

/// The first format that stores contents once.
pub const SHARED_CONTENTS: u32 = 3;

/// The first format that stores events, log and contents by column.
pub const TABLES: u32 = 4;

/// The name of the events file.
pub const EVENTS: &str = "events.table.zst";

/// The name of the events file before [`TABLES`].
const EVENT_LINES: &str = "events.jsonl.zst";

/// The name of the events file of this format.
pub fn events_name(format: u32) -> &'static str {
    if format < TABLES { EVENT_LINES } else { EVENTS }
}

/// What was done to the cluster for the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// It was written to, and faults were injected.
    #[default]
    Run,
    /// Nothing: somebody brought the contents of its replicas.
    Compare,
    /// It was only read.
    Audit,
}

impl Activity {
    fn is_run(&self) -> bool {
        *self == Activity::Run
    }
}

/// What is known of a run besides its events. Written before the first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMeta {
    /// The [`FORMAT`] it was written in.
    pub format: u32,
    /// What was done to the cluster.
    #[serde(default, skip_serializing_if = "Activity::is_run")]
    pub activity: Activity,
    /// The seed that the run was drawn from.
    pub seed: Seed,
    /// The target's name (`specimen-segments`).
    pub target: String,
    /// The target file as given, if the cluster lives outside the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_file: Option<String>,
    /// The version that the target reports.
    pub target_version: String,
    /// `--set` and the target's own settings, by name.
    pub settings: BTreeMap<String, String>,
    /// The arguments after `dissent run` that repeat the run, without the seed. Empty in older records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Whether the run used virtual time.
    pub simulated: bool,
    /// The names of the replicas, in order.
    pub roster: Vec<String>,
    /// The number of partitions.
    pub partitions: u32,
    /// The workload, with all defaults filled in.
    pub workload: Workload,
    /// The nemesis plan, with all defaults filled in.
    pub nemesis: Nemesis,
    /// The schedule that was drawn from the seed.
    pub steps: Vec<Step>,
    /// The table as it was created at the target.
    pub schema: Schema,
    /// Optional columns left out because this version of the target lacks their merge function.
    pub left_out: Vec<String>,
    /// Ops 1 to this one are the calibration set.
    pub calibration_ops: u64,
    /// The threshold for frozen positions is never below this (`RULES.md` 7).
    pub frozen_floor: crate::history::time::Nanos,
    /// Which committed copies are counted by their checksum. Older records read every copy.
    #[serde(default, skip_serializing_if = "TrustChecksums::is_none")]
    pub trust_checksums: TrustChecksums,
    /// The frontiers that the target declares, besides the replicas' consuming positions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frontiers: Vec<super::frontier::Frontier>,
    /// Wall-clock time of the run's start, RFC 3339. In a simulated run, a fixed date.
    pub started: String,
}

impl RunMeta {
    /// The metadata of an activity that writes nothing and injects no fault.
    pub fn of_reading(activity: Activity, target: &str, roster: &[String], schema: &Schema) -> RunMeta {
        let workload = Workload {
            name: "none".to_owned(),
            hunts: "what each replica has now".to_owned(),
            partitions: 1,
            comparison: schema.comparison.clone(),
            rate_hz: 0,
            load: Nanos(0),
            segment_rows: 0,
            provenance: schema.provenance,
            delete_percent: 0,
            tie_percent: 0,
            out_of_order_percent: 0,
            unknown_percent: 0,
            duplicate_percent: 0,
            guard_keys: 0,
            keys: Keys { live: 0, skew: Skew::Uniform, retire_after_segments: 0, retire_after_updates: 0 },
            columns: Vec::new(),
            boundaries: None,
            writes: None,
        };
        RunMeta {
            format: FORMAT,
            activity,
            seed: Seed(0),
            target: target.to_owned(),
            target_file: None,
            target_version: String::new(),
            settings: BTreeMap::new(),
            command: Vec::new(),
            simulated: false,
            roster: roster.to_vec(),
            partitions: 1,
            workload,
            nemesis: Nemesis::none(),
            steps: Vec::new(),
            schema: schema.clone(),
            left_out: Vec::new(),
            calibration_ops: 0,
            frozen_floor: Nanos(0),
            trust_checksums: TrustChecksums::None,
            frontiers: Vec::new(),
            started: String::new(),
        }
    }

    /// Whether segments end during the run, so that rows are carried from one to the next.
    pub fn has_boundaries(&self) -> bool {
        self.has_segments() && !self.schema.rules.has_own_log()
    }

    /// Whether rows are in segments on replicas. If there is a shard with an upper, they are in that shard.
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

impl Damage {
    /// Whether events are damaged.
    pub fn is_of_events(&self) -> bool {
        [EVENTS, EVENT_LINES].contains(&self.file.as_str())
    }
}

/// An event as [`RunRecord::scan_events`] passes it on: ops come without their values.
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
        /// Its offset in the log, if the target reported one.
        off: Option<u64>,
    },
    /// Any other event.
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

/// A log entry without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader<'a> {
    /// See [`Entry::off`].
    pub off: u64,
    /// See [`Entry::key`].
    pub key: &'a str,
    /// See [`Entry::op`].
    pub op: u64,
    /// See [`Entry::cmp`].
    pub cmp: i64,
    /// See [`Entry::tombstone`].
    pub tombstone: bool,
}

impl<'a> From<&'a Entry> for EntryHeader<'a> {
    fn from(entry: &'a Entry) -> Self {
        let Entry { off, ref key, op, cmp, tombstone, .. } = *entry;
        EntryHeader { off, key, op, cmp, tombstone }
    }
}

/// All rows at one offset of a partition. Equal rows share one element of `contents`.
#[derive(Debug, Default)]
pub struct RowsAt<'a> {
    /// The log offset.
    pub off: u64,
    /// For each row, the id of the read that returned it and its index in `contents`. Ids ascend.
    pub seen: Vec<(u64, usize)>,
    /// Distinct contents, though two may still be equal. The placement (`doc`) is that of any row of this
    /// content.
    pub contents: Vec<Cow<'a, Row>>,
}

/// The rows of a partition, grouped by offset, ascending.
pub trait RowGroups<'a> {
    /// Replaces what `rows` holds by the rows at the next offset. Returns false after the last one.
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool;
}

/// The entries of a partition's log, by ascending offset.
pub trait LogEntries<'a> {
    /// Replaces `entry` by the next one, and may use its memory again. Returns false after the last one.
    fn next(&mut self, entry: &mut Cow<'a, Entry>) -> bool;
}

/// The entries of an iterator.
struct EachEntry<I>(I);

impl<'a, I: Iterator<Item = Cow<'a, Entry>>> LogEntries<'a> for EachEntry<I> {
    fn next(&mut self, entry: &mut Cow<'a, Entry>) -> bool {
        self.0.next().map(|next| *entry = next).is_some()
    }
}

/// Recorded evidence. Damaged parts are left out: a damaged file ends early, the other files are complete,
/// and [`RunRecord::damage`] names it. A read that lost rows has fewer than its `rows` says.
pub trait RunRecord: Sync {
    /// What is known of the run.
    fn meta(&self) -> &RunMeta;
    /// All events, in order.
    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_>;
    /// The input log of a partition, by ascending offset.
    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_>;
    /// The rows of all reads of a partition, each with the id of its read, by ascending offset, then read id.
    /// Includes rows of unsound reads, since the judge knows which reads count.
    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_>;
    /// The current flags of all reads of a partition, each with the id of its read, by ascending read id,
    /// then key.
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_>;
    /// What was found torn or corrupt in all that was read so far.
    fn damage(&self) -> Vec<Damage>;

    /// The same as `events`, but cheaper.
    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        self.events().for_each(|stamped| each(stamped.t, EventRef::from(&stamped.event)));
    }
    /// The same as `log`, but cheaper.
    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        self.log(partition).for_each(|entry| each(EntryHeader::from(entry.as_ref())));
    }
    /// The same as `log`, but cheaper where entries are needed one at a time.
    fn log_entries(&self, partition: u32) -> Box<dyn LogEntries<'_> + '_> {
        Box::new(EachEntry(self.log(partition)))
    }
    /// The same as `rows`, but cheaper where rows are alike.
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_>;
    /// How many partitions are worth reading in parallel.
    fn parallelism(&self) -> usize {
        1
    }
    /// Where tables go that exceed the memory for this record. None: they stay in memory.
    fn scratch(&self) -> Option<Arc<dyn Scratch>> {
        None
    }
    /// Events of nodes that were brought in after the run, in each node's program order. They have no time on
    /// the run's clock. There is no order between them and the recorded events of the same node, so they take
    /// the place of those.
    fn imported(&self) -> &[LifecycleRecord] {
        &[]
    }
}

/// A record, with events of nodes that were brought in after the run.
pub struct WithImports<'r> {
    /// What was recorded.
    pub record: &'r dyn RunRecord,
    /// See [`RunRecord::imported`].
    pub imported: Vec<LifecycleRecord>,
}

impl RunRecord for WithImports<'_> {
    fn meta(&self) -> &RunMeta {
        self.record.meta()
    }
    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        self.record.events()
    }
    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        self.record.log(partition)
    }
    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        self.record.rows(partition)
    }
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        self.record.current_rows(partition)
    }
    fn damage(&self) -> Vec<Damage> {
        self.record.damage()
    }
    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        self.record.scan_events(each);
    }
    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        self.record.scan_log(partition, each);
    }
    fn log_entries(&self, partition: u32) -> Box<dyn LogEntries<'_> + '_> {
        self.record.log_entries(partition)
    }
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        self.record.row_groups(partition)
    }
    fn parallelism(&self) -> usize {
        self.record.parallelism()
    }
    fn scratch(&self) -> Option<Arc<dyn Scratch>> {
        self.record.scratch()
    }
    fn imported(&self) -> &[LifecycleRecord] {
        &self.imported
    }
}

/// Evidence in memory.
#[derive(Clone, Debug)]
pub struct MemoryRecord {
    /// See [`RunRecord::meta`].
    pub meta: RunMeta,
    /// See [`RunRecord::events`].
    pub events: Vec<TimedEvent>,
    /// By partition, then by offset.
    pub log: Vec<Vec<Entry>>,
    /// By partition; the driver sorts them by (offset, read). Replicas that show the same row share it.
    pub rows: Vec<Vec<(u64, Arc<Row>)>>,
    /// By partition, then by (read, key).
    pub current_rows: Vec<Vec<(u64, CurrentRow)>>,
}

/// Frees what is large by code of this crate, which is built for speed.
impl Drop for MemoryRecord {
    fn drop(&mut self) {
        self.events.clear();
        self.log.clear();
        self.rows.clear();
        self.current_rows.clear();
    }
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
    // As provided, but compiled in this crate, which is built for speed.
    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        self.events.iter().for_each(|stamped| each(stamped.t, EventRef::from(&stamped.event)));
    }
    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        self.log[partition as usize].iter().for_each(|entry| each(EntryHeader::from(entry)));
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
