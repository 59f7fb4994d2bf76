//! A proof that the judge of a run can see: one captured row is changed, and the judge must find exactly
//! that.
//!
//! A comparison that compares nothing passes every run. So one value of one replica is changed at a randomly
//! drawn offset, in what the judge gets and never on disk. The verdict on that must differ from the run's own
//! verdict by one finding: this row, this column, this replica.

mod shard;
mod spot;

pub use spot::Spot;

use crate::checker::judge::judge;
use crate::checker::verdict::{
    Anomaly, CheckResult, Divergence, Finding, FindingKind, Pattern, Status, Verdict,
};
use crate::history::check_name::CheckName;
use crate::history::event::{Event, TimedEvent};
use crate::history::row::{CurrentRow, Entry, Observed, ReadValidity, Row};
use crate::history::run_record::{Damage, RowGroups, RowsAt, RunMeta, RunRecord};
use crate::seed::{Stream, below};
use rand_chacha::ChaCha8Rng;
use spot::{another, data_columns};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The result of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// The judge found the changed row, and nothing else that it had not found before.
    Found {
        /// The changed value.
        spot: Spot,
        /// The pattern of the finding.
        pattern: Pattern,
    },
    /// The judge did not find it, so it is broken.
    Missed {
        /// The changed value.
        spot: Spot,
        /// The fingerprints of what the judge found instead.
        instead: Vec<String>,
    },
    /// No row could be changed.
    NotDone {
        /// Why no row could be changed.
        reason: String,
    },
}

/// Changes one row of judged evidence, judges again and compares the verdicts.
pub fn self_test(record: &dyn RunRecord, verdict: &Verdict) -> SelfTest {
    let not_done = |reason: &str| SelfTest::NotDone { reason: reason.to_owned() };
    if !record.damage().is_empty() {
        return not_done("the record is damaged, so a changed row may lie in a read that does not count");
    }
    if !record.meta().has_segments() {
        return match shard::PlantedInShard::draw(record, verdict) {
            Some(planted) => prove(&planted, &planted.spot, &|finding| planted.is_found_as(finding), verdict),
            None => not_done("no row of the shard was compared in which nothing is wrong yet"),
        };
    }
    let calibrated = |check: &CheckResult| check.name == CheckName::Calibration;
    if !verdict.checks.iter().any(|check| calibrated(check) && check.status == Status::Pass) {
        return not_done("the model is not calibrated, so it cannot say who is wrong");
    }
    match Planted::draw(record, verdict) {
        Some(planted) => prove(&planted, &planted.spot, &|finding| planted.is_found_as(finding), verdict),
        None => not_done("no row of several replicas was compared in which nothing is wrong yet"),
    }
}

/// Judges the changed record: the change must be found, and nothing else that is new.
fn prove(
    planted: &dyn RunRecord,
    spot: &Spot,
    is_found_as: &dyn Fn(&Finding) -> bool,
    verdict: &Verdict,
) -> SelfTest {
    let spot = spot.clone();
    let mut findings = judge(planted).findings;
    let found = findings.iter().position(is_found_as);
    let found = found.map(|at| findings.remove(at));
    let others_stand = findings.iter().map(essence).eq(verdict.findings.iter().map(essence));
    match found {
        Some(Finding { kind: FindingKind::Divergence(divergence), .. }) if others_stand => {
            SelfTest::Found { spot, pattern: divergence.last.pattern }
        }
        found => {
            let instead = found.iter().chain(&findings).map(|it| it.fingerprint.clone()).collect();
            SelfTest::Missed { spot, instead }
        }
    }
}

/// What a finding is about, without counts that a changed row elsewhere may affect.
fn essence(finding: &Finding) -> (&str, &[String], &[String]) {
    match &finding.kind {
        FindingKind::Divergence(it) => (&finding.fingerprint, &it.keys, &it.replicas),
        FindingKind::Frozen(it) => (&finding.fingerprint, &[], it.replica.as_slice()),
        FindingKind::Regressed(it) => (&finding.fingerprint, &[], it.replica.as_slice()),
        FindingKind::Ahead(it) => (&finding.fingerprint, &[], it.replica.as_slice()),
        FindingKind::LostAck(_) => (&finding.fingerprint, &[], &[]),
    }
}

/// A record in which one row is changed as it is read.
struct Planted<'e> {
    record: &'e dyn RunRecord,
    spot: Spot,
    column: usize,
    /// All reads of the replica: whichever returns the row, it returns the changed one.
    reads: BTreeSet<u64>,
}

/// A sound read of rows that the judge may compare. All rows below this offset were read.
struct Counted {
    replica: usize,
    below: u64,
}

impl<'e> Planted<'e> {
    fn draw(record: &'e dyn RunRecord, verdict: &Verdict) -> Option<Planted<'e>> {
        let meta = record.meta();
        let data = data_columns(meta);
        let mut draw = SpotDraw {
            rng: meta.seed.stream(Stream::SelfTest),
            counted: counted(record),
            best: (false, 2),
            seen: 0,
            chosen: None,
        };
        for partition in 0..meta.partitions {
            draw.look_through(record, partition, &Avoid::of(verdict, meta, partition));
        }
        let (partition, off, key, replica) = draw.chosen?;
        let column = *data.get(below(&mut draw.rng, u32::try_from(data.len()).ok()?.max(1)) as usize)?;
        let spot = Spot {
            partition,
            off,
            key,
            replica: meta.roster[replica].clone(),
            column: meta.schema.columns[column].name.clone(),
        };
        let reads = record.events().filter_map(|stamped| match &stamped.event {
            Event::Read(read) if read.replica == spot.replica => Some(read.id),
            _ => None,
        });
        Some(Planted { reads: reads.collect(), record, spot, column })
    }

    fn is_found_as(&self, finding: &Finding) -> bool {
        let FindingKind::Divergence(it) = &finding.kind else { return false };
        let Divergence { what, partition, replicas, last, keys, columns, since, until, .. } = &**it;
        let Spot { replica, key, column, .. } = &self.spot;
        let pattern = match last.comparable.len() {
            0..=2 => Pattern::Undecided,
            _ => Pattern::OneDiffers,
        };
        *what == Anomaly::WrongValue
            && *partition == self.spot.partition
            && [since, until].iter().all(|point| point.is_some_and(|point| point.off == self.spot.off))
            && [replicas, &last.wrong].into_iter().all(|it| it == std::slice::from_ref(replica))
            && keys == std::slice::from_ref(key)
            && columns == std::slice::from_ref(column)
            && last.pattern == pattern
    }

    fn is_here(&self, partition: u32, read: u64, row: &Row) -> bool {
        partition == self.spot.partition && row.off == self.spot.off && self.reads.contains(&read)
    }
}

/// What the run's own findings involve. A changed row there would join one of them.
struct Avoid {
    anything: bool,
    keys: BTreeSet<String>,
    replicas: BTreeSet<usize>,
}

impl Avoid {
    fn of(verdict: &Verdict, meta: &RunMeta, partition: u32) -> Avoid {
        let mut avoid = Avoid { anything: false, keys: BTreeSet::new(), replicas: BTreeSet::new() };
        for finding in &verdict.findings {
            let FindingKind::Divergence(it) = &finding.kind else { continue };
            if it.partition != partition {
                continue;
            }
            avoid.anything = true;
            avoid.keys.extend(it.keys.iter().cloned());
            let wrong = it.replicas.iter().chain(&it.first.wrong).chain(&it.last.wrong);
            avoid
                .replicas
                .extend(wrong.filter_map(|name| meta.roster.iter().position(|replica| replica == name)));
        }
        avoid
    }
}

/// A row drawn uniformly from all that are equally good, in one pass: the n-th one seen replaces the choice
/// with probability 1/n.
struct SpotDraw {
    rng: ChaCha8Rng,
    counted: BTreeMap<u64, Counted>,
    /// Whether the partition has no finding, and how many replicas show the row. Larger is better.
    best: (bool, usize),
    seen: u32,
    chosen: Option<(u32, u64, String, usize)>,
}

impl SpotDraw {
    fn look_through(&mut self, record: &dyn RunRecord, partition: u32, avoid: &Avoid) {
        let calibration = record.meta().calibration_ops;
        let mut rows = record.rows(partition).peekable();
        for entry in record.log(partition) {
            let mut showing = BTreeSet::new();
            while rows.next_if(|(_, row)| row.off < entry.off).is_some() {}
            while let Some((read, row)) = rows.next_if(|(_, row)| row.off == entry.off) {
                let counted = self.counted.get(&read).filter(|counted| row.off < counted.below);
                showing.extend(counted.map(|counted| counted.replica));
            }
            if entry.tombstone || entry.op <= calibration || avoid.keys.contains(&*entry.key) {
                continue;
            }
            let good = (!avoid.anything, showing.len());
            let able: Vec<usize> = showing.difference(&avoid.replicas).copied().collect();
            if good < self.best || able.is_empty() {
                continue;
            }
            if good > self.best {
                (self.best, self.seen) = (good, 0);
            }
            self.seen = self.seen.saturating_add(1);
            let replica = able[below(&mut self.rng, able.len() as u32) as usize];
            if below(&mut self.rng, self.seen) == 0 {
                self.chosen = Some((partition, entry.off, entry.key.to_string(), replica));
            }
        }
    }
}

/// The reads whose rows are compared, by id. Rows that a consumer has beyond the committed end, or that came
/// after its position was read, are not compared.
fn counted(record: &dyn RunRecord) -> BTreeMap<u64, Counted> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut sound = Vec::new();
    for stamped in record.events() {
        match &stamped.event {
            Event::Segment { segment } => {
                ends.extend(segment.end.map(|end| (segment.name.clone(), end)));
            }
            Event::Read(read)
                if read.soundness == ReadValidity::Sound
                    && read.before.registered != Observed::Known(false) =>
            {
                sound.push(read.clone());
            }
            _ => {}
        }
    }
    let roster = &record.meta().roster;
    let counted = sound.into_iter().filter_map(|read| {
        let end = ends.get(&read.before.segment).copied().unwrap_or(u64::MAX);
        let replica = roster.iter().position(|replica| *replica == read.replica)?;
        Some((read.id, Counted { replica, below: read.before.end.min(end) }))
    });
    counted.collect()
}

impl RunRecord for Planted<'_> {
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
        Box::new(self.record.rows(partition).map(move |(read, mut row)| {
            if self.is_here(partition, read, &row) {
                let cell = &mut row.to_mut().cols[self.column];
                *cell = another(cell);
            }
            (read, row)
        }))
    }
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        self.record.current_rows(partition)
    }
    fn damage(&self) -> Vec<Damage> {
        self.record.damage()
    }
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        Box::new(PlantedGroups { planted: self, partition, groups: self.record.row_groups(partition) })
    }
}

/// The groups of the record. In one of them, the changed reads have a content of their own.
struct PlantedGroups<'p> {
    planted: &'p Planted<'p>,
    partition: u32,
    groups: Box<dyn RowGroups<'p> + 'p>,
}

impl<'p> RowGroups<'p> for PlantedGroups<'p> {
    fn next(&mut self, rows: &mut RowsAt<'p>) -> bool {
        if !self.groups.next(rows) {
            return false;
        }
        for (read, content) in &mut rows.seen {
            let row = &rows.contents[*content];
            if self.planted.is_here(self.partition, *read, row) {
                let mut changed = row.clone();
                let cell = &mut changed.to_mut().cols[self.planted.column];
                *cell = another(cell);
                *content = rows.contents.len();
                rows.contents.push(changed);
            }
        }
        true
    }
}
