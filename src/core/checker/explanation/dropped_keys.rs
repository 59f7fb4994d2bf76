//! Keys that were lost from the metadata although everything was visible in time: the same symptom as a
//! broken order, and another cause (`RULES.md` 9, 11).

use super::explainer::{Explainer, RootGroup};
use super::node_events::NodeEvent;
use crate::checker::verdict::{Anchor, DroppedKeys, RootCause};

/// What the replica logged of keys that it lost before it merged these roots; `None` if neither its events
/// nor the rows say that any were.
pub(super) fn find(explainer: &Explainer<'_>, partition: u32, group: &RootGroup<'_>) -> Option<DroppedKeys> {
    let events = &explainer.events;
    let anchor = group.roots[0];
    let began = events.event(group.began);
    let incarnation = began.record.incarnation;
    let before = |event: &NodeEvent| event.number("reached").is_none_or(|reached| reached <= anchor.off);
    let of_partition = |kind: &str| {
        let own = events.of(group.began.node).filter(|(_, event)| {
            event.kind() == kind
                && event.record.incarnation == incarnation
                && event.segment.is_some_and(|(of, segment)| of == partition && segment <= group.segment)
        });
        own.rev().map(|(_, event)| event).find(|event| before(event))
    };
    let dropped = of_partition("keys-not-replaced").filter(|event| event.number("keys") != Some(0));
    let is_dropped = group.roots.iter().any(|root| root.class == RootCause::DroppedKey);
    let event = match dropped {
        Some(dropped) => dropped,
        None if is_dropped => of_partition("replaced")?,
        None => return None,
    };
    let ahead = of_partition("position-ahead");
    let beyond = ahead.and_then(|event| event.number("position")?.checked_sub(event.number("end")?));
    Some(DroppedKeys {
        replica: explainer.history.meta.roster[group.replica].clone(),
        incarnation,
        anchor: Anchor { key: anchor.key.clone(), off: anchor.off },
        keys: event.number("keys"),
        event: event.point(),
        beyond_end: beyond,
    })
}
