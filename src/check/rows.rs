//! Raw rows: replicas against each other and against the folded log.

use super::absence::Absences;
use super::align::{Claim, Logged, Place, walk};
use super::calibrate::{Calibration, disagreements};
use super::deviation::{Cause, Content, Deviation, Expected, View, WITH_CONTENT_MAX, Wrong};
use super::group::{classes, sizes};
use super::history::History;
use super::ledger::Ledger;
use super::merge::{is_empty, shows};
use super::missing::MissingStates;
use super::roots::Roots;
use super::stage::Stage;
use super::verdict::{Origin, RootCause, What};
use crate::record::evidence::Recorded;
use crate::record::row::Row;
use crate::schema::rules::Absence;
use crate::schema::{Column, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the comparison of one partition's rows came to.
#[derive(Default)]
pub(super) struct RowsCompared {
    /// Offsets at which at least two replicas were compared.
    pub(super) offsets: u64,
    /// (replica x offset) pairs compared.
    pub(super) rows: u64,
    /// (replica x offset) pairs that were not, since what is absent there may be, by reason.
    pub(super) excused: BTreeMap<Absence, u64>,
    pub(super) deviations: Vec<Deviation>,
    /// The first row in which all replicas agree against a model that no calibration bears out.
    pub(super) unproven: Option<String>,
    /// How many rows each read brought, by id.
    pub(super) brought: BTreeMap<u64, u64>,
}

/// Compares the rows of a partition below `judged_to`.
pub(super) fn compare(
    evidence: &dyn Recorded,
    history: &History<'_>,
    ledger: &Ledger,
    stage: &Stage,
    absences: &Absences<'_>,
    calibration: &Calibration,
    judged_to: u64,
) -> RowsCompared {
    let schema = &history.facts.schema;
    let segments = history.segments[ledger.partition as usize].len();
    let missing = MissingStates::new(schema, &calibration.model_on, stage.lives, segments);
    let mut inspector = Inspector {
        history,
        stage,
        calibration,
        judged_to,
        roots: Roots::new(&schema.columns, &calibration.model_on, ledger, stage, missing),
        compared: RowsCompared::default(),
    };
    let visit = &mut |place: &Place<'_, '_>| inspector.inspect(place);
    let brought = walk(evidence, history, ledger, stage, absences, u64::MAX, visit);
    RowsCompared { brought, ..inspector.compared }
}

struct Inspector<'j> {
    history: &'j History<'j>,
    stage: &'j Stage,
    calibration: &'j Calibration,
    judged_to: u64,
    roots: Roots<'j>,
    compared: RowsCompared,
}

impl Inspector<'_> {
    fn inspect(&mut self, place: &Place<'_, '_>) {
        if place.off >= self.judged_to {
            return;
        }
        self.excuse(place);
        if place.claims.is_empty() {
            return;
        }
        let mut replicas = 0;
        let mut last = None;
        for claim in place.claims {
            let replica = self.stage.copies[claim.copy].replica;
            replicas += u64::from(last.replace(replica) != Some(replica));
        }
        self.compared.rows += replicas;
        self.compared.offsets += u64::from(replicas > 1);
        if let Some(logged) = place.logged
            && self.agrees(place, logged)
        {
            place.claims.iter().for_each(|claim| self.roots.right(logged, claim.copy));
            self.roots.clear(logged);
        } else {
            self.look_closely(place);
        }
    }

    /// Counts what may be absent, once a replica.
    fn excuse(&mut self, place: &Place<'_, '_>) {
        let Some(logged) = place.logged.filter(|_| !place.excused.is_empty()) else { return };
        let replica = |copy: usize| self.stage.copies[copy].replica;
        let by_replica: BTreeMap<usize, Absence> =
            place.excused.iter().map(|it| (replica(it.copy), it.reason)).collect();
        for (replica, reason) in by_replica {
            *self.compared.excused.entry(reason).or_default() += 1;
            self.roots.pass(logged, replica);
        }
    }

    /// The plain case, at the cost of one comparison a row: all rows are there, equal, and as folded.
    fn agrees(&self, place: &Place<'_, '_>, logged: Logged<'_>) -> bool {
        let Some(first) = place.row(place.claims[0]) else {
            return false;
        };
        self.fault(logged, first.row).is_none()
            && place.claims[1..].iter().all(|claim| {
                place.row(*claim).is_some_and(|brought| {
                    let (row, first_row) = (brought.row, first.row);
                    brought.content == first.content
                        || row.cols == first_row.cols
                            && row.op == first_row.op
                            && row.cmp == first_row.cmp
                            && row.key == first_row.key
                })
            })
    }

    fn look_closely(&mut self, place: &Place<'_, '_>) {
        let columns = &self.history.facts.schema.columns;
        let groups = classes(place.claims, |a, b| place.same(columns, *a, *b));
        let mut views: Vec<View> = place.claims.iter().map(|claim| self.view(place, *claim)).collect();
        views.iter_mut().zip(&groups).for_each(|(view, group)| view.group = *group);
        let modelled = views.iter().any(|view| view.wrong.is_some());
        let apart = groups.iter().any(|group| *group != groups[0]);
        if !modelled && apart {
            let differing = differing_columns(columns, place);
            mark_odd(&mut views, &differing);
        }
        if let Some(logged) = place.logged {
            let right = views.iter().zip(place.claims).filter(|(view, _)| view.wrong.is_none());
            right.for_each(|(_, claim)| self.roots.right(logged, claim.copy));
        }
        if !modelled && !apart {
            place.logged.into_iter().for_each(|logged| self.roots.clear(logged));
            return;
        }
        if modelled && !apart && !self.calibration.is_proven && views[0].what() == Some(What::WrongValue) {
            let unproven = &mut self.compared.unproven;
            *unproven =
                unproven.take().or_else(|| disagreements(columns, place).next().map(|(_, text)| text));
            return;
        }
        self.roots.trace(place, &mut views, modelled);
        self.keep(place, views, modelled);
    }

    fn keep(&mut self, place: &Place<'_, '_>, views: Vec<View>, modelled: bool) {
        let shown = place.claims.iter().find_map(|claim| place.row(*claim)).map(|brought| brought.row);
        let (key, op) = match (place.logged, shown) {
            (Some(logged), _) => (logged.entry.key.clone(), Some(logged.entry.op)),
            (None, Some(row)) => (row.key.clone(), None),
            (None, None) => return,
        };
        let expected = place.logged.filter(|_| modelled).map(|logged| {
            let columns = logged.expected.unwrap_or_default().to_vec();
            Expected::Row(logged.entry.op, logged.entry.cmp, columns)
        });
        let segment = self.stage.copies[place.claims[0].copy].segment;
        let mut deviation = Deviation {
            off: place.off,
            key,
            segment: Some(segment),
            op,
            modelled,
            expected,
            views,
            scenes: Vec::new(),
        };
        for (capture, shown) in self.stage.changes(segment) {
            let seen = shown.iter().flatten().filter(|shown| place.off < shown.end);
            let views = seen.filter_map(|s| place.claims.iter().position(|claim| claim.copy == s.copy));
            deviation.show(*capture, views.collect());
        }
        if self.compared.deviations.len() >= WITH_CONTENT_MAX {
            deviation.forget_content();
        }
        self.compared.deviations.push(deviation);
    }

    fn view(&self, place: &Place<'_, '_>, claim: Claim) -> View {
        let copy = &self.stage.copies[claim.copy];
        let brought = place.row(claim);
        let fault = match (place.logged, brought) {
            (Some(logged), Some(brought)) => self.fault(logged, brought.row),
            (Some(_), None) => Some(Fault::of(What::Missing)),
            (None, Some(_)) => Some(Fault::of(What::Extra)),
            (None, None) => None,
        };
        View {
            replica: copy.replica,
            state: Some(copy.state),
            read: brought.map(|brought| brought.read),
            group: 0,
            wrong: fault.map(Fault::into_wrong),
            content: brought.map(|brought| Content::Row(brought.row.clone())),
        }
    }

    /// What is wrong with a row, by the model.
    fn fault(&self, logged: Logged<'_>, row: &Row) -> Option<Fault> {
        let entry = logged.entry;
        if row.op != entry.op || row.cmp != entry.cmp || row.key != entry.key {
            return Some(Fault::of(What::Extra));
        }
        let mut fault = None;
        let columns = &self.history.facts.schema.columns;
        let cells = columns.iter().zip(logged.expected?).zip(&row.cols);
        for (at, ((column, expected), shown)) in cells.enumerate() {
            if self.calibration.model_on[at] && !shows(column, expected, shown) {
                let fault = fault.get_or_insert_with(|| Fault::of(What::WrongValue));
                fault.columns.push(at);
                fault.shows_default |= is_empty(column, shown) && !is_empty(column, expected);
            }
        }
        fault
    }
}

struct Fault {
    what: What,
    columns: Vec<usize>,
    shows_default: bool,
}

impl Fault {
    fn of(what: What) -> Fault {
        Fault { what, columns: Vec::new(), shows_default: false }
    }

    /// Origin and cause are filled in by [`Roots::trace`]: until then it counts as downloaded from nowhere.
    fn into_wrong(self) -> Wrong {
        Wrong {
            what: self.what,
            origin: Origin::Copied,
            cause: Cause { class: RootCause::NoProvenance, roots: BTreeSet::new() },
            lost: None,
            columns: self.columns,
            shows_default: self.shows_default,
            stale: Vec::new(),
        }
    }
}

fn differing_columns(columns: &[Column], place: &Place<'_, '_>) -> Vec<usize> {
    let rows: Vec<&[Value]> = place
        .claims
        .iter()
        .filter_map(|claim| place.row(*claim))
        .map(|brought| brought.row.cols.as_slice())
        .collect();
    let differs = |at: usize| rows.iter().any(|row| !shows(&columns[at], &rows[0][at], &row[at]));
    (0..columns.len()).filter(|&at| differs(at)).collect()
}

/// Without a model those outside the largest group differ; all do where no group is the largest.
fn mark_odd(views: &mut [View], differing: &[usize]) {
    let numbers: Vec<usize> = views.iter().map(|view| view.group).collect();
    let largest = sizes(&numbers).into_iter().max().unwrap_or(0);
    let size = |group: usize| numbers.iter().filter(|number| **number == group).count();
    let is_tied = sizes(&numbers).iter().filter(|size| **size == largest).count() > 1;
    for view in views.iter_mut().filter(|view| is_tied || size(view.group) < largest) {
        let fault = Fault { what: What::Differs, columns: differing.to_vec(), shows_default: false };
        view.wrong = Some(fault.into_wrong());
    }
}
