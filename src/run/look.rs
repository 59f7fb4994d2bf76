//! A look at one key of a live cluster, taken around the router: coverage, raw rows and flags of every
//! replica, and the log where there is one. It becomes evidence like any other, so that what is shown of a
//! live cluster and of a recorded run is made by the same code.
//!
//! Only what concerns the key is kept; memory grows with the number of keys, not of rows.

use crate::config::catalogue::load;
use crate::config::error::ConfigError;
use crate::config::workload::{Keys, Skew, Workload};
use crate::record::event::{CaptureReason, Event, Stamped};
use crate::record::evidence::{Evidence, FORMAT, Facts};
use crate::record::row::{Cover, CurrentRead, Entry, Nanos, Read, Segment, Soundness};
use crate::schema::Schema;
use crate::seed::Seed;
use crate::target::{Target, TargetError};
use std::collections::{BTreeMap, BTreeSet};

/// Why a live cluster could not be looked at. A replica that does not answer is no reason: it is shown as
/// not loaded, and named.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
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
pub struct Looked {
    /// What concerns the key.
    pub evidence: Evidence,
    /// Every key that the log, or else the flags, have.
    pub known: BTreeSet<String>,
    /// The replicas that did not answer, and what was said instead.
    pub silent: BTreeMap<String, TargetError>,
}

/// Looks once at every replica. The schema is that of the table at the target.
pub async fn look(target: &Target, schema: &Schema, key: &str) -> Result<Looked, LookError> {
    let lacks = |part| LookError::Lacks { target: target.name.clone(), part };
    let authority = target.authority.as_ref().ok_or_else(|| lacks("table of segments"))?;
    target.raw.as_ref().ok_or_else(|| lacks("raw reads"))?;
    let segments = authority.segments().await?;
    let ends = match &target.log {
        Some(log) => log.ends().await?,
        None => Vec::new(),
    };
    let of_segments = segments.iter().map(|segment| segment.partition + 1).max().unwrap_or(0);
    let partitions = of_segments.max(u32::try_from(ends.len()).unwrap_or(u32::MAX));
    let facts = facts(target, schema, partitions)?;
    let mut look = Look { target, key, next: 0, looked: Looked::new(facts, segments) };
    for replica in &target.roster {
        if let Err(error) = look.replica(replica).await {
            look.looked.silent.insert(replica.clone(), error);
        }
    }
    for (partition, end) in (0..).zip(ends) {
        look.log(partition, end).await?;
    }
    Ok(look.looked.in_order())
}

struct Look<'l> {
    target: &'l Target,
    key: &'l str,
    /// The id of the next read.
    next: u64,
    looked: Looked,
}

impl Look<'_> {
    /// A bracket: coverage, rows and flags, coverage.
    async fn replica(&mut self, replica: &str) -> Result<(), TargetError> {
        let Some(raw) = self.target.raw.clone() else { return Ok(()) };
        let before = raw.coverage(replica).await?;
        let mut rows = Vec::new();
        for cover in &before.covers {
            let mut kept = Vec::new();
            let mut keep = |row: crate::record::row::Row| {
                if row.key == self.key {
                    kept.push(row);
                }
            };
            raw.rows(replica, &cover.segment, cover.start, cover.end, &mut keep).await?;
            rows.push(kept);
        }
        let partitions: BTreeSet<u32> = before.covers.iter().map(|cover| cover.partition).collect();
        let mut flags = BTreeMap::new();
        for &partition in &partitions {
            let known = &mut self.looked.known;
            let mut kept = None;
            let mut keep = |flag: crate::record::row::Current| {
                known.insert(flag.key.clone());
                if flag.key == self.key {
                    kept = Some(flag);
                }
            };
            raw.flags(replica, partition, 0, &mut keep).await?;
            flags.insert(partition, kept);
        }
        let after = raw.coverage(replica).await?;
        for (cover, rows) in before.covers.iter().zip(rows) {
            let twin = |other: &&Cover| (&other.segment, other.copy) == (&cover.segment, cover.copy);
            let id = self.id();
            let read = Read {
                id,
                capture: 0,
                replica: replica.to_owned(),
                incarnation: before.incarnation,
                end_after: after.covers.iter().find(twin).map_or(cover.end, |cover| cover.end),
                from: cover.start,
                rows: rows.len() as u64,
                soundness: match after.covers.iter().any(|other| twin(&other)) {
                    true => Soundness::Sound,
                    false => Soundness::CopyChanged,
                },
                before: cover.clone(),
            };
            let of_partition = &mut self.looked.evidence.rows[cover.partition as usize];
            of_partition.extend(rows.into_iter().map(|row| (id, row)));
            self.looked.push(Event::Read(read));
        }
        for (partition, flag) in flags {
            let of_partition = |covers: &[Cover]| -> Vec<Cover> {
                covers.iter().filter(|cover| cover.partition == partition).cloned().collect()
            };
            let id = self.id();
            let keys = u64::from(flag.is_some());
            self.looked.evidence.currents[partition as usize].extend(flag.map(|flag| (id, flag)));
            self.looked.push(Event::CurrentRead(CurrentRead {
                id,
                capture: 0,
                replica: replica.to_owned(),
                partition,
                incarnation: before.incarnation,
                before: of_partition(&before.covers),
                after: of_partition(&after.covers),
                keys,
                soundness: Soundness::Sound,
            }));
        }
        Ok(())
    }

    async fn log(&mut self, partition: u32, end: u64) -> Result<(), TargetError> {
        let Some(log) = self.target.log.clone() else { return Ok(()) };
        let Looked { evidence, known, .. } = &mut self.looked;
        let kept = &mut evidence.log[partition as usize];
        let key = self.key;
        let mut keep = |entry: Entry| {
            if entry.key == key {
                kept.push(entry);
            } else if !known.contains(&entry.key) {
                known.insert(entry.key);
            }
        };
        log.read(partition, end, &mut keep).await
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Looked {
    fn new(facts: Facts, segments: Vec<Segment>) -> Looked {
        let partitions = facts.partitions as usize;
        let evidence = Evidence {
            facts,
            events: Vec::new(),
            log: vec![Vec::new(); partitions],
            rows: vec![Vec::new(); partitions],
            currents: vec![Vec::new(); partitions],
        };
        let mut looked = Looked { evidence, known: BTreeSet::new(), silent: BTreeMap::new() };
        segments.into_iter().for_each(|segment| looked.push(Event::Segment { segment }));
        looked.push(Event::CaptureBegin { capture: 0, reason: CaptureReason::Final });
        looked
    }

    fn push(&mut self, event: Event) {
        self.evidence.events.push(Stamped { t: Nanos(0), event });
    }

    fn in_order(mut self) -> Looked {
        self.push(Event::CaptureEnd { capture: 0 });
        for rows in &mut self.evidence.rows {
            rows.sort_by_key(|(read, row)| (row.off, *read));
        }
        self
    }
}

/// The facts of a look: a run in which nothing is written and nothing goes wrong.
fn facts(target: &Target, schema: &Schema, partitions: u32) -> Result<Facts, ConfigError> {
    let workload = Workload {
        name: "look".to_owned(),
        hunts: "what each replica has now".to_owned(),
        partitions,
        comparison: schema.comparison.clone(),
        rate_hz: 0,
        load: Nanos(0),
        segment_rows: 0,
        provenance: schema.provenance,
        keys: Keys { live: 0, skew: Skew::Uniform, retire_after_segments: 0, retire_after_updates: 0 },
        columns: Vec::new(),
    };
    Ok(Facts {
        format: FORMAT,
        seed: Seed(0),
        target: target.name.clone(),
        target_version: target.version.clone(),
        settings: BTreeMap::new(),
        simulated: false,
        roster: target.roster.clone(),
        partitions,
        workload,
        nemesis: load("none")?,
        steps: Vec::new(),
        schema: schema.clone(),
        left_out: Vec::new(),
        calibration_ops: 0,
        frozen_floor: Nanos(0),
        started: String::new(),
    })
}
