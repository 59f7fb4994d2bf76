//! One place where replicas are wrong or differ: an offset of the log, or the current view of a key.

use crate::checker::tables::copies::CapturePoint;
use crate::checker::verdict::{Anomaly, Origin, RootCause};
use crate::history::row::{CopyState, Row};
use crate::history::schema::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Once a partition has this many mismatches, further wrong rows are counted and located, but their content
/// is dropped. A run that is wrong everywhere must not need memory for all its rows.
pub(crate) const WITH_CONTENT_MAX: usize = 10_000;

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

    /// Whether this is about the current view of a key.
    pub(crate) fn is_of_flags(&self) -> bool {
        matches!(self.expected, Some(Expected::Current(_)))
    }

    /// Whether the content of any view was kept.
    pub(crate) fn has_content(&self) -> bool {
        self.views.iter().any(|view| view.content.is_some())
    }

    /// Drops the content, but keeps who was wrong and why.
    pub(crate) fn forget_content(&mut self) {
        self.expected = None;
        for view in &mut self.views {
            view.content = None;
        }
    }
}
