//! One place where replicas are wrong or differ: an offset of the log, or the current view of a key.

use crate::checker::tables::copies::CapturePoint;
use crate::checker::verdict::{Anomaly, Origin, RootCause};
use crate::history::row::{CopyState, Row};
use crate::history::schema::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many rows of a partition that are wrong in the same way keep their content as evidence. Further ones
/// are counted and located: a run that is wrong everywhere must not need memory for all its rows.
const WITH_CONTENT_MAX: usize = 256;

/// What made a row wrong, as far as findings distinguish causes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MismatchCause {
    pub(crate) class: RootCause,
    /// The replicas with the roots.
    pub(crate) roots: BTreeSet<usize>,
}

/// The ops that a root lacks.
#[derive(Clone, Debug)]
pub(crate) struct MissingOps {
    pub(crate) class: RootCause,
    pub(crate) segments: BTreeSet<usize>,
    pub(crate) ops: u64,
}

/// Why a view is wrong (without a model: differs).
#[derive(Clone, Debug)]
pub(crate) struct ViewAnomaly {
    pub(crate) what: Anomaly,
    pub(crate) origin: Origin,
    pub(crate) cause: MismatchCause,
    pub(crate) missing: Option<MissingOps>,
    /// The key that it shows, if that is not the mismatch's own.
    pub(crate) key: Option<String>,
    /// The wrong cells ([`crate::checker::tables::named_row`]).
    pub(crate) columns: Vec<usize>,
    pub(crate) shows_default: bool,
    /// The columns that show a value which the key had before.
    pub(crate) stale: Vec<usize>,
}

impl ViewAnomaly {
    /// A defect whose origin and cause are not known yet. It counts as copied from an unknown source.
    pub(crate) fn of(what: Anomaly) -> ViewAnomaly {
        ViewAnomaly {
            what,
            origin: Origin::Copied,
            cause: MismatchCause { class: RootCause::NoProvenance, roots: BTreeSet::new() },
            missing: None,
            key: None,
            columns: Vec::new(),
            shows_default: false,
            stale: Vec::new(),
        }
    }
}

/// What one copy, or one replica's current view, shows here.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaView {
    pub(crate) replica: usize,
    pub(crate) state: Option<CopyState>,
    pub(crate) read: Option<u64>,
    /// Views of equal content have equal numbers.
    pub(crate) group: usize,
    /// Boxed, since most views are right.
    pub(crate) anomaly: Option<Box<ViewAnomaly>>,
    /// `None` if it shows no row, or one that is not kept as evidence.
    pub(crate) content: Option<Content>,
}

impl ReplicaView {
    /// What is wrong with it; `None` if nothing is.
    pub(crate) fn what(&self) -> Option<Anomaly> {
        self.anomaly.as_ref().map(|wrong| wrong.what)
    }
}

/// The content of a view, kept as evidence.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Views that show the same row share it.
    Row(Arc<Row>),
    /// The offsets flagged as current.
    Flags(Vec<u64>),
}

/// What should be shown here.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// A row: op, comparison value, columns.
    Row(u64, i64, Vec<Value>),
    /// The offset of the current row; `None` for a deleted key.
    Current(Option<u64>),
}

/// Which views the comparable replicas showed from this point on, as indices of [`Mismatch::views`].
#[derive(Clone, Debug)]
pub(crate) struct CaptureViews {
    pub(crate) when: CapturePoint,
    pub(crate) views: Vec<usize>,
}

/// One place where replicas are wrong or differ.
#[derive(Clone, Debug)]
pub(crate) struct Mismatch {
    pub(crate) off: u64,
    pub(crate) key: String,
    pub(crate) segment: Option<usize>,
    pub(crate) op: Option<u64>,
    /// Whether the model decides who is wrong.
    pub(crate) modelled: bool,
    pub(crate) expected: Option<Expected>,
    pub(crate) views: Vec<ReplicaView>,
    /// In time order. A scene is added only if something changed.
    pub(crate) views_by_capture: Vec<CaptureViews>,
    /// The replicas on which the mismatch is over although none of these scenes shows them right: a later
    /// write or delete of the key put their flags right.
    pub(crate) over: BTreeSet<usize>,
}

impl Mismatch {
    /// What the comparable replicas showed at a point.
    pub(crate) fn at(&self, when: CapturePoint) -> impl Iterator<Item = &ReplicaView> {
        let scene = self.views_by_capture.iter().rev().find(|scene| scene.when <= when);
        scene.into_iter().flat_map(|scene| scene.views.iter().map(|&view| &self.views[view]))
    }

    /// Adds what was shown from this point on. Scenes must be added in order.
    pub(crate) fn show(&mut self, when: CapturePoint, views: Vec<usize>) {
        if self.views_by_capture.last().map_or(!views.is_empty(), |scene| scene.views != views) {
            self.views_by_capture.push(CaptureViews { when, views });
        }
    }

    /// The key that a view shows here.
    pub(crate) fn key_of<'d>(&'d self, view: &'d ReplicaView) -> &'d String {
        view.anomaly.as_ref().and_then(|wrong| wrong.key.as_ref()).unwrap_or(&self.key)
    }

    /// The finding that a wrong view belongs to.
    pub(crate) fn finding_key(&self, wrong: &ViewAnomaly) -> FindingKey {
        let (modelled, of_flags) = (self.modelled, self.is_of_flags());
        FindingKey { what: wrong.what, cause: wrong.cause.clone(), modelled, of_flags }
    }

    /// Whether this is about the current view of a key.
    pub(crate) fn is_of_flags(&self) -> bool {
        matches!(self.expected, Some(Expected::Current(_)))
    }
}

/// What all wrong views of a finding have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FindingKey {
    pub(crate) what: Anomaly,
    pub(crate) cause: MismatchCause,
    /// Whether the model judged them.
    pub(crate) modelled: bool,
    /// Whether they are views of current flags.
    pub(crate) of_flags: bool,
}

/// How often the content of rows was kept, by the way in which they are wrong: the finding, the origin, and
/// whether it is so to the end.
#[derive(Default)]
pub(crate) struct ContentKept(BTreeMap<(FindingKey, Origin, bool), usize>);

impl ContentKept {
    /// Counts a row, and says whether its content is to be kept: it is one of the first that are wrong in one
    /// of its ways.
    pub(crate) fn takes(&mut self, mismatch: &Mismatch) -> bool {
        let at_last = mismatch.views_by_capture.last().map_or(&[][..], |scene| &scene.views);
        let mut takes = false;
        for (at, view) in mismatch.views.iter().enumerate() {
            let Some(wrong) = &view.anomaly else { continue };
            let way = (mismatch.finding_key(wrong), wrong.origin, at_last.contains(&at));
            let kept = self.0.entry(way).or_default();
            takes |= *kept < WITH_CONTENT_MAX;
            *kept += 1;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(what: Anomaly) -> Mismatch {
        let view = ReplicaView {
            replica: 0,
            state: Some(CopyState::Consuming),
            read: Some(1),
            group: 0,
            anomaly: Some(Box::new(ViewAnomaly::of(what))),
            content: None,
        };
        Mismatch {
            off: 0,
            key: "k".to_owned(),
            segment: None,
            op: None,
            modelled: true,
            expected: None,
            views: vec![view],
            views_by_capture: Vec::new(),
            over: BTreeSet::new(),
        }
    }

    /// Goal: rows that are wrong in a rare way have evidence, however many are wrong in another.
    #[test]
    fn the_first_rows_that_are_wrong_in_each_way_keep_their_content() {
        let mut kept = ContentKept::default();
        let mut takes = |what| kept.takes(&wrong(what));
        assert_eq!(
            (0..3 * WITH_CONTENT_MAX).filter(|_| takes(Anomaly::WrongValue)).count(),
            WITH_CONTENT_MAX
        );
        assert!(takes(Anomaly::Extra) && !takes(Anomaly::WrongValue));
    }
}
