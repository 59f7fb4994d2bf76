//! A look at one key of a live cluster, taken around the router: coverage, raw rows and flags of every
//! replica, and the log where there is one. It becomes evidence like any other, so that what is shown of a
//! live cluster and of a recorded run is made by the same code.
//!
//! Only what concerns the key is kept; memory grows with the number of keys, not of rows.

use crate::adapter::{Capabilities, Frontiers};
use crate::config::error::ConfigError;
use crate::config::load::load;
use crate::target_error::TargetError;
use dissent_core::history::event::{CaptureReason, Event, TimedEvent};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::row::{
    Base, Cover, Coverage, CurrentRead, CurrentRow, Entry, Read, Row, Segment, Soundness,
};
use dissent_core::history::run_record::{FORMAT, MemoryRecord, RunMeta};
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::{Keys, Skew, Workload};
use dissent_core::seed::Seed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a live cluster could not be looked at. A replica that does not answer is no reason: it is shown as
/// not loaded, and named.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The target lacks the part.
    #[error("{target} offers no {part}, so its replicas cannot be looked at one by one")]
    Lacks {
        /// The target.
        target: String,
        /// The part.
        part: &'static str,
    },
    /// The target did not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The plan of a look, which is none, could not be loaded.
    #[error(transparent)]
    Plan(#[from] ConfigError),
}

/// What was seen.
#[derive(Debug)]
pub struct InspectedKey {
    /// What concerns the key.
    pub evidence: MemoryRecord,
    /// Every key that the log, or else the flags, have.
    pub known: BTreeSet<String>,
    /// The replicas that did not answer, and what was said instead.
    pub silent: BTreeMap<String, TargetError>,
    /// Where nothing says what is right: what cannot be said, and why.
    pub unsaid: Option<Vec<String>>,
}

/// Looks once at every replica. The schema is that of the table at the target.
pub async fn inspect(
    target: &Capabilities,
    schema: &Schema,
    key: &str,
) -> Result<InspectedKey, InspectError> {
    let lacks = |part| InspectError::Lacks { target: target.name.clone(), part };
    if let Some(frontiers) = &target.frontiers {
        return look_into_shard(target, &**frontiers, schema, key).await;
    }
    let authority = target.segments.as_ref().ok_or_else(|| lacks("table of segments"))?;
    target.raw_reads.as_ref().ok_or_else(|| lacks("raw reads"))?;
    let segments = authority.segments().await?;
    let (ends, no_log) = ends(target).await;
    let of_segments = segments.iter().map(|segment| segment.partition + 1).max().unwrap_or(0);
    let partitions = of_segments.max(u32::try_from(ends.len()).unwrap_or(u32::MAX));
    let meta = meta(target, schema, partitions)?;
    let mut inspection = KeyInspection { target, key, next: 0, looked: InspectedKey::new(meta, segments) };
    inspection.looked.unsaid.clone_from(&target.unmodelled);
    inspection.no_log(no_log);
    for replica in &target.roster {
        if let Err(error) = inspection.replica(replica).await {
            inspection.looked.silent.insert(replica.clone(), error);
        }
    }
    for (partition, end) in (0..).zip(ends) {
        let failed = inspection.log(partition, end).await.err();
        inspection.no_log(failed.map(|error| error.to_string()));
    }
    Ok(inspection.looked.in_order())
}

/// Where the log ends, or why that is not known.
async fn ends(target: &Capabilities) -> (Vec<u64>, Option<String>) {
    match &target.log {
        Some(log) => match log.ends().await {
            Ok(ends) => (ends, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        },
        None => (Vec::new(), Some("the target file does not say where it is".to_owned())),
    }
}

/// Looks once at a shard, and then at the log.
async fn look_into_shard(
    target: &Capabilities,
    frontiers: &dyn Frontiers,
    schema: &Schema,
    key: &str,
) -> Result<InspectedKey, InspectError> {
    let mut contents = frontiers.shard_snapshot(0).await?;
    contents.rows.retain(|row| row.key == key);
    let mut meta = meta(target, schema, 1)?;
    meta.frontiers = vec![Frontier::of_shard(&contents.object)];
    let mut inspection = KeyInspection { target, key, next: 0, looked: InspectedKey::new(meta, Vec::new()) };
    inspection.looked.push(Event::Contents(contents));
    if let Some(log) = &target.log {
        for (partition, end) in (0..1).zip(log.ends().await?) {
            inspection.log(partition, end).await?;
        }
    }
    Ok(inspection.looked.in_order())
}

struct KeyInspection<'l> {
    target: &'l Capabilities,
    key: &'l str,
    /// The id of the next read.
    next: u64,
    looked: InspectedKey,
}

impl KeyInspection<'_> {
    /// A bracket: coverage, rows and flags, coverage.
    async fn replica(&mut self, replica: &str) -> Result<(), TargetError> {
        let Some(raw) = self.target.raw_reads.clone() else { return Ok(()) };
        let mut before = raw.coverage(replica).await?;
        // A partition that neither the authority nor the log knows has nothing to be compared with.
        before.covers.retain(|cover| cover.partition < self.looked.evidence.meta.partitions);
        let mut rows = Vec::new();
        for Cover { segment, start, end, .. } in &before.covers {
            let mut kept = Vec::new();
            let mut keep = |row: Row| kept.extend((row.key == self.key).then_some(row));
            raw.rows(replica, segment, *start, *end, &mut keep).await?;
            rows.push(kept);
        }
        let mut flags: BTreeMap<u32, Option<CurrentRow>> = BTreeMap::new();
        for partition in before.covers.iter().map(|cover| cover.partition).collect::<BTreeSet<u32>>() {
            let (known, mut kept) = (&mut self.looked.known, None);
            let mut keep = |flag: CurrentRow| {
                known.insert(flag.key.clone());
                if flag.key == self.key {
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
        let is_twin = |other: &&Cover| (&other.segment, other.copy) == (&cover.segment, cover.copy);
        let twin = after.covers.iter().find(is_twin);
        let id = self.id();
        self.looked.push(Event::Read(Read {
            id,
            capture: 0,
            replica: replica.to_owned(),
            incarnation: before.incarnation,
            before: cover.clone(),
            end_after: twin.map_or(cover.end, |twin| twin.end),
            from: cover.start,
            rows: rows.len() as u64,
            base: Base::Nothing,
            soundness: if twin.is_some() { Soundness::Sound } else { Soundness::CopyChanged },
        }));
        let of_partition = &mut self.looked.evidence.rows[cover.partition as usize];
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
        self.looked.push(Event::CurrentRead(CurrentRead {
            id,
            capture: 0,
            replica: replica.to_owned(),
            partition,
            incarnation: before.incarnation,
            before: covers(before),
            after: covers(after),
            keys: u64::from(flag.is_some()),
            base: Base::Nothing,
            soundness: Soundness::Sound,
        }));
        self.looked.evidence.current_rows[partition as usize].extend(flag.map(|flag| (id, flag)));
    }

    async fn log(&mut self, partition: u32, end: u64) -> Result<(), TargetError> {
        let Some(log) = self.target.log.clone() else { return Ok(()) };
        let InspectedKey { evidence, known, .. } = &mut self.looked;
        let kept = &mut evidence.log[partition as usize];
        let key = self.key;
        let mut keep = |entry: Entry| {
            known.insert(entry.key.clone());
            kept.extend((entry.key == key).then_some(entry));
        };
        log.read(partition, 0, end, &mut keep).await
    }

    /// Without the whole log nothing says what is right.
    fn no_log(&mut self, why: Option<String>) {
        if let Some(why) = why {
            let unsaid = self.looked.unsaid.get_or_insert_default();
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
            meta: meta,
            events: Vec::new(),
            log: vec![Vec::new(); partitions],
            rows: vec![Vec::new(); partitions],
            current_rows: vec![Vec::new(); partitions],
        };
        let (known, silent, unsaid) = (BTreeSet::new(), BTreeMap::new(), None);
        let mut looked = InspectedKey { evidence, known, silent, unsaid };
        segments.into_iter().for_each(|segment| looked.push(Event::Segment { segment }));
        looked.push(Event::CaptureBegin { capture: 0, reason: CaptureReason::Final });
        looked
    }

    fn push(&mut self, event: Event) {
        self.evidence.events.push(TimedEvent { t: Nanos(0), event });
    }

    fn in_order(mut self) -> InspectedKey {
        self.push(Event::CaptureEnd { capture: 0 });
        for rows in &mut self.evidence.rows {
            rows.sort_by_key(|(read, row)| (row.off, *read));
        }
        self
    }
}

/// The facts of a look: a run in which nothing is written and nothing goes wrong.
fn meta(target: &Capabilities, schema: &Schema, partitions: u32) -> Result<RunMeta, ConfigError> {
    let workload = Workload {
        name: "look".to_owned(),
        hunts: "what each replica has now".to_owned(),
        partitions,
        comparison: schema.comparison.clone(),
        rate_hz: 0,
        load: Nanos(0),
        segment_rows: 0,
        provenance: schema.provenance,
        delete_percent: 0,
        keys: Keys { live: 0, skew: Skew::Uniform, retire_after_segments: 0, retire_after_updates: 0 },
        columns: Vec::new(),
    };
    Ok(RunMeta {
        format: FORMAT,
        seed: Seed(0),
        target: target.name.clone(),
        target_version: target.version.clone(),
        settings: BTreeMap::new(),
        command: Vec::new(),
        simulated: false,
        roster: target.roster.clone(),
        partitions,
        workload,
        nemesis: load("none")?,
        steps: Vec::new(),
        schema: schema.clone(),
        target_file: None,
        left_out: Vec::new(),
        calibration_ops: 0,
        frontiers: Vec::new(),
        frozen_floor: Nanos(0),
        started: String::new(),
    })
}
