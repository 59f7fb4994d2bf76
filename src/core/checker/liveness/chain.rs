//! The chain of frontiers that wait for each other, from what holds the others back to the readers, and the
//! joining of their findings: what waits behind one root is one finding.

use super::fault_windows::combines;
use super::freeze::FreezeReport;
use super::frontier_graph::FrontierGraph;
use super::stall::FrontierTimeline;
use super::stall_window::StallWindow;
use super::waits_for::FrozenFrontier;
use crate::checker::tables::frontier_samples::Object;
use crate::checker::verdict::{
    ChainLink, ChainRole, FreezeCourse, FreezeExplanation, FreezeVisibility, Frozen, RestartEffect,
};
use crate::history::frontier::InputMerge;
use crate::history::time::Nanos;
use std::collections::BTreeSet;

/// After this many samples of a frontier without one of its input, the input has left. One failed sample
/// does not show that.
const LEFT_MIN: usize = 3;

impl<'h> FrontierGraph<'_, 'h> {
    /// Why a declared frontier is frozen. The guard of a consuming position is not explained here.
    pub(super) fn explain(
        self,
        timeline: &FrontierTimeline<'h>,
        window: &StallWindow,
        pinned_by: &[String],
    ) -> Option<FreezeExplanation> {
        let Object::Declared(frontier) = timeline.object else { return None };
        let merge = |fed: &FrontierTimeline<'_>| match fed.object {
            Object::Declared(fed) => combines(self.history, fed),
            Object::Position { .. } => InputMerge::All,
        };
        let log = &self.history.shard_log;
        let frozen = FrozenFrontier {
            frontier,
            timeline,
            window,
            pinned_by,
            has_inputs: self.inputs(frontier).next().is_some(),
            fed: self.fed_by(timeline).map(|fed| (fed, merge(fed))),
            log,
        };
        Some(FreezeExplanation {
            waits_for: frozen.waits_for(),
            chain: self.chain(timeline, window),
            restart: restart(timeline, window),
            not_logged: log.not_logged().map(str::to_owned).collect(),
        })
    }

    fn chain(self, timeline: &FrontierTimeline<'h>, window: &StallWindow) -> Vec<ChainLink> {
        let to = timeline.samples[window.last].t;
        let mut chain = self.upstream(timeline, window);
        let mut last = timeline;
        let mut names: BTreeSet<String> = chain.iter().map(|link| link.object.clone()).collect();
        let mut stands = true;
        while let Some(fed) = self.fed_by(last).filter(|fed| !names.contains(&self.name(fed))) {
            stands &= fed.samples.is_empty() || fed.is_pinned_in(to, to);
            let role = if stands { ChainRole::Dependant } else { ChainRole::GoesOn };
            let waits_for = if stands { vec![self.name(last)] } else { Vec::new() };
            chain.push(ChainLink { role, waits_for, ..self.link(fed, to) });
            names.insert(self.name(fed));
            last = fed;
        }
        let role = if stands { ChainRole::Dependant } else { ChainRole::GoesOn };
        let object = self.name(last);
        let waits_for = if stands { vec![object.clone()] } else { Vec::new() };
        chain.push(ChainLink { object, kind: None, role, position: None, last_seen: None, waits_for });
        chain
    }

    /// The frozen object after everything that it waits for, directly or not, and inputs of it that have
    /// left.
    fn upstream(self, timeline: &FrontierTimeline<'h>, window: &StallWindow) -> Vec<ChainLink> {
        let (from, to) = (timeline.samples[window.first].t, timeline.samples[window.last].t);
        let mut names = BTreeSet::from([self.name(timeline)]);
        let (mut links, mut open) = (Vec::new(), vec![timeline]);
        while let Some(it) = open.pop() {
            let pinning = self.pinning(it, from, to);
            let waits_for: Vec<String> = pinning.iter().map(|it| self.name(it)).collect();
            let role = if waits_for.is_empty() { ChainRole::Root } else { ChainRole::Dependant };
            let left = self
                .left(it, to)
                .into_iter()
                .filter(|link| !waits_for.contains(&link.object))
                .collect::<Vec<_>>();
            links.push(ChainLink { role, waits_for, ..self.link(it, to) });
            links.extend(left);
            open.extend(pinning.into_iter().filter(|it| names.insert(self.name(it))));
        }
        links.reverse();
        links
    }

    /// Inputs of an object that were sampled once, and not any more before this time.
    fn left(self, timeline: &FrontierTimeline<'h>, to: Nanos) -> Vec<ChainLink> {
        let Object::Declared(frontier) = timeline.object else { return Vec::new() };
        let has_left = |input: &&FrontierTimeline<'h>| {
            let last_seen = input.samples.last().map(|last| last.t);
            let since = |last: Nanos| timeline.samples.iter().filter(|it| last < it.t && it.t <= to).count();
            last_seen.is_some_and(|last| since(last) >= LEFT_MIN)
        };
        let left = self.inputs(frontier).filter(has_left);
        left.map(|input| ChainLink {
            role: ChainRole::Left,
            last_seen: input.samples.last().map(|last| last.t),
            ..self.link(input, to)
        })
        .collect()
    }

    fn link(self, timeline: &FrontierTimeline<'h>, t: Nanos) -> ChainLink {
        let report = FreezeReport { history: self.history, timeline };
        ChainLink {
            object: report.name(),
            kind: Some(report.kind()),
            role: ChainRole::Root,
            position: timeline.sample_at(t).and_then(|sample| sample.f),
            last_seen: None,
            waits_for: Vec::new(),
        }
    }
}

/// What a restart did to an object that was stalled in this window.
fn restart(timeline: &FrontierTimeline<'_>, window: &StallWindow) -> RestartEffect {
    let pinned = &timeline.samples[window.last];
    let came = timeline.stalled_since(window);
    let stood = |at: usize| {
        timeline.samples[at].same_position(pinned) && timeline.samples[at].incarnation != pinned.incarnation
    };
    let mut earlier = (came..=window.last).chain(timeline.too_long.iter().map(|it| it.last));
    match timeline.course(window) {
        FreezeCourse::ClearedByRestart => RestartEffect::Cleared,
        _ if earlier.any(stood) => RestartEffect::DidNotClear,
        _ => RestartEffect::NotTried,
    }
}

/// Joins each visible freeze with those that hold it back. It stands for all of them.
pub(super) fn join(frozen: Vec<Frozen>) -> Vec<Frozen> {
    let is_joinable = |it: &Frozen| it.grade == FreezeVisibility::Visible;
    let named: BTreeSet<String> =
        frozen.iter().filter(|it| is_joinable(it)).flat_map(|it| it.pinned_by.iter().cloned()).collect();
    let mut order: Vec<usize> = (0..frozen.len()).collect();
    order.sort_by_key(|at| is_joinable(&frozen[*at]) && named.contains(&frozen[*at].object));
    let mut open: Vec<Option<Frozen>> = frozen.into_iter().map(Some).collect();
    let mut joined: Vec<(usize, Frozen)> = Vec::new();
    for at in order {
        let Some(mut top) = open[at].take() else { continue };
        let mut wanted = if is_joinable(&top) { top.pinned_by.clone() } else { Vec::new() };
        while let Some(name) = wanted.pop() {
            let found =
                open.iter_mut().find(|it| it.as_ref().is_some_and(|it| is_joinable(it) && it.object == name));
            if let Some(it) = found.and_then(Option::take) {
                wanted.extend(it.pinned_by.iter().cloned());
                top.join(it);
            }
        }
        joined.push((at, top));
    }
    joined.sort_by_key(|(at, _)| *at);
    joined.into_iter().map(|(_, it)| it).collect()
}
