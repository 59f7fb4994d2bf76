//! What a frozen frontier waits for: which value pins it, who moved the shared frontier past that value, and
//! between which samples. Events are matched by node, incarnation and values of frontiers; their times are
//! shown, and never compared.

use super::stall::FrontierTimeline;
use super::stall_window::StallWindow;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::tables::shard_log::{ShardLog, WriterLog};
use crate::checker::verdict::{
    Confidence, DrainDecision, LoggedAt, PassedValue, PassingAppend, SeenAt, WaitsFor,
};
use crate::history::frontier::{Frontier, InputMerge};
use crate::history::lifecycle::NodeName;

/// A frozen frontier and what may hold it back.
pub(super) struct FrozenFrontier<'s, 'h> {
    pub(super) frontier: &'h Frontier,
    pub(super) timeline: &'s FrontierTimeline<'h>,
    pub(super) window: &'s StallWindow,
    /// The objects that hold it back.
    pub(super) pinned_by: &'s [String],
    /// Whether others feed it.
    pub(super) has_inputs: bool,
    /// The object that it feeds, and how that one combines its inputs.
    pub(super) fed: Option<(&'s FrontierTimeline<'h>, InputMerge)>,
    pub(super) log: &'s ShardLog,
}

impl FrozenFrontier<'_, '_> {
    pub(super) fn waits_for(&self) -> WaitsFor {
        if !self.pinned_by.is_empty() {
            return WaitsFor::Inputs { objects: self.pinned_by.to_vec() };
        }
        let pinned = self.pinned();
        let beyond = self.fed.and_then(|(fed, merge)| Some((fed, merge, fed.sample_at(pinned.t)?.f?)));
        match (beyond, pinned.f) {
            (Some((fed, InputMerge::Any, position)), Some(value)) if position > value => {
                match self.buffers_nothing_at(value) {
                    true => WaitsFor::MoreInput,
                    false => self.passed(fed, value),
                }
            }
            (Some((fed, _, position)), Some(value)) if position < value => {
                WaitsFor::Downstream { object: name(fed), position }
            }
            _ if self.has_inputs => WaitsFor::Inputs { objects: Vec::new() },
            _ => WaitsFor::Unknown,
        }
    }

    fn pinned(&self) -> &FrontierSample {
        &self.timeline.samples[self.window.last]
    }

    fn passed(&self, fed: &FrontierTimeline<'_>, value: u64) -> WaitsFor {
        let until = fed.samples.partition_point(|sample| sample.t <= self.pinned().t);
        let samples = &fed.samples[..until];
        let not_beyond = samples.iter().rposition(|sample| sample.f.is_some_and(|f| f <= value));
        let beyond = &samples[not_beyond.map_or(0, |at| at + 1)..];
        let Some(first_beyond) = beyond.iter().find_map(seen) else { return WaitsFor::Unknown };
        let own = self.own_log();
        let lost = own.and_then(|own| {
            let (event, lost) = own.lost.iter().rfind(|(_, it)| it.from <= value && value < it.found)?;
            Some(LoggedAt { event: event.clone(), position: lost.found })
        });
        let buffered = own.and_then(|own| {
            let (event, it) = own.buffered.iter().find(|(_, it)| it.first <= value && value <= it.last)?;
            Some(LoggedAt { event: event.clone(), position: it.shard })
        });
        let drain = self.drain(value);
        WaitsFor::PassedValue(Box::new(PassedValue {
            shared: name(fed),
            value,
            last_equal: self.last_equal(fed),
            after: not_beyond.and_then(|at| Some(samples.get(at.checked_sub(1)?)?.t)),
            last_not_beyond: not_beyond.and_then(|at| seen(&samples[at])),
            first_beyond,
            passed_by: self.passed_by(&name(fed), value),
            buffered,
            lost_append: lost,
            confidence: match drain {
                Some(_) => Confidence::Shown,
                None => Confidence::ConsistentWithTimes,
            },
            drain,
        }))
    }

    /// The last sampling of this incarnation that showed both frontiers at one value. A sample of one that is
    /// older than the sample before of the other belongs to another sampling.
    fn last_equal(&self, fed: &FrontierTimeline<'_>) -> Option<SeenAt> {
        let pinned = self.pinned();
        let is_equal = |pair: &&[FrontierSample]| {
            let (before, now) = (&pair[0], &pair[1]);
            let own = self.timeline.sample_at(now.t).filter(|own| own.t > before.t);
            own.is_some_and(|own| own.incarnation == pinned.incarnation && own.same_position(now))
        };
        let until = fed.samples.partition_point(|sample| sample.t <= pinned.t);
        fed.samples[..until].windows(2).rev().find(is_equal).and_then(|pair| seen(&pair[1]))
    }

    fn passed_by(&self, shared: &str, value: u64) -> Option<PassingAppend> {
        let mut appended = self.log.appended.iter();
        let (event, it) = appended.rfind(|(_, it)| {
            let passes = it.from <= value && value < it.to;
            it.object == shared && passes
        })?;
        let own = || NodeName { name: event.node.clone(), incarnation: Some(event.incarnation) };
        let NodeName { name: writer, incarnation } = it.by.clone().unwrap_or_else(own);
        Some(PassingAppend { event: event.clone(), writer, incarnation, from: it.from, to: it.to })
    }

    fn drain(&self, value: u64) -> Option<DrainDecision> {
        let (event, it) = self
            .own_log()?
            .drains
            .iter()
            .find(|(_, it)| it.earliest == Some(value) && it.shard > value && it.passed > it.dropped)?;
        let (passed, kept) = (it.passed, it.passed - it.dropped);
        Some(DrainDecision { event: event.clone(), position: it.shard, passed, kept })
    }

    /// Whether it logs what it buffers, and logged nothing for this value.
    fn buffers_nothing_at(&self, value: u64) -> bool {
        self.own_log().is_some_and(|own| {
            own.is_logged("buffered")
                && own.buffered.iter().all(|(_, it)| value < it.first || it.last < value)
                && own.drains.iter().all(|(_, it)| it.earliest != Some(value))
        })
    }

    fn own_log(&self) -> Option<&WriterLog> {
        self.log.writer(self.frontier.replica.as_deref()?, self.pinned().incarnation)
    }
}

fn seen(sample: &FrontierSample) -> Option<SeenAt> {
    Some(SeenAt { t: sample.t, position: sample.f? })
}

fn name(timeline: &FrontierTimeline<'_>) -> String {
    match timeline.object {
        Object::Declared(frontier) => frontier.object.clone(),
        Object::Position { .. } => String::new(),
    }
}
