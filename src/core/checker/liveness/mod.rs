//! Consuming positions and the frontiers that a target declares (`RULES.md` 7).
//!
//! In the same domain as its upstream, an object is behind iff it is below the upstream's end, which was read
//! before it. It is frozen iff it is behind with one unchanged value over the whole window, whether or not
//! the upstream moved. In a foreign domain it is frozen iff its upstream has moved since it last did, and a
//! sibling that moved on, or a canary that did not arrive, confirms it. What was read of the log and of
//! shards outranks the numbers.

mod ahead_of_upstream;
mod chain;
mod fault_windows;
mod freeze;
mod frontier_graph;
mod read_back;
mod regression;
mod restart_loop;
mod restarts;
mod sample_age;
mod stall;
mod stall_window;
mod upstream;
mod waits_for;

use crate::checker::tables::frontier_samples::Object;
use crate::checker::tables::history::{FaultSpan, History};
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::{
    CheckResult, Doubt, DoubtKind, Finding, FindingKind, FreezeCourse, FrontierState, Frozen, Healed,
    Progress, Status,
};
use crate::history::check_name::CheckName;
use crate::history::frontier::Frontier;
use crate::history::time::Nanos;
use fault_windows::FaultWindows;
use freeze::FreezeReport;
use frontier_graph::FrontierGraph;
pub(super) use read_back::ReadBack;
use restarts::Restarts;
use stall::{FrontierTimeline, StallTerms};
use stall_window::StallWindow;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The largest number of objects in each list of [`Progress`].
const NAMED_MAX: usize = 20;

/// The result of the check.
pub(super) struct LivenessFound {
    pub(super) result: CheckResult,
    pub(super) progress: Progress,
    pub(super) findings: Vec<Finding>,
    pub(super) doubts: Vec<Doubt>,
}

/// Looks for objects that are frozen, went back or are ahead of their upstream.
pub(super) fn check(history: &History<'_>, data: &ReadBack<'_>) -> LivenessFound {
    let mut check = LivenessCheck::of(history, data);
    check.note_silences();
    check.timelines.iter().for_each(|timeline| check.doubts.extend(unsettled(history, timeline)));
    for at in 0..check.timelines.len() {
        check.judge(at);
    }
    check.conclude()
}

/// The state of the check while it runs.
struct LivenessCheck<'h> {
    history: &'h History<'h>,
    data: &'h ReadBack<'h>,
    timelines: Vec<FrontierTimeline<'h>>,
    /// When any frontier of a group moved, in time order.
    moves: BTreeMap<&'h str, Vec<Nanos>>,
    progress: Progress,
    findings: Vec<FindingKind>,
    frozen: Vec<Frozen>,
    doubts: Vec<Doubt>,
}

impl<'h> LivenessCheck<'h> {
    fn of(history: &'h History<'h>, data: &'h ReadBack<'h>) -> LivenessCheck<'h> {
        let frontier_samples = &history.frontier_samples;
        let held = frontier_samples.held();
        let positions = frontier_samples.positions.iter().map(|(&(replica, partition), samples)| {
            (Object::Position { replica, partition }, Cow::Borrowed(samples.as_slice()))
        });
        let declared = frontier_samples
            .frontiers
            .iter()
            .map(|(it, samples)| (Object::Declared(it), upstream::corrected(it, samples)));
        let timeline = |(object, samples)| {
            let (excuses, restarts) =
                (FaultWindows::of(history, object), Restarts::of(history, object, &held));
            let floor = history.meta.frozen_floor;
            FrontierTimeline::of(object, samples, StallTerms { excuses, restarts, held: &held, floor, data })
        };
        let timelines: Vec<FrontierTimeline<'_>> = positions.chain(declared).map(timeline).collect();
        LivenessCheck {
            history,
            data,
            moves: moves_by_group(&timelines),
            timelines,
            progress: Progress::default(),
            findings: Vec::new(),
            frozen: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// Adds doubts about replicas that did not answer the last time they were sampled.
    fn note_silences(&mut self) {
        for timeline in &self.timelines {
            let Some(replica) = fault_windows::replica_of(self.history, timeline.object) else { continue };
            let end = timeline.samples.last().map_or(Nanos(0), |last| last.t);
            if let Some((t, error)) = FaultWindows::of(self.history, timeline.object).silent_after(end) {
                let name = &self.history.meta.roster[replica];
                let detail = format!("{name} did not answer its last sampling, at {} ns: {error}", t.0);
                let doubt = Doubt { kind: DoubtKind::Unreadable, detail };
                if !self.doubts.contains(&doubt) {
                    self.doubts.push(doubt);
                }
            }
        }
    }

    fn judge(&mut self, at: usize) {
        let timeline = &self.timelines[at];
        let report = FreezeReport { history: self.history, timeline };
        let never_began = timeline.never_began.as_ref().filter(|window| self.is_missed(timeline, window));
        if let Some(state) = never_began.map(|_| FrontierState::Frozen).or_else(|| timeline.state()) {
            *self.progress.states.entry(state).or_default() += 1;
            match state {
                FrontierState::Lagging => self.progress.lagging.extend(timeline.lagging(&report.name())),
                FrontierState::Waiting => self.progress.waiting.extend(timeline.waiting(&report.name())),
                _ => {}
            }
        }
        if let Object::Declared(_) = timeline.object {
            self.progress.looks += timeline.samples.len() as u64;
            self.findings.extend(regression::regressed(&report).map(FindingKind::Regressed));
            let ahead =
                ahead_of_upstream::ahead(&report, &self.timelines, &self.history.frontier_samples.held());
            self.findings.extend(ahead.map(FindingKind::Ahead));
            self.doubts.extend(report.sealed_early());
        }
        let (healed, lasting): (Vec<StallWindow>, Vec<StallWindow>) =
            timeline.too_long.iter().partition(|window| heals_in_time(timeline, window));
        let resumed = |window: &StallWindow, within| Healed {
            object: report.name(),
            since: timeline.samples[window.first].t,
            watched: window.watched,
            within,
        };
        let within = Some(timeline.object.heals_within());
        self.progress.healed.extend(healed.iter().map(|window| resumed(window, within)));
        self.progress.healed.extend(timeline.caught_up.iter().map(|window| resumed(window, None)));
        let sticky = |window: &&StallWindow| timeline.course(window) == FreezeCourse::Sticky;
        let (confirmed, unconfirmed): (Vec<StallWindow>, Vec<StallWindow>) =
            lasting.into_iter().partition(|window| self.is_confirmed(timeline, window));
        let shows_all = matches!(timeline.object, Object::Declared(_)) && self.data.shows_all(&report.name());
        let (by_number, mut real): (Vec<StallWindow>, Vec<StallWindow>) =
            confirmed.into_iter().partition(|window| shows_all && sticky(&window));
        if let Some(window) = unconfirmed.iter().rfind(sticky) {
            self.doubts.push(report.unconfirmed(window, self.was_canary_seen(timeline, window)));
        } else if let Some(window) = by_number.last() {
            self.doubts.push(report.behind_by_number(window));
        }
        real.extend(never_began);
        let worst = real.iter().rfind(sticky).or_else(|| real.iter().max_by_key(|window| window.watched));
        if let Some(window) = worst {
            let (from, to) = (timeline.samples[window.first].t, timeline.samples[window.last].t);
            let graph = self.graph();
            let pinning = graph.pinning(timeline, from, to).into_iter().map(|it| graph.name(it)).collect();
            let mut frozen = report.frozen(window, real.len() as u64, graph.fed_by(timeline), pinning);
            frozen.freeze_explanation = graph.explain(timeline, window, &frozen.pinned_by).map(Box::new);
            self.frozen.push(frozen);
        }
    }

    /// In a foreign domain an object may rightly not move. That it should have moved is shown by another
    /// object of its group that did, or by a canary that did not arrive. If the upstream's number counts more
    /// than the object's entries, what is beyond the object must be known to be missing.
    fn is_confirmed(&self, timeline: &FrontierTimeline<'_>, window: &StallWindow) -> bool {
        let Object::Declared(frontier) = timeline.object else { return true };
        let upstream = &frontier.upstream;
        if !timeline.object.is_foreign()
            && upstream.partition.is_none()
            && (upstream.markers || upstream.others)
        {
            return self.data.is_lacking(&destinations(frontier))
                || self.was_canary_seen(timeline, window) == Some(false);
        }
        let moves = self.moves.get(frontier.group.as_str());
        let (from, to) = (timeline.samples[window.first].t, timeline.samples[window.last].t);
        // The object itself did not move in this time, so a sibling did.
        let moved =
            |moves: &Vec<Nanos>| moves.get(moves.partition_point(|t| *t <= from)).is_some_and(|t| *t <= to);
        !timeline.object.is_foreign()
            || moves.is_some_and(moved)
            || self.was_canary_seen(timeline, window) == Some(false)
    }

    /// Whether data is missing that an object should have delivered, if it was never seen anywhere but at its
    /// origin.
    fn is_missed(&self, timeline: &FrontierTimeline<'_>, window: &StallWindow) -> bool {
        let Object::Declared(frontier) = timeline.object else { return false };
        self.data.is_lacking(&destinations(frontier)) && self.was_canary_seen(timeline, window) == Some(false)
    }

    /// Whether what was written meanwhile arrived where this object's data goes; `None` if unknown.
    fn was_canary_seen(&self, timeline: &FrontierTimeline<'_>, window: &StallWindow) -> Option<bool> {
        let Object::Declared(frontier) = timeline.object else { return None };
        self.history.canaries.were_seen(&destinations(frontier), &timeline.stall(window))
    }

    fn graph(&self) -> FrontierGraph<'_, 'h> {
        FrontierGraph { history: self.history, timelines: &self.timelines }
    }

    /// Whether all replicas had reached the end of the log at the deadline, although some numbers were lower.
    fn are_done_by_data(&self) -> bool {
        self.timelines.iter().any(|timeline| timeline.is_done_by_data)
            && self.timelines.iter().all(|timeline| timeline.at_end.is_none())
            && !self.history.faults.iter().any(FaultSpan::is_probe)
    }

    fn conclude(mut self) -> LivenessFound {
        let frozen = chain::join(std::mem::take(&mut self.frozen));
        self.findings.extend(frozen.into_iter().map(|it| FindingKind::Frozen(Box::new(it))));
        let samples = self.timelines.iter().map(|timeline| timeline.samples.len() as u64).sum();
        let is_late = self.history.settled_late() && !self.are_done_by_data();
        if is_late && self.findings.is_empty() && self.doubts.is_empty() {
            let detail = "not every replica had caught up at the deadline".to_owned();
            self.doubts.push(Doubt { kind: DoubtKind::NotSettled, detail });
        }
        let status = match (self.findings.is_empty(), self.doubts.is_empty() && samples > 0) {
            (false, _) => Status::Fail,
            (true, true) => Status::Pass,
            (true, false) => Status::Unknown,
        };
        let healed = self.progress.healed.iter().filter(|it| it.within.is_some()).count();
        let reason = match (samples, healed) {
            (0, _) => Some("no consuming position was sampled".to_owned()),
            (_, 0) => self.doubts.first().map(|doubt| doubt.detail.clone()),
            (_, healed) => Some(format!("{healed} stood still and healed within the declared time")),
        };
        self.progress.lagging.sort_by_key(|it| u64::MAX - it.behind);
        self.progress.lagging.truncate(NAMED_MAX);
        self.progress.waiting.truncate(NAMED_MAX);
        self.progress.healed.truncate(NAMED_MAX);
        let unit = "samples".to_owned();
        let result = CheckResult { name: CheckName::Progress, status, compared: samples, unit, reason };
        let finding = |kind| Finding { fingerprint: fingerprint(&kind), kind };
        let findings = self.findings.into_iter().map(finding).collect();
        LivenessFound { result, progress: self.progress, findings, doubts: self.doubts }
    }
}

/// The objects that receive this object's data, so that reads of them show whether it arrived.
fn destinations(frontier: &Frontier) -> Vec<&str> {
    [Some(&frontier.object), frontier.feeds.as_ref()].into_iter().flatten().map(String::as_str).collect()
}

fn heals_in_time(timeline: &FrontierTimeline<'_>, window: &StallWindow) -> bool {
    timeline.course(window) == FreezeCourse::SelfHealed && window.watched <= timeline.object.heals_within()
}

/// The doubt that an object was behind at the end of a run that had not settled, and is not known to be
/// frozen.
fn unsettled(history: &History<'_>, timeline: &FrontierTimeline<'_>) -> Option<Doubt> {
    let last = timeline.samples.get(timeline.at_end?.last)?;
    let is_frozen = timeline.too_long.iter().any(|it| timeline.course(it) == FreezeCourse::Sticky);
    if is_frozen || timeline.object.is_foreign() || history.settled == Some(true) {
        return None;
    }
    let (f, end) = (last.f?, last.u1);
    let detail = match timeline.object {
        Object::Position { replica, partition } => {
            let name = &history.meta.roster[replica];
            format!("{name} was still at {f} of {end} in partition {partition}, and not yet frozen")
        }
        Object::Declared(frontier) => {
            format!("{} was still at {f} of {end}, and not yet frozen", frontier.object)
        }
    };
    Some(Doubt { kind: DoubtKind::NotSettled, detail })
}

fn moves_by_group<'h>(timelines: &[FrontierTimeline<'h>]) -> BTreeMap<&'h str, Vec<Nanos>> {
    let mut moves: BTreeMap<&str, Vec<Nanos>> = BTreeMap::new();
    for timeline in timelines.iter().filter(|timeline| timeline.object.is_foreign()) {
        let Object::Declared(frontier) = timeline.object else { continue };
        let pairs = timeline.samples.windows(2).filter(|pair| !pair[0].same_position(&pair[1]));
        moves.entry(frontier.group.as_str()).or_default().extend(pairs.map(|pair| pair[1].t));
    }
    moves.values_mut().for_each(|times| times.sort_unstable());
    moves
}
