//! How writers that share a shard race each other in a run, and which of them strand.
//!
//! A writer strands when it keeps what the shared frontier has already passed: it waits for a value that
//! will never come again. The other writers hide that as long as they live. So which one strands, and
//! whether anybody notices, are different questions; and a run is many races, one for each timestamp.
//!
//! ```text
//! timestamp   61  62  63  64  65
//! first        a   b   a   a   -          `b` lost 61 and 63, and kept 63: it has stranded after 3 races
//! ```

use super::rate::Rate;
use crate::checker::verdict::{FindingKind, FreezeVisibility, Verdict};
use crate::history::event::Event;
use crate::history::fault::{Fault, FaultKind, StepId};
use crate::history::frontier::Frontier;
use crate::history::lifecycle::{Appended, Drain, LifecycleRecord};
use crate::history::run_record::{EventRef, RunMeta};
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a run showed of the race of its writers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriterRace {
    /// The timestamps that two or more writers could write, up to the first that made one of them strand.
    pub ticks: u64,
    /// Whether a writer stranded that was gone in the end.
    pub leaving_strands: bool,
    /// Whether a writer stranded that was still there in the end.
    pub surviving_strands: bool,
    /// Whether readers noticed a freeze.
    pub visible_freeze: bool,
}

/// The races of several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaceTotals {
    runs: u64,
    ticks: u64,
    some: u64,
    leaving: u64,
    surviving: u64,
    visible: u64,
}

impl RaceTotals {
    /// Adds a run.
    pub fn add(&mut self, race: &WriterRace) {
        self.runs += 1;
        self.ticks += race.ticks;
        self.some += u64::from(race.leaving_strands || race.surviving_strands);
        self.leaving += u64::from(race.leaving_strands);
        self.surviving += u64::from(race.surviving_strands);
        self.visible += u64::from(race.visible_freeze);
    }

    /// The runs in which some writer stranded, one that left, one that stayed; those in which a freeze was
    /// visible; and, of all ticks, those that made the first writer strand. None without a race.
    pub fn rates(&self) -> Option<[Rate; 5]> {
        let of_runs = |hits| Rate { hits, trials: self.runs, unknown: 0 };
        let per_tick = Rate { hits: self.some, trials: self.ticks, unknown: 0 };
        let of_runs = [self.some, self.leaving, self.surviving, self.visible].map(of_runs);
        let [some, leaving, surviving, visible] = of_runs;
        (self.runs > 0).then_some([some, leaving, surviving, visible, per_tick])
    }
}

/// The race of a run, while its events are read.
#[derive(Debug)]
pub struct RaceWatch {
    /// The process of each frontier that belongs to one.
    owners: BTreeMap<String, String>,
    /// The frontier that the writers share.
    shared: Option<String>,
    /// The writers that could append now.
    up: BTreeSet<String>,
    /// Where the shared frontier was when there were two of them.
    since: u64,
    faults: BTreeMap<StepId, Fault>,
    /// The moves of the shared frontier while there were two of them.
    contested: Vec<(u64, u64)>,
    /// The first timestamp that each stranded writer kept.
    stranded: BTreeMap<String, u64>,
    /// A writer does not log its decisions, so nobody knows whether it strands.
    is_blind: bool,
    /// When the frontier of each process was last sampled.
    sampled: BTreeMap<String, Nanos>,
}

impl RaceWatch {
    /// No race yet.
    pub fn of(meta: &RunMeta) -> RaceWatch {
        let owner = |it: &Frontier| Some((it.object.clone(), it.replica.clone()?));
        RaceWatch {
            owners: meta.frontiers.iter().filter_map(owner).collect(),
            shared: meta.frontiers.iter().find_map(|it| it.feeds.clone().filter(|_| it.replica.is_some())),
            up: BTreeSet::new(),
            since: 0,
            faults: BTreeMap::new(),
            contested: Vec::new(),
            stranded: BTreeMap::new(),
            is_blind: false,
            sampled: BTreeMap::new(),
        }
    }

    /// Adds an event of the record.
    pub fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        let EventRef::Other(event) = moment else { return };
        match event {
            _ if self.shared.is_none() => {}
            Event::Lifecycle(record) => self.logged(record),
            Event::Frontier(reading) => {
                if let Some(owner) = self.owners.get(&reading.object) {
                    self.sampled.insert(owner.clone(), t);
                }
            }
            Event::FaultBegin { step, fault, .. } => drop(self.faults.insert(step.clone(), fault.clone())),
            Event::FaultBegun { step, error: None } => {
                if let Some(Fault { kind, replica, .. }) = self.faults.get(step)
                    && (kind.silences() || *kind == FaultKind::DropWriter)
                {
                    self.up.remove(replica);
                }
            }
            Event::Cured { step, .. } => self.cured(step),
            _ => {}
        }
    }

    fn cured(&mut self, step: &StepId) {
        let Some(Fault { kind, replica, .. }) = self.faults.get(step) else { return };
        if *kind == FaultKind::Cutover {
            self.up.retain(|writer| writer == replica);
        } else if kind.silences() {
            self.up.insert(replica.clone());
        }
    }

    fn logged(&mut self, record: &LifecycleRecord) {
        match record.kind.as_str() {
            "boot" if self.owners.values().any(|writer| *writer == record.replica) => {
                self.is_blind |= !record.logs().any(|kind| kind == "drain");
                self.up.insert(record.replica.clone());
                self.since = self.since.max(record.detail["shard"].as_u64().unwrap_or_default());
            }
            "appended" => {
                if let Ok(Appended { object, from, to, .. }) = Appended::deserialize(&record.detail)
                    && self.shared.as_ref() == Some(&object)
                    && self.up.len() > 1
                    && to > self.since
                {
                    self.contested.push((from.max(self.since), to));
                }
            }
            "drain" => {
                if let Ok(Drain { shard, passed, dropped, earliest }) = Drain::deserialize(&record.detail)
                    && passed > dropped
                {
                    let kept = earliest.unwrap_or(shard);
                    self.stranded.entry(record.replica.clone()).or_insert(kept);
                }
            }
            _ => {}
        }
    }

    /// The race, with what the verdict says of it. None if there was none, or if nobody knows who stranded.
    pub fn race(self, verdict: &Verdict) -> Option<WriterRace> {
        let first = self.stranded.values().min();
        let until = first.map_or(u64::MAX, |kept| kept + 1);
        let ticks = self.contested.iter().map(|(from, to)| until.min(*to).saturating_sub(*from)).sum::<u64>();
        let last = self.sampled.values().max();
        let survives = |writer: &String| self.sampled.get(writer) == last;
        let is_visible = |kind: &FindingKind| match kind {
            FindingKind::Frozen(frozen) => frozen.grade == FreezeVisibility::Visible,
            _ => false,
        };
        let race = WriterRace {
            // Whoever strands has lost at least one race.
            ticks: ticks.max(first.is_some().into()),
            leaving_strands: self.stranded.keys().any(|writer| !survives(writer)),
            surviving_strands: self.stranded.keys().any(survives),
            visible_freeze: verdict.findings.iter().any(|finding| is_visible(&finding.kind)),
        };
        (race.ticks > 0 && !self.is_blind).then_some(race)
    }
}
