//! Inspects one key of a live cluster, around the router: coverage, raw rows and flags of every replica, and
//! the log if there is one. The result is a record like any other, so live clusters and recorded runs are
//! displayed by the same code.
//!
//! Only the data of this key is kept, so memory use grows with the number of keys, not of rows.

use crate::adapter::{Capabilities, Frontiers};
use crate::config::error::ConfigError;
use crate::target_error::TargetError;
use dissent_core::history::event::{CaptureReason, Event, TimedEvent};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::row::{
    Base, Cover, Coverage, CurrentRead, CurrentRow, Entry, Read, ReadValidity, Row, Segment,
};
use dissent_core::history::run_record::{Activity, MemoryRecord, RunMeta};
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a live cluster could not be inspected. A replica that does not answer is no such reason: it is named
/// and shown as not loaded.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The target lacks a capability.
    #[error("{target} offers no {part}, so its replicas cannot be looked at one by one")]
    Lacks {
        /// The name of the target.
        target: String,
        /// The missing capability.
        part: &'static str,
    },
    /// The target did not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The catalogue's empty plan could not be loaded.
    #[error(transparent)]
    Plan(#[from] ConfigError),
}

/// The result of an inspection.
#[derive(Debug)]
pub struct InspectedKey {
    /// The data of the key, as a record.
    pub record: MemoryRecord,
    /// All keys in the log, or in the flags if there is no log.
    pub known: BTreeSet<String>,
    /// The replicas that did not answer, with the errors.
    pub unreachable: BTreeMap<String, TargetError>,
    /// For a table without a model: what cannot be concluded, and why.
    pub unmodelled: Option<Vec<String>>,
}

/// Reads every replica once. `schema` is that of the table at the target.
pub async fn inspect(
    target: &Capabilities,
    schema: &Schema,
    key: &str,
) -> Result<InspectedKey, InspectError> {
    let lacks = |part| InspectError::Lacks { target: target.name.clone(), part };
    if let Some(frontiers) = &target.frontiers {
        return inspect_shard(target, &**frontiers, schema, key).await;
    }
    let catalogue = target.segments.as_ref().ok_or_else(|| lacks("table of segments"))?;
    target.raw_reads.as_ref().ok_or_else(|| lacks("raw reads"))?;
    let segments = catalogue.segments().await?;
    let (ends, no_log) = ends(target).await;
    let of_segments = segments.iter().map(|segment| segment.partition + 1).max().unwrap_or(0);
    let partitions = of_segments.max(u32::try_from(ends.len()).unwrap_or(u32::MAX));
    let meta = meta(target, schema, partitions);
    let mut inspection = KeyInspection { target, key, next: 0, result: InspectedKey::new(meta, segments) };
    inspection.result.unmodelled.clone_from(&target.unmodelled);
    inspection.no_log(no_log);
    for replica in &target.roster {
        if let Err(error) = inspection.replica(replica).await {
            inspection.result.unreachable.insert(replica.clone(), error);
        }
    }
    for (partition, end) in (0..).zip(ends) {
        let failed = inspection.log(partition, end).await.err();
        inspection.no_log(failed.map(|error| error.to_string()));
    }
    Ok(inspection.result.in_order())
}

/// The ends of the log, or the reason why they are unknown.
async fn ends(target: &Capabilities) -> (Vec<u64>, Option<String>) {
    match &target.log {
        Some(log) => match log.ends().await {
            Ok(ends) => (ends, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        },
        None => (Vec::new(), Some("the target file does not say where it is".to_owned())),
    }
}

/// Reads a shard once, and then the log.
async fn inspect_shard(
    target: &Capabilities,
    frontiers: &dyn Frontiers,
    schema: &Schema,
    key: &str,
) -> Result<InspectedKey, InspectError> {
    let mut contents = frontiers.shard_snapshot(0).await?;
    contents.rows.retain(|row| *row.key == *key);
    let mut meta = meta(target, schema, 1);
    meta.frontiers = vec![Frontier::of_shard(&contents.object)];
    let mut inspection = KeyInspection { target, key, next: 0, result: InspectedKey::new(meta, Vec::new()) };
    inspection.result.push(Event::Contents(contents));
    if let Some(log) = &target.log {
        for (partition, end) in (0..1).zip(log.ends().await?) {
            inspection.log(partition, end).await?;
        }
    }
    Ok(inspection.result.in_order())
}

struct KeyInspection<'l> {
    target: &'l Capabilities,
    key: &'l str,
    /// The id of the last read.
    next: u64,
    result: InspectedKey,
}

impl KeyInspection<'_> {
    /// Reads one replica: its coverage, rows and flags, and its coverage again.
    async fn replica(&mut self, replica: &str) -> Result<(), TargetError> {
        let Some(raw) = self.target.raw_reads.clone() else { return Ok(()) };
        let mut before = raw.coverage(replica).await?;
        // If neither the segment catalogue nor the log has the partition, there is nothing to compare it
        // with.
        before.covers.retain(|cover| cover.partition < self.result.record.meta.partitions);
        let mut rows = Vec::new();
        for Cover { segment, start, end, .. } in &before.covers {
            let mut kept = Vec::new();
            let mut keep = |row: Row| kept.extend((*row.key == *self.key).then_some(row));
            raw.rows(replica, segment, *start, *end, &mut keep).await?;
            rows.push(kept);
        }
        let mut flags: BTreeMap<u32, Option<CurrentRow>> = BTreeMap::new();
        for partition in before.covers.iter().map(|cover| cover.partition).collect::<BTreeSet<u32>>() {
            let (known, mut kept) = (&mut self.result.known, None);
            let mut keep = |flag: CurrentRow| {
                known.insert(flag.key.to_string());
                if *flag.key == *self.key {
                    kept = Some(flag);
                }
            };
            raw.current_rows(replica, partition, 0, &mut keep).await?;
            flags.insert(partition, kept);
        }
        let after = raw.coverage(replica).await?;
        for (cover, rows) in before.covers.iter().zip(rows) {
            self.take_rows(replica, &before, &after, cover, rows);
        }
        for (partition, flag) in flags {
            self.take_flag(replica, &before, &after, partition, flag);
        }
        Ok(())
    }

    fn take_rows(
        &mut self,
        replica: &str,
        before: &Coverage,
        after: &Coverage,
        cover: &Cover,
        rows: Vec<Row>,
    ) {
        let is_same_copy = |other: &&Cover| (&other.segment, other.copy) == (&cover.segment, cover.copy);
        let same_copy = after.covers.iter().find(is_same_copy);
        let id = self.id();
        self.result.push(Event::from(Read {
            id,
            capture: 0,
            replica: replica.to_owned(),
            incarnation: before.incarnation,
            before: cover.clone(),
            end_after: same_copy.map_or(cover.end, |same_copy| same_copy.end),
            position_after: None,
            rows_of: None,
            from: cover.start,
            rows: rows.len() as u64,
            base: Base::Nothing,
            soundness: if same_copy.is_some() { ReadValidity::Sound } else { ReadValidity::CopyChanged },
        }));
        let of_partition = &mut self.result.record.rows[cover.partition as usize];
        of_partition.extend(rows.into_iter().map(|row| (id, Arc::new(row))));
    }

    fn take_flag(
        &mut self,
        replica: &str,
        before: &Coverage,
        after: &Coverage,
        partition: u32,
        flag: Option<CurrentRow>,
    ) {
        let covers = |of: &Coverage| -> Vec<Cover> {
            of.covers.iter().filter(|cover| cover.partition == partition).cloned().collect()
        };
        let id = self.id();
        self.result.push(Event::from(CurrentRead {
            id,
            capture: 0,
            replica: replica.to_owned(),
            partition,
            incarnation: before.incarnation,
            before: covers(before),
            after: covers(after),
            keys: u64::from(flag.is_some()),
            base: Base::Nothing,
            soundness: ReadValidity::Sound,
        }));
        self.result.record.current_rows[partition as usize].extend(flag.map(|flag| (id, flag)));
    }

    async fn log(&mut self, partition: u32, end: u64) -> Result<(), TargetError> {
        let Some(log) = self.target.log.clone() else { return Ok(()) };
        let InspectedKey { record: evidence, known, .. } = &mut self.result;
        let kept = &mut evidence.log[partition as usize];
        let key = self.key;
        let mut keep = |entry: Entry| {
            known.insert(entry.key.to_string());
            kept.extend((*entry.key == *key).then_some(entry));
        };
        log.read(partition, 0, end, &mut keep).await
    }

    /// Records that the log is missing or incomplete, so what is right is unknown.
    fn no_log(&mut self, why: Option<String>) {
        if let Some(why) = why {
            let unsaid = self.result.unmodelled.get_or_insert_default();
            unsaid.push(format!("what the log says, or not all of it: {why}"));
        }
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl InspectedKey {
    fn new(meta: RunMeta, segments: Vec<Segment>) -> InspectedKey {
        let partitions = meta.partitions as usize;
        let evidence = MemoryRecord {
            meta,
            events: Vec::new(),
            log: vec![Vec::new(); partitions],
            rows: vec![Vec::new(); partitions],
            current_rows: vec![Vec::new(); partitions],
        };
        let (known, silent, unsaid) = (BTreeSet::new(), BTreeMap::new(), None);
        let mut result = InspectedKey { record: evidence, known, unreachable: silent, unmodelled: unsaid };
        segments.into_iter().for_each(|segment| result.push(Event::Segment { segment }));
        result.push(Event::CaptureBegin { capture: 0, reason: CaptureReason::Final });
        result
    }

    fn push(&mut self, event: Event) {
        self.record.events.push(TimedEvent { t: Nanos(0), event });
    }

    fn in_order(mut self) -> InspectedKey {
        self.push(Event::CaptureEnd { capture: 0 });
        for rows in &mut self.record.rows {
            rows.sort_by_key(|(read, row)| (row.off, *read));
        }
        self
    }
}

/// The metadata of an inspection.
fn meta(target: &Capabilities, schema: &Schema, partitions: u32) -> RunMeta {
    let mut meta = RunMeta::of_reading(Activity::Audit, &target.name, &target.roster, schema);
    meta.target_version = target.version.clone();
    meta.partitions = partitions;
    meta.workload.partitions = partitions;
    meta
}
