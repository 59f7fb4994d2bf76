//! The data of a finding on an object that stopped: what it is, its last move before, what happened just
//! before that, and what is beyond it now.

use super::stall::FrontierTimeline;
use super::stall_window::StallWindow;
use crate::checker::tables::frontier_samples::{FrontierSample, Object, shows_a_cause};
use crate::checker::tables::history::History;
use crate::checker::tables::segments::{bounds, segment_of};
use crate::checker::verdict::{
    Doubt, DoubtKind, FreezeVisibility, Frozen, Move, ObjectKind, PrecedingEvent, StatusCause,
};
use crate::history::time::Nanos;

/// One object and its history.
pub(super) struct FreezeReport<'s, 'h> {
    pub(super) history: &'s History<'h>,
    pub(super) timeline: &'s FrontierTimeline<'h>,
}

impl FreezeReport<'_, '_> {
    /// The name of the object.
    pub(super) fn name(&self) -> String {
        match self.timeline.object {
            Object::Position { replica, partition } => {
                format!("{} partition {partition}", self.history.meta.roster[replica])
            }
            Object::Declared(frontier) => frontier.object.clone(),
        }
    }

    /// The kind of the object.
    pub(super) fn kind(&self) -> ObjectKind {
        match self.timeline.object {
            Object::Position { .. } => ObjectKind::ConsumingPosition,
            Object::Declared(frontier) => frontier.kind.into(),
        }
    }

    /// The replica that the object belongs to.
    pub(super) fn replica(&self) -> Option<String> {
        match self.timeline.object {
            Object::Position { replica, .. } => Some(self.history.meta.roster[replica].clone()),
            Object::Declared(frontier) => frontier.replica.clone(),
        }
    }

    /// The finding that an object was frozen in this window. `fed` is the object it feeds; `pinned_by` has
    /// the objects that hold it back.
    pub(super) fn frozen(
        &self,
        window: &StallWindow,
        times: u64,
        fed: Option<&FrontierTimeline<'_>>,
        pinned_by: Vec<String>,
    ) -> Frozen {
        let (samples, came) = (&self.timeline.samples, self.timeline.stalled_since(window));
        let (first, last) = (&samples[came], &samples[window.last]);
        let position = last.f.unwrap_or(0);
        let frontier_samples = &self.history.frontier_samples;
        let status = frontier_samples.status(last).to_owned();
        Frozen {
            object: self.name(),
            kind: self.kind(),
            grade: match fed {
                Some(fed) if !fed.samples.is_empty() && !fed.is_pinned_in(last.t, last.t) => {
                    FreezeVisibility::Latent
                }
                _ => FreezeVisibility::Visible,
            },
            course: self.timeline.course(window),
            replica: self.replica(),
            pinned_by,
            partition: self.partition(),
            position,
            segment: self.segment(position),
            log_end: last.u1,
            upstream_moved: last.u1.saturating_sub(first.u1),
            invisible: (!self.timeline.object.is_foreign()).then(|| last.u1.saturating_sub(position)),
            unseen: None,
            since: first.t,
            watched: window.watched,
            threshold: window.threshold,
            baseline: window.baseline,
            last_move: last_move(&samples[..=came]),
            before: self.happening_before(came, self.timeline.expected_by(window)),
            status_at_freeze: frontier_samples.status(first).to_owned(),
            cause: if shows_a_cause(&status) { StatusCause::Shown } else { StatusCause::Silent },
            status,
            incarnation: last.incarnation,
            samples: (window.last - window.first + 1) as u64,
            times,
            explanation: None,
            freeze_explanation: None,
            joined: Vec::new(),
        }
    }

    /// The doubt that an object of a foreign domain did not move, and nothing confirms that it should have.
    pub(super) fn unconfirmed(&self, window: &StallWindow, canary_seen: Option<bool>) -> Doubt {
        let (first, last) = (&self.timeline.samples[window.first], &self.timeline.samples[window.last]);
        let canary = match canary_seen {
            Some(true) => "; the canary that was written meanwhile was seen: data moves",
            _ => "",
        };
        let detail = format!(
            "{} stood at {} while its upstream went from {} to {}, and no other of its group went on{canary}",
            self.name(),
            last.f.unwrap_or(0),
            first.u1,
            last.u1,
        );
        Doubt { kind: DoubtKind::Unconfirmed, detail }
    }

    /// The doubt that an object is behind its upstream by its number although its data is all there.
    pub(super) fn behind_by_number(&self, window: &StallWindow) -> Doubt {
        let last = &self.timeline.samples[window.last];
        let detail = format!(
            "{} is at {} of {}, and what was read of it has every entry of the log: its number is \
             behind, its data is not",
            self.name(),
            last.f.unwrap_or(0),
            last.u1,
        );
        Doubt { kind: DoubtKind::Unconfirmed, detail }
    }

    /// The doubt that an object was sealed before its declared end.
    pub(super) fn sealed_early(&self) -> Option<Doubt> {
        let Object::Declared(frontier) = self.timeline.object else { return None };
        let (end, last) = (frontier.ends_at?, self.timeline.samples.last()?);
        let position = self.timeline.samples.iter().rev().find_map(|sample| sample.f).unwrap_or(0);
        let detail = format!("{} is sealed, stood at {position} last, and was to end at {end}", self.name());
        (last.f.is_none() && position < end).then_some(Doubt { kind: DoubtKind::Unconfirmed, detail })
    }

    /// The last thing that happened up to this time. Of the object's own changes, only those up to this
    /// sample count.
    pub(super) fn happening_before(&self, at: usize, t: Nanos) -> Option<PrecedingEvent> {
        let samples = &self.timeline.samples;
        let phases = self.history.phases.iter().map(|&(t, phase)| PrecedingEvent::Phase { t, phase });
        let faults = self.history.faults.iter().flat_map(|span| {
            let step = &span.step;
            let begin = PrecedingEvent::FaultBegin { t: span.t, step: step.clone() };
            let cure = span.cure_begun.iter();
            let cure = cure.map(|(t, _)| PrecedingEvent::CureBegin { t: *t, step: step.clone() });
            let cured = span.cured.iter().map(|(t, _)| PrecedingEvent::Cured { t: *t, step: step.clone() });
            std::iter::once(begin).chain(cure).chain(cured)
        });
        let life = samples[..=at].windows(2).rfind(|pair| pair[0].incarnation != pair[1].incarnation);
        let life =
            life.map(|pair| PrecedingEvent::Incarnation { t: pair[1].t, incarnation: pair[1].incarnation });
        let earlier = phases.chain(faults).chain(life).filter(|happening| happening.t() <= t);
        earlier.max_by_key(PrecedingEvent::t)
    }

    fn partition(&self) -> Option<u32> {
        match self.timeline.object {
            Object::Position { partition, .. } => Some(partition),
            Object::Declared(_) => None,
        }
    }

    fn segment(&self, position: u64) -> Option<String> {
        let spans = self.history.segments.get(self.partition()? as usize)?;
        Some(spans[segment_of(&bounds(spans), position)?].name.clone())
    }
}

/// The last move in these samples.
fn last_move(samples: &[FrontierSample]) -> Option<Move> {
    let pair = samples.windows(2).rfind(|pair| !pair[0].same_position(&pair[1]))?;
    let t: Nanos = pair[1].t;
    Some(Move { t, from: pair[0].f?, to: pair[1].f? })
}
