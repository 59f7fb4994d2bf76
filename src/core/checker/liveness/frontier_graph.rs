//! Which frontier feeds which, and which of them hold back another one.

use super::fault_windows::combines;
use super::freeze::FreezeReport;
use super::stall::FrontierTimeline;
use crate::checker::tables::frontier_samples::Object;
use crate::checker::tables::history::History;
use crate::history::frontier::{Frontier, InputMerge};
use crate::history::time::Nanos;

/// All objects of a run, with the edges that the target declares between them.
#[derive(Clone, Copy)]
pub(super) struct FrontierGraph<'s, 'h> {
    pub(super) history: &'h History<'h>,
    pub(super) timelines: &'s [FrontierTimeline<'h>],
}

impl<'s, 'h> FrontierGraph<'s, 'h> {
    /// The object that this one feeds.
    pub(super) fn fed_by(self, timeline: &FrontierTimeline<'_>) -> Option<&'s FrontierTimeline<'h>> {
        let Object::Declared(frontier) = timeline.object else { return None };
        let fed = frontier.feeds.as_deref()?;
        self.timelines.iter().find(|it| matches!(it.object, Object::Declared(other) if other.object == fed))
    }

    /// The objects that feed this one.
    pub(super) fn inputs(self, fed: &'h Frontier) -> impl Iterator<Item = &'s FrontierTimeline<'h>> {
        self.timelines.iter().filter(move |it| it.feeds(fed))
    }

    /// The objects that feed this one and were stalled for too long at some time in between. If none was,
    /// those that it waits for and that are no further than it is, even if they have no work themselves.
    pub(super) fn pinning(
        self,
        timeline: &FrontierTimeline<'h>,
        from: Nanos,
        to: Nanos,
    ) -> Vec<&'s FrontierTimeline<'h>> {
        let Object::Declared(fed) = timeline.object else { return Vec::new() };
        let pinning: Vec<_> = self.inputs(fed).filter(|it| it.is_pinned_in(from, to)).collect();
        if pinning.is_empty() && combines(self.history, fed) == InputMerge::All {
            let position = timeline.sample_at(to).and_then(|sample| sample.f);
            return self.inputs(fed).filter(|it| it.was_at_or_below(position, to)).collect();
        }
        pinning
    }

    /// The name of an object.
    pub(super) fn name(self, timeline: &FrontierTimeline<'h>) -> String {
        FreezeReport { history: self.history, timeline }.name()
    }
}
