//! Frontiers that went back, and frontiers beyond the end of their upstream.
//!
//! Consuming positions are neither: the lowest offset that is assigned and not covered goes back, rightly,
//! when an older range is assigned.

use super::finding::Tale;
use super::track::{Object, Sight};
use crate::check::verdict::{Ahead, Regressed};

/// That a frontier went back, if it did: within one life, or though it is declared durable.
pub(super) fn regressed(tale: &Tale<'_, '_>) -> Option<Regressed> {
    let Object::Declared(frontier) = tale.stand.object else { return None };
    let is_wrong = |pair: &[Sight]| {
        matches!((pair[0].f, pair[1].f), (Some(from), Some(to)) if to < from)
            && (frontier.durable || pair[0].incarnation == pair[1].incarnation)
    };
    let sights = tale.stand.sights;
    let wrong = || sights.windows(2).enumerate().filter(|(_, pair)| is_wrong(pair));
    let (at, pair) = wrong().next()?;
    let (before, now) = (&pair[0], &pair[1]);
    Some(Regressed {
        object: tale.name(),
        kind: tale.kind(),
        replica: tale.replica(),
        from: before.f?,
        to: now.f?,
        after: before.t,
        t: now.t,
        incarnations: (before.incarnation, now.incarnation),
        durable: frontier.durable,
        before: tale.happening_before(at + 1, now.t),
        times: wrong().count() as u64,
    })
}

/// That a frontier was beyond its upstream's end as read after it, if it was.
pub(super) fn ahead(tale: &Tale<'_, '_>) -> Option<Ahead> {
    if tale.stand.object.is_foreign() {
        return None;
    }
    let ahead = || tale.stand.sights.iter().filter(|sight| sight.f.is_some_and(|f| f > sight.u2));
    let first = ahead().next()?;
    Some(Ahead {
        object: tale.name(),
        kind: tale.kind(),
        replica: tale.replica(),
        position: first.f?,
        upper: first.u2,
        t: first.t,
        incarnation: first.incarnation,
        samples: ahead().count() as u64,
    })
}
