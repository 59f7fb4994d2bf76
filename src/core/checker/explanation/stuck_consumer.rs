//! A consumption that never began (`RULES.md` 7, 9): its guard was shut when it was last tested, and
//! nothing tests it again.

use super::explainer::{Explainer, RootGroup};
use super::guard::{self, Consumption};
use super::node_events::EventIndex;
use super::ordering_break::EarlierSegment;
use super::{setup, timeline};
use crate::checker::verdict::{Explanation, NeverBegan, NotShown, ShownCause};

/// Where a replica's consumption stands still.
#[derive(Clone, Copy)]
pub(crate) struct StuckAt {
    pub(crate) replica: usize,
    pub(crate) partition: u32,
    /// The segment that it should consume, by index.
    pub(crate) segment: usize,
}

impl Explainer<'_> {
    /// Explains why a replica does not consume a segment.
    pub(crate) fn explain_stuck(&self, at: StuckAt) -> Explanation {
        let not_logged = self.not_logged();
        let Some(tested) = self.last_test(at) else {
            let (cause, guard) =
                (ShownCause::NotShown { reason: NotShown::NoEvents }, guard::unseen(&self.events));
            return Explanation { cause, further: Vec::new(), guard, timelines: Vec::new(), not_logged };
        };
        let missing = self.missing_at(at, tested);
        let needed: Vec<usize> = missing.iter().map(|it| it.segment).collect();
        let last = EarlierSegment::last(&missing);
        let group = RootGroup { replica: at.replica, segment: at.segment, began: tested, roots: Vec::new() };
        let event = self.events.event(tested);
        let cause = ShownCause::NeverBegan(Box::new(NeverBegan {
            replica: self.history.meta.roster[at.replica].clone(),
            incarnation: event.record.incarnation,
            dependent: self.name(at.partition, at.segment).to_owned(),
            dependencies: needed.iter().map(|it| self.name(at.partition, *it).to_owned()).collect(),
            tested: event.point(),
            visible: last.and_then(|it| it.visible).map(|index| self.events.event(index).point()),
            setup: last.and_then(|it| setup::find(self, at.partition, &group, it.segment, it.visible)),
        }));
        let consumption = Consumption {
            partition: at.partition,
            segment: at.segment,
            began: None,
            node: tested.node,
            needed: &needed,
        };
        let guard = guard::find(&self.events, self.history, &consumption);
        let timelines = timeline::side_by_side(&self.events, self.history, &group, at.partition, &cause);
        Explanation { cause, further: Vec::new(), guard, timelines, not_logged }
    }

    /// The last test of the guard, if consumption did not begin after it.
    fn last_test(&self, at: StuckAt) -> Option<EventIndex> {
        let node = self.events.node(&self.history.meta.roster[at.replica])?;
        let of = (at.partition, at.segment);
        let own = self.events.of(node).filter(|(_, event)| event.segment == Some(of));
        let (index, _) = own.rev().find(|(_, event)| event.kind() == "gate" || event.begins(of))?;
        (self.events.event(index).kind() == "gate").then_some(index)
    }

    /// The earlier segments that were not visible when the guard was tested, and what made them visible
    /// since.
    fn missing_at(&self, at: StuckAt, tested: EventIndex) -> Vec<EarlierSegment> {
        let mut earlier = self.earlier((at.partition, at.segment), tested);
        earlier.retain(|it| it.visible.is_none_or(|index| index.at > tested.at));
        earlier
    }
}
