//! Raw rows, compared with each other and with the fold of the log.
//!
//! Two oracles judge every offset, and neither hides what the other finds: the model judges the cells for
//! which it can be trusted, and peers ([`super::peer_vote`]) compare the others.

use super::absence::AllowedAbsences;
use super::calibration::{Calibration, disagreements};
use super::lineage::{Lineage, OracleViews, join_causes};
use super::merge_functions::is_empty;
use super::mismatch::{Content, ContentKept, Expected, Mismatch, ReplicaView, ViewAnomaly};
use super::missing_ops::MissingOpsFinder;
use super::offset_view::{Claim, ExpectedRow, OffsetView, SharedRows};
use super::peer_vote::{PeerVote, view};
use super::scan::scan;
use super::undecided::UndecidedOps;
use crate::checker::tables::copies::{CapturePoint, CopyTimeline};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::{Effect, LogIndex};
use crate::checker::verdict::pattern::classes;
use crate::checker::verdict::{Anomaly, Origin};
use crate::history::row::{CopyState, Row};
use crate::history::run_record::RunRecord;
use crate::history::schema::Column;
use crate::history::schema::rules::Absence;
use std::collections::{BTreeMap, BTreeSet};

/// The result of comparing one partition's rows.
#[derive(Default)]
pub(crate) struct RowsCompared {
    /// Offsets at which at least two replicas were compared.
    pub(crate) offsets: u64,
    /// (replica x offset) pairs compared.
    pub(crate) rows: u64,
    /// (replica x offset) pairs not compared, since the row may be absent, by reason.
    pub(crate) excused: BTreeMap<Absence, u64>,
    pub(crate) mismatches: Vec<Mismatch>,
    /// By cell: the first row in which all replicas agree against a model that no calibration confirms.
    pub(crate) unproven: BTreeMap<usize, String>,
    /// How many rows each read returned, by id.
    pub(crate) rows_by_read: BTreeMap<u64, u64>,
}

/// Compares the rows of a partition below `judged_to`.
pub(crate) fn compare(
    record: &dyn RunRecord,
    history: &History<'_>,
    log_index: &LogIndex,
    timeline: &CopyTimeline,
    absences: &AllowedAbsences<'_>,
    calibration: &Calibration,
    judged_to: u64,
) -> RowsCompared {
    let schema = &history.meta.schema;
    let segments = history.segments[log_index.partition as usize].len();
    let missing = MissingOpsFinder::new(schema, &calibration.model_on, timeline.lives, segments);
    let undecided = UndecidedOps { history, timeline, rows: absences.undecided() };
    let mut inspector = Inspector {
        undecided,
        newest_only: schema.rules.keeps_newest_only(),
        columns: &schema.columns,
        timeline,
        calibration,
        judged_to,
        lineage: Lineage::new(&schema.columns, &calibration.model_on, log_index, timeline, missing, history),
        content_kept: ContentKept::default(),
        compared: RowsCompared::default(),
    };
    let visit = &mut |offset: &OffsetView<'_, '_>| inspector.inspect(offset);
    let rows_by_read = scan(record, history, log_index, timeline, absences, u64::MAX, visit);
    RowsCompared { rows_by_read, ..inspector.compared }
}

struct Inspector<'j> {
    undecided: UndecidedOps<'j>,
    newest_only: bool,
    columns: &'j [Column],
    timeline: &'j CopyTimeline,
    calibration: &'j Calibration,
    judged_to: u64,
    lineage: Lineage<'j>,
    content_kept: ContentKept,
    compared: RowsCompared,
}

impl Inspector<'_> {
    fn inspect(&mut self, offset: &OffsetView<'_, '_>) {
        if offset.off >= self.judged_to {
            return;
        }
        self.excuse(offset);
        if offset.logged.is_some_and(|logged| logged.indexed.effect == Effect::Undecided)
            && let Some(differing) = self.undecided.disagreement(offset)
        {
            self.keep(offset, differing);
        }
        if offset.claims.is_empty() {
            return;
        }
        let mut replicas = 0;
        let mut last = None;
        for claim in offset.claims {
            let replica = self.timeline.copies[claim.copy].replica;
            replicas += u64::from(last.replace(replica) != Some(replica));
        }
        self.compared.rows += replicas;
        self.compared.offsets += u64::from(replicas > 1);
        if let Some(logged) = offset.logged
            && self.agrees(offset, logged)
        {
            self.lineage.clear_copies(logged, offset.claims.iter().map(|claim| claim.copy));
            self.lineage.clear_key(logged);
        } else {
            self.compare_closely(offset);
        }
    }

    /// Counts what may be absent, once per replica.
    fn excuse(&mut self, offset: &OffsetView<'_, '_>) {
        let Some(logged) = offset.logged.filter(|_| !offset.excused.is_empty()) else { return };
        let replica = |copy: usize| self.timeline.copies[copy].replica;
        let by_replica: BTreeMap<usize, Absence> =
            offset.excused.iter().map(|it| (replica(it.copy), it.reason)).collect();
        for (replica, reason) in by_replica {
            *self.compared.excused.entry(reason).or_default() += 1;
            if !offset.claims.iter().any(|claim| self.timeline.copies[claim.copy].replica == replica) {
                self.lineage.pass(logged, replica);
            }
        }
    }

    /// The plain case, at the cost of one comparison per row: all rows are there, once, equal, and as folded.
    fn agrees(&self, offset: &OffsetView<'_, '_>, logged: ExpectedRow<'_>) -> bool {
        let Some(first) = offset.row(offset.claims[0]) else { return false };
        self.defect(logged, first.row, &self.calibration.model_on).is_none()
            && offset.claims.iter().all(|claim| {
                offset.row(*claim).filter(|_| !claim.is_double).is_some_and(|read_row| {
                    let (row, first_row) = (read_row.row, first.row);
                    read_row.content == first.content
                        || row.cols == first_row.cols
                            && row.op == first_row.op
                            && row.cmp == first_row.cmp
                            && row.key == first_row.key
                })
            })
    }

    fn compare_closely(&mut self, offset: &OffsetView<'_, '_>) {
        let trusted = self.trusted(offset);
        self.note_unproven(offset, &trusted);
        let changes = offset.segment.map_or(&[][..], |segment| self.timeline.changes(segment)).iter();
        let scenes: Vec<(CapturePoint, Vec<usize>)> =
            changes.map(|(when, shown)| (*when, offset.seen(*when, shown).collect())).collect();
        let mut by_model = self.by_model(offset, &trusted, &scenes);
        let open = trusted.iter().map(|trusted| !trusted).collect();
        let vote =
            PeerVote { columns: self.columns, timeline: self.timeline, offset, open, by_model: &by_model };
        let mut by_peers = vote.judge();
        if let Some(logged) = offset.logged {
            let wrong: BTreeSet<usize> = by_model.wrong().chain(by_peers.wrong()).collect();
            let right = (0..offset.claims.len()).filter(|claim| !wrong.contains(claim));
            self.lineage.clear_copies(logged, right.map(|claim| offset.claims[claim].copy));
        }
        self.lineage.trace(offset, &mut by_model, &mut by_peers);
        let doubled = self.doubled(offset, &scenes);
        for judged in [by_model, by_peers, doubled] {
            self.keep(offset, judged);
        }
    }

    /// By cell: whether the model judges it here. If no calibration confirms the model, one replica that
    /// shows what the model expects does.
    fn trusted(&self, offset: &OffsetView<'_, '_>) -> Vec<bool> {
        let Calibration { model_on, proven, .. } = self.calibration;
        let mut trusted: Vec<bool> = model_on.iter().zip(proven).map(|(on, proven)| *on && *proven).collect();
        let Some(logged) = offset.logged else { return trusted };
        for read_row in offset.claims.iter().filter_map(|claim| offset.row_of_entry(*claim)) {
            let wrong: BTreeSet<usize> = logged.wrong_cells(self.columns, read_row.row).collect();
            let borne_out = (0..trusted.len()).filter(|cell| model_on[*cell] && !wrong.contains(cell));
            borne_out.for_each(|cell| trusted[cell] = true);
        }
        trusted
    }

    /// Notes cells in which all replicas agree against a model that nothing confirms.
    fn note_unproven(&mut self, offset: &OffsetView<'_, '_>, trusted: &[bool]) {
        for (cell, text) in disagreements(self.columns, offset) {
            let mut among = vec![false; trusted.len()];
            among[cell] = true;
            let mut claims = offset.claims.iter().filter(|claim| offset.row_of_entry(**claim).is_some());
            let first = claims.next();
            let alike = claims
                .all(|claim| first.is_some_and(|first| offset.same(self.columns, &among, *first, *claim)));
            if self.calibration.model_on[cell] && !trusted[cell] && alike {
                self.compared.unproven.entry(cell).or_insert(text);
            }
        }
    }

    fn by_model(
        &self,
        offset: &OffsetView<'_, '_>,
        trusted: &[bool],
        scenes: &[(CapturePoint, Vec<usize>)],
    ) -> OracleViews {
        let groups = classes(offset.claims, |a, b| offset.same(self.columns, trusted, *a, *b));
        let views = offset.claims.iter().zip(groups).map(|(claim, group)| {
            let wrong = self.defect_of(offset, *claim, trusted).map(RowAnomaly::into_defect);
            view(self.timeline, offset, *claim, group, wrong)
        });
        OracleViews {
            modelled: true,
            views: views.collect(),
            of: (0..offset.claims.len()).collect(),
            scenes: scenes.to_vec(),
        }
    }

    /// The copies for which one read returned more than one row here.
    fn doubled(&self, offset: &OffsetView<'_, '_>, scenes: &[(CapturePoint, Vec<usize>)]) -> OracleViews {
        if !offset.claims.iter().any(|claim| claim.is_double) {
            return OracleViews::default();
        }
        let views = offset.claims.iter().map(|claim| {
            let wrong = claim.is_double.then(|| {
                let copy = &self.timeline.copies[claim.copy];
                let mut wrong = RowAnomaly::of(Anomaly::DuplicateRow).into_defect();
                if copy.state != CopyState::Downloaded {
                    (wrong.origin, wrong.cause.roots) = (Origin::Root, BTreeSet::from([copy.replica]));
                }
                wrong
            });
            view(self.timeline, offset, *claim, usize::from(claim.is_double), wrong)
        });
        let mut views: Vec<ReplicaView> = views.collect();
        join_causes(&mut views);
        OracleViews { modelled: true, views, of: (0..offset.claims.len()).collect(), scenes: scenes.to_vec() }
    }

    fn keep(&mut self, offset: &OffsetView<'_, '_>, judged: OracleViews) {
        if judged.wrong().next().is_none() {
            return;
        }
        let shown = offset.claims.iter().find_map(|claim| offset.row(*claim)).map(|read_row| read_row.row);
        let (key, op) = match (offset.logged, shown) {
            (Some(logged), _) => (logged.entry.key.clone(), Some(logged.entry.op)),
            (None, Some(row)) => (row.key.clone(), None),
            (None, None) => return,
        };
        let over = self.over(offset, &judged);
        let mut mismatch = Mismatch {
            off: offset.off,
            key: key.to_string(),
            segment: offset.segment,
            op,
            modelled: judged.modelled,
            expected: None,
            views: judged.views,
            views_by_capture: Vec::new(),
            over,
        };
        judged.scenes.into_iter().for_each(|(when, views)| mismatch.show(when, views));
        if self.content_kept.takes(&mismatch) {
            keep_content(&mut mismatch, offset, &judged.of);
        }
        self.compared.mismatches.push(mismatch);
    }

    /// Where only the newest row is kept: the replicas on which a later write or delete of the key has hidden
    /// what was wrong, so that their newest copies may rightly lack the row.
    fn over(&self, offset: &OffsetView<'_, '_>, judged: &OracleViews) -> BTreeSet<usize> {
        if !self.newest_only {
            return BTreeSet::new();
        }
        let replica = |copy: usize| self.timeline.copies[copy].replica;
        let mut last_wrong: BTreeMap<usize, usize> = BTreeMap::new();
        for copy in judged.wrong().filter_map(|claim| offset.claims.get(claim)).map(|claim| claim.copy) {
            last_wrong.entry(replica(copy)).and_modify(|last| *last = copy.max(*last)).or_insert(copy);
        }
        let hidden = offset.excused.iter().filter(|it| {
            let is_later = last_wrong.get(&replica(it.copy)).is_some_and(|last| *last < it.copy);
            is_later && matches!(it.reason, Absence::Superseded | Absence::Tombstones)
        });
        hidden.map(|it| replica(it.copy)).collect()
    }

    /// What is wrong with what a copy shows, by the model.
    fn defect_of(&self, offset: &OffsetView<'_, '_>, claim: Claim, trusted: &[bool]) -> Option<RowAnomaly> {
        match (offset.logged, offset.row(claim)) {
            (Some(logged), Some(read_row)) => self.defect(logged, read_row.row, trusted),
            (Some(_), None) => Some(RowAnomaly::of(Anomaly::Missing)),
            (None, Some(read_row)) => Some(RowAnomaly::extra(read_row.row)),
            (None, None) => None,
        }
    }

    /// What is wrong with a row, by the model.
    fn defect(&self, logged: ExpectedRow<'_>, row: &Row, trusted: &[bool]) -> Option<RowAnomaly> {
        if !logged.is_of(row) {
            return Some(RowAnomaly::extra(row));
        }
        let columns: Vec<usize> =
            logged.wrong_cells(self.columns, row).filter(|cell| trusted[*cell]).collect();
        let shows_default = |&at: &usize| {
            let both = self.columns.get(at).zip(logged.expected);
            both.is_some_and(|(column, expected)| {
                is_empty(column, &row.cols[at]) && !is_empty(column, &expected[at])
            })
        };
        let shows_default = columns.iter().any(shows_default);
        (!columns.is_empty()).then(|| RowAnomaly {
            columns,
            shows_default,
            ..RowAnomaly::of(Anomaly::WrongValue)
        })
    }
}

/// Keeps what should be shown and what is, given the claim of each view.
fn keep_content(mismatch: &mut Mismatch, offset: &OffsetView<'_, '_>, of: &[usize]) {
    let logged = offset.logged.filter(|_| mismatch.modelled);
    mismatch.expected = logged.map(|logged| {
        let columns = logged.expected.unwrap_or_default().to_vec();
        Expected::Row(logged.entry.op, logged.entry.cmp, columns)
    });
    let mut shared = SharedRows::default();
    for (view, claim) in mismatch.views.iter_mut().zip(of) {
        let read_row = offset.claims.get(*claim).and_then(|claim| offset.row(*claim));
        view.content = read_row.map(|read_row| Content::Row(shared.row(read_row)));
    }
}

struct RowAnomaly {
    what: Anomaly,
    /// The key of a row that the log does not have here.
    key: Option<String>,
    columns: Vec<usize>,
    shows_default: bool,
}

impl RowAnomaly {
    fn of(what: Anomaly) -> RowAnomaly {
        RowAnomaly { what, key: None, columns: Vec::new(), shows_default: false }
    }

    fn extra(row: &Row) -> RowAnomaly {
        RowAnomaly { key: Some(row.key.to_string()), ..RowAnomaly::of(Anomaly::Extra) }
    }

    fn into_defect(self) -> ViewAnomaly {
        let RowAnomaly { what, key, columns, shows_default } = self;
        ViewAnomaly { key, columns, shows_default, ..ViewAnomaly::of(what) }
    }
}
