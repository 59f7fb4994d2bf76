//! What the conductor knows of the cluster: the newest snapshot, the ends of the log, the segments seen so
//! far.

use super::coverage_shape::CoverageShapes;
use crate::history::event::{Event, ProcessExit};
use crate::history::fault::SegmentStage;
use crate::history::frontier::{Frontier, FrontierReading};
use crate::history::lifecycle::LifecycleRecord;
use crate::history::row::{CopyState, Cover, Coverage, Observed, Segment};
use crate::history::run_record::RunMeta;
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One sample of the whole cluster, read in this order (`RULES.md` 7): log ends, replicas, log ends.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The end of every partition's log, read first.
    pub log_ends_before: Vec<u64>,
    /// The coverage of every replica, in roster order, or why it did not answer.
    pub replicas: Vec<(String, Result<Coverage, String>)>,
    /// The authority's segments, ordered by partition, then sequence. Those that have not changed since the
    /// last snapshot may be left out.
    pub segments: Vec<Segment>,
    /// The end of every partition's log, read last.
    pub log_ends_after: Vec<u64>,
    /// Lifecycle events of the replicas since the last snapshot.
    pub lifecycle: Vec<LifecycleRecord>,
    /// The declared frontiers that exist now.
    pub frontiers: Vec<FrontierSeen>,
    /// Processes that have ended, as far as the target reports them.
    pub deaths: Vec<ProcessExit>,
}

/// A sample of a declared frontier.
#[derive(Clone, Debug)]
pub struct FrontierSeen {
    /// The sample to be recorded.
    pub reading: FrontierReading,
    /// Whether the run waits for it to reach its upstream. A writer that may not append yet may stay behind.
    pub is_awaited: bool,
}

/// A segment, and when it was first seen.
#[derive(Clone, Debug)]
struct OpenSegment {
    segment: Segment,
    first: Nanos,
}

#[derive(Debug)]
pub(super) struct ClusterView {
    roster: Vec<String>,
    log_ends: Vec<u64>,
    segments: BTreeMap<(u32, u32), OpenSegment>,
    coverage: BTreeMap<String, Arc<Coverage>>,
    shapes: CoverageShapes,
    /// Set if rows are in a shard.
    frontiers: Option<Frontiers>,
}

/// What is known of the frontiers of a target without segments.
#[derive(Debug, Default)]
struct Frontiers {
    /// The process that each frontier belongs to, by the frontier's name.
    owners: BTreeMap<String, String>,
    /// The newest position of each awaited frontier, by name; `None` for one that is sealed.
    awaited: Vec<(String, Option<u64>)>,
    /// The position that each must reach so that all that was written is below it. `None` while the newest
    /// sample is older than the newest write.
    goal: Option<u64>,
}

impl Frontiers {
    fn of(declared: &[Frontier]) -> Frontiers {
        let owner = |it: &Frontier| Some((it.object.clone(), it.replica.clone()?));
        Frontiers { owners: declared.iter().filter_map(owner).collect(), ..Frontiers::default() }
    }

    /// `is_newest`: everything known to be written was in the log when this sample was taken.
    fn absorb(&mut self, seen: Vec<FrontierSeen>, is_newest: bool, events: &mut Vec<Event>) {
        let upstream = seen.iter().map(|seen| seen.reading.u2).max().unwrap_or(0);
        // What was written before this sample has a timestamp of at most its upstream.
        self.goal = self.goal.or(is_newest.then_some(upstream + 1));
        let awaited = seen.iter().filter(|seen| seen.is_awaited);
        self.awaited = awaited.map(|seen| (seen.reading.object.clone(), seen.reading.f)).collect();
        events.extend(seen.into_iter().map(|seen| Event::Frontier(seen.reading)));
    }

    /// Whether each has been seen to hold something.
    fn all_written(&self) -> bool {
        !self.awaited.is_empty() && self.awaited.iter().all(|(_, f)| *f != Some(0))
    }

    fn all_reached(&self) -> bool {
        !self.awaited.is_empty() && self.goal.is_some() && self.lagging().next().is_none()
    }

    /// The frontiers that are known to be below the goal.
    fn lagging(&self) -> impl Iterator<Item = &str> {
        let lagging = |f: Option<u64>| f.zip(self.goal).is_some_and(|(f, goal)| f < goal);
        self.awaited.iter().filter(move |(_, f)| lagging(*f)).map(|(object, _)| object.as_str())
    }

    /// The processes of frontiers below the goal; all processes if only frontiers without a process are below
    /// it.
    fn lagging_processes(&self) -> Vec<String> {
        let owner = |object: &str| self.owners.get(object).cloned();
        let lagging: Vec<Option<String>> = self.lagging().map(owner).collect();
        match lagging.iter().all(Option::is_none) && !lagging.is_empty() {
            true => self.awaited.iter().filter_map(|(object, _)| owner(object)).collect(),
            false => lagging.into_iter().flatten().collect(),
        }
    }
}

/// The end of the coverage of one partition, from 0 to the first gap. Covers are ordered by sequence.
pub(super) fn frontier<'a>(covers: impl Iterator<Item = &'a Cover>) -> u64 {
    let mut end = 0;
    for cover in covers.filter(|cover| cover.registered != Observed::Known(false)) {
        if cover.start > end {
            break;
        }
        end = end.max(cover.end);
    }
    end
}

impl ClusterView {
    pub(super) fn new(meta: &RunMeta) -> ClusterView {
        ClusterView {
            roster: meta.roster.clone(),
            log_ends: vec![0; meta.partitions as usize],
            segments: BTreeMap::new(),
            coverage: BTreeMap::new(),
            shapes: CoverageShapes::default(),
            frontiers: (!meta.has_segments()).then(|| Frontiers::of(&meta.frontiers)),
        }
    }

    /// The ends of the log as far as completions and snapshots show them.
    pub(super) fn log_ends(&self) -> &[u64] {
        &self.log_ends
    }

    /// Takes the offset at which an op was acknowledged.
    pub(super) fn acknowledged(&mut self, partition: u32, off: u64) {
        let end = &mut self.log_ends[partition as usize];
        *end = (*end).max(off + 1);
        if let Some(frontiers) = &mut self.frontiers {
            frontiers.goal = None;
        }
    }

    /// Takes a snapshot and returns the events to record.
    pub(super) fn absorb(&mut self, now: Nanos, snapshot: Snapshot) -> Vec<Event> {
        let mut events: Vec<Event> = snapshot.lifecycle.into_iter().map(Event::from).collect();
        for segment in snapshot.segments {
            self.absorb_segment(now, segment, &mut events);
        }
        let is_newest = self.log_ends.iter().zip(&snapshot.log_ends_after).all(|(known, seen)| known <= seen);
        for (end, seen) in self.log_ends.iter_mut().zip(&snapshot.log_ends_after) {
            *end = (*end).max(*seen);
        }
        if let Some(frontiers) = &mut self.frontiers {
            frontiers.absorb(snapshot.frontiers, is_newest, &mut events);
        }
        for (replica, answer) in snapshot.replicas {
            match answer {
                Ok(coverage) => {
                    let coverage = Arc::new(coverage);
                    let ends = snapshot.log_ends_before.iter().zip(&snapshot.log_ends_after);
                    for (partition, (u1, u2)) in (0..).zip(ends) {
                        if !self.is_assigned(&replica, partition) {
                            continue;
                        }
                        events.push(Event::Sample {
                            replica: replica.clone(),
                            partition,
                            u1: *u1,
                            f: frontier(coverage.covers.iter().filter(|cover| cover.partition == partition)),
                            u2: *u2,
                            status: coverage.status.clone(),
                            incarnation: coverage.incarnation,
                        });
                    }
                    events.extend(self.shapes.change(&replica, &coverage).map(Event::Coverage));
                    self.coverage.insert(replica, coverage);
                }
                Err(error) => {
                    self.coverage.remove(&replica);
                    events.push(Event::Unreachable { replica, error });
                }
            }
        }
        events
    }

    fn absorb_segment(&mut self, now: Nanos, segment: Segment, events: &mut Vec<Event>) {
        let at = (segment.partition, segment.seq);
        let seen = self.segments.get(&at);
        if seen.is_some_and(|seen| seen.segment == segment) {
            return;
        }
        let first = seen.map_or(now, |seen| seen.first);
        events.push(Event::Segment { segment: segment.clone() });
        self.segments.insert(at, OpenSegment { segment, first });
    }

    /// The sequence number of the newest segment of a partition.
    pub(super) fn newest_seq(&self, partition: u32) -> Option<u32> {
        self.segments.range((partition, 0)..=(partition, u32::MAX)).next_back().map(|(at, _)| at.1)
    }

    /// The segment, and when it was first seen.
    pub(super) fn segment(&self, partition: u32, seq: u32) -> Option<(&Segment, Nanos)> {
        self.segments.get(&(partition, seq)).map(|seen| (&seen.segment, seen.first))
    }

    /// The number of committed segments, over all partitions.
    pub(super) fn committed(&self) -> usize {
        self.segments.values().filter(|seen| seen.segment.end.is_some()).count()
    }

    /// Whether a replica is assigned the partition, as far as is known. A replica without segments has
    /// nothing to stall on.
    fn is_assigned(&self, replica: &str, partition: u32) -> bool {
        let newest = self.newest_seq(partition).and_then(|seq| self.segment(partition, seq));
        newest.is_none_or(|(segment, _)| segment.is_assigned_to(replica))
    }

    /// The first replica of the roster that is meant, from one of them on and then from the beginning.
    pub(super) fn first_from(&self, start: &str, is_meant: impl Fn(&str) -> bool) -> Option<String> {
        let at = self.roster.iter().position(|replica| replica == start)?;
        let (before, from) = self.roster.split_at(at);
        from.iter().chain(before).find(|replica| is_meant(replica)).cloned()
    }

    /// Whether a replica has last said that it leads.
    pub(super) fn leads(&self, replica: &str) -> bool {
        self.coverage.get(replica).is_some_and(|coverage| coverage.leads == Some(true))
    }

    /// Whether a segment of the partition, or of any if there is none, is assigned to a replica.
    pub(super) fn holds(&self, replica: &str, partition: Option<u32>, segment: SegmentStage) -> bool {
        let wants_open = segment == SegmentStage::Consuming;
        let newest = |partition: u32| {
            let of_partition = self.segments.range((partition, 0)..=(partition, u32::MAX));
            let mut segments = of_partition.map(|(_, seen)| &seen.segment);
            segments.rfind(|segment| segment.end.is_none() == wants_open)
        };
        let mut partitions = (0..self.log_ends.len() as u32).filter(|it| partition.is_none_or(|p| p == *it));
        partitions.any(|partition| newest(partition).is_some_and(|segment| segment.is_assigned_to(replica)))
    }

    /// Whether every replica answers and has started the newest segment of each of its partitions.
    pub(super) fn all_serving(&self) -> bool {
        if let Some(frontiers) = &self.frontiers {
            return frontiers.all_written();
        }
        let newest: Option<Vec<(u32, u32)>> =
            (0..).take(self.log_ends.len()).map(|p| Some((p, self.newest_seq(p)?))).collect();
        newest.is_some_and(|newest| {
            self.roster.iter().all(|replica| {
                newest.iter().all(|(partition, seq)| {
                    !self.is_assigned(replica, *partition) || self.cover(replica, *partition, *seq).is_some()
                })
            })
        })
    }

    /// Whether every replica except these covers the whole log.
    pub(super) fn have_caught_up(&self, but: &BTreeSet<&str>) -> bool {
        let others = self.roster.iter().filter(|replica| !but.contains(replica.as_str()));
        others.into_iter().all(|replica| self.covers_all(replica))
    }

    fn covers_all(&self, replica: &str) -> bool {
        self.coverage.get(replica).is_some_and(|coverage| {
            let reached = |partition: u32| {
                frontier(coverage.covers.iter().filter(|cover| cover.partition == partition))
            };
            (0..)
                .zip(&self.log_ends)
                .all(|(partition, end)| !self.is_assigned(replica, partition) || reached(partition) >= *end)
        })
    }

    /// Whether every replica covers the whole log, and holds every committed segment as committed. If rows
    /// are in a shard: whether the shard and its writers have reached the position of the upstream after the
    /// last write.
    pub(super) fn all_settled(&self) -> bool {
        if let Some(frontiers) = &self.frontiers {
            return frontiers.all_reached();
        }
        self.roster.iter().all(|replica| self.has_settled(replica))
    }

    /// The replicas that have not settled. If rows are in a shard: its writers.
    pub(super) fn unsettled(&self) -> Vec<String> {
        match &self.frontiers {
            Some(frontiers) => frontiers.lagging_processes(),
            None => self.roster.iter().filter(|replica| !self.has_settled(replica)).cloned().collect(),
        }
    }

    fn has_settled(&self, replica: &str) -> bool {
        self.covers_all(replica)
            && self.segments.values().filter(|seen| seen.segment.end.is_some()).all(|seen| {
                !seen.segment.is_assigned_to(replica)
                    || self.holds_committed(replica, seen.segment.partition, seen.segment.seq)
            })
    }

    /// Forgets all positions, so that nothing counts as settled before the next sample.
    ///
    /// ```text
    /// a writer lags, and is killed: the next sample shows all others at their goals
    /// ```
    pub(super) fn forget_positions(&mut self) {
        self.coverage.clear();
        if let Some(frontiers) = &mut self.frontiers {
            frontiers.awaited.clear();
        }
    }

    /// Whether all assigned replicas except this one hold the segment as committed.
    pub(super) fn others_committed(&self, victim: &str, partition: u32, seq: u32) -> bool {
        self.segment(partition, seq).is_some_and(|(segment, _)| {
            segment.end.is_some()
                && segment
                    .replicas
                    .iter()
                    .filter(|replica| *replica != victim)
                    .all(|replica| self.holds_committed(replica, partition, seq))
        })
    }

    fn holds_committed(&self, replica: &str, partition: u32, seq: u32) -> bool {
        self.cover(replica, partition, seq).is_some_and(|cover| cover.state != CopyState::Consuming)
    }

    fn cover(&self, replica: &str, partition: u32, seq: u32) -> Option<&Cover> {
        let covers = &self.coverage.get(replica)?.covers;
        covers.iter().find(|cover| cover.partition == partition && cover.seq == seq)
    }
}
