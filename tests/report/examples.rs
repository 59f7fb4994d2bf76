//! Handmade runs and verdicts for the tests of the reports.

use dissent::report::run_facts::RunFacts;
use dissent_core::checker::verdict::*;
use dissent_core::history::check_name::CheckName;
use dissent_core::history::event::{CaptureReason, Event, Op, OpOutcome, Phase, TimedEvent};
use dissent_core::history::fault::{Condition, Fault, FaultKind, Step, Transition};
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::row::CopyState;
use dissent_core::history::run_record::{Activity, MemoryRecord, RunMeta};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use dissent_core::history::time::Nanos;
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::{Keys, Skew, Workload};
use dissent_core::seed::Seed;
use std::collections::BTreeMap;

pub(crate) fn ms(ms: u64) -> Nanos {
    Nanos(ms * 1_000_000)
}

pub(crate) fn names(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn step(id: &str, transition: Transition, begin: Condition, until: Condition) -> Step {
    Step {
        id: id.to_owned(),
        kind: FaultKind::HoldMessage(transition),
        replica: "server-1".to_owned(),
        role: None,
        partition: Some(0),
        begin,
        until,
    }
}

pub(crate) fn meta() -> RunMeta {
    let column = |name: &str, ty, merge, role| Column { role, ..Column::data(name, ty, merge) };
    let schema = Schema {
        table: "acct".to_owned(),
        key: "id".to_owned(),
        comparison: "ts".to_owned(),
        op: "op".to_owned(),
        columns: vec![
            column("balance", Type::Long, Merge::Increment, Role::Data),
            column("city", Type::String, Merge::Overwrite, Role::Data),
            column("ops", Type::LongList, Merge::Append, Role::Ops),
        ],
        provenance: Provenance::Full,
        guard_keys: 0,
        rules: Rules::default(),
    };
    let roster = names("server-0 server-1 server-2 server-3");
    let reading = RunMeta::of_reading(Activity::Run, "sim-segments", &roster, &schema);
    RunMeta {
        seed: Seed(42),
        target_version: "0.1.0".to_owned(),
        settings: BTreeMap::from([("guard".to_owned(), "startup-latch".to_owned())]),
        simulated: true,
        partitions: 2,
        workload: Workload {
            name: "partial-upsert".to_owned(),
            hunts: "rows merged while an earlier segment was not there".to_owned(),
            partitions: 2,
            comparison: "ts".to_owned(),
            rate_hz: 500,
            load: Nanos(8_000_000_000),
            segment_rows: 1_000,
            provenance: Provenance::Full,
            keys: Keys { live: 200, skew: Skew::Zipf, retire_after_segments: 3, retire_after_updates: 20 },
            ..reading.workload
        },
        nemesis: nemesis(),
        steps: vec![
            step(
                "hold-online",
                Transition::ConsumingToOnline,
                Condition::Boundaries(2),
                Condition::EventsInNext { events: 300, or_after: ms(4_000), of: None },
            ),
            step("hold", Transition::OfflineToConsuming, Condition::At(ms(800)), Condition::OthersCommitted),
        ],
        left_out: names("highest"),
        calibration_ops: 40,
        frozen_floor: ms(3_000),
        trust_checksums: TrustChecksums::None,
        started: "2025-03-04T14:30:00Z".to_owned(),
        ..reading
    }
}

/// What is known of the run besides its metadata.
pub(crate) fn facts() -> RunFacts {
    let [folder, report] = ["results/a-run", "results/a-run/report.html"].map(|path| Some(path.into()));
    RunFacts { name: "a-run".to_owned(), duration: ms(9_200), folder, report }
}

fn nemesis() -> Nemesis {
    Nemesis {
        name: "late-transition".to_owned(),
        hunts: "a segment that is registered after the next one was merged".to_owned(),
        boundaries_after_first_step: Some(1),
        tail: Nanos(500_000_000),
        ending: Default::default(),
        reload: false,
        min_exposure: 20,
        required: Vec::new(),
        steps: Vec::new(),
        swarm: None,
    }
}

/// A run of `ops` ops, 2 ms apart, with two holds and captures.
pub(crate) fn record(ops: u64) -> MemoryRecord {
    let meta = meta();
    let end = 1_200 + ops * 2;
    let fault = |step: &Step| Fault {
        kind: step.kind,
        replica: step.replica.clone(),
        partition: step.partition,
        seq: Some(4),
    };
    let mut events = vec![
        (0, Event::Phase { phase: Phase::SetUp }),
        (200, Event::Phase { phase: Phase::Calibrate }),
        (700, Event::Phase { phase: Phase::Load }),
        (end, Event::Phase { phase: Phase::Heal }),
        (end + 300, Event::Phase { phase: Phase::Quiesce }),
        (end + 1_100, Event::Settled { all: true, waited: ms(800) }),
        (end + 1_101, Event::Phase { phase: Phase::Capture }),
        (end + 1_600, Event::Phase { phase: Phase::Done }),
    ];
    let captures = [
        (600, CaptureReason::Calibration),
        (2_600, CaptureReason::Release),
        (end + 1_102, CaptureReason::Final),
    ];
    for (capture, (t, reason)) in captures.into_iter().enumerate() {
        events.push((t, Event::CaptureBegin { capture: capture as u32, reason }));
    }
    for (step, begin, cured) in [(&meta.steps[1], 1_500, 2_100), (&meta.steps[0], 2_000, 3_300)] {
        let begun = Event::FaultBegin { step: step.id.clone(), fault: fault(step), log_ends: vec![900, 880] };
        events.push((begin, begun));
        events.push((begin + 2, Event::FaultBegun { step: step.id.clone(), error: None }));
        events.push((cured, Event::Cured { step: step.id.clone(), error: None, ended_early: None }));
    }
    for id in 1..=ops {
        let due = 1_000 + id * 2;
        let late = 1 + id * 7 % 11 + if (1_500..2_100).contains(&due) { 40 } else { 0 };
        let op = Op {
            id,
            partition: 0,
            key: format!("k{}", id % 97).into(),
            cmp: id as i64,
            cols: Vec::new(),
            delete: false,
            due: ms(due),
        };
        let outcome = if id % 501 == 0 { OpOutcome::Unknown } else { OpOutcome::Ok };
        events.push((due, Event::Invoke { op }));
        events.push((due + late, Event::Complete { op: id, outcome, off: Some(id) }));
    }
    events.sort_by_key(|(t, _)| *t);
    let events = events.into_iter().map(|(t, event)| TimedEvent { t: ms(t), event }).collect();
    MemoryRecord {
        meta,
        events,
        log: vec![Vec::new(); 2],
        rows: vec![Vec::new(); 2],
        current_rows: vec![Vec::new(); 2],
    }
}

pub(crate) fn row(balance: i64, city: &str, ops: &[i64]) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("balance".to_owned(), Value::Long(balance)),
        ("city".to_owned(), Value::String(city.into())),
        ("ops".to_owned(), Value::Longs(ops.to_vec().into())),
        ("op".to_owned(), Value::Long(1_204)),
        ("cmp".to_owned(), Value::Long(77)),
    ])
}

pub(crate) fn standing(capture: u32, pattern: Pattern, side: Side, wrong: &str) -> CaptureState {
    let comparable = names("server-0 server-1 server-2 server-3");
    CaptureState {
        positions: BTreeMap::new(),
        capture,
        t: ms(2_600 + u64::from(capture) * 1_000),
        pattern,
        side,
        wrong: names(wrong),
        comparable,
        right: Vec::new(),
    }
}

/// The incident: server-1 merged segment 4 without segment 3.
pub(crate) fn divergence() -> Divergence {
    let shown = |replica: &str| {
        let wrong = replica == "server-1";
        ShownRow {
            replica: replica.to_owned(),
            read: Some(17),
            state: Some(if wrong { CopyState::Consuming } else { CopyState::CommittedLocal }),
            row: Some(match wrong {
                true => row(i64::MIN, "Oslo", &[1_204]),
                false => row(310, "Oslo", &[11, 380, 902, 1_204]),
            }),
            wrong,
            stale: Vec::new(),
            current: true,
        }
    };
    let evidence = |key: &str, off| RowEvidence {
        key: key.to_owned(),
        off: Some(off),
        segment: "acct__0__4".to_owned(),
        origin: Origin::Root,
        expected: Some(row(310, "Oslo", &[11, 380, 902, 1_204])),
        shown: names("server-0 server-1 server-2 server-3").iter().map(|name| shown(name)).collect(),
        columns: names("balance ops"),
    };
    let lone = |capture| standing(capture, Pattern::OneDiffers, Side::Minority, "server-1");
    Divergence {
        what: Anomaly::WrongValue,
        root_cause: RootCause::WholeSegment,
        partition: 0,
        flags: false,
        replicas: names("server-1"),
        last: lone(2),
        first: lone(1),
        course: Course::Standing,
        moved_away: Vec::new(),
        keys: (1..=14).map(|n| format!("k{n:02}")).collect(),
        more_keys: 0,
        keys_visible: 12,
        columns: names("balance ops"),
        segments: names("acct__0__4"),
        roots: 14,
        inherited: 31,
        copied: 0,
        since: Some(LogPoint { off: 1_204, t: Some(ms(2_315)) }),
        until: Some(LogPoint { off: 1_733, t: Some(ms(3_090)) }),
        missing: Some(MissingState {
            class: RootCause::WholeSegment,
            segments: names("acct__0__3"),
            ops: 42,
        }),
        shows_defaults: true,
        shows_stale: false,
        may_be_lag: false,
        evidence: vec![evidence("k01", 1_204), evidence("<script>alert(1)</script>", 1_210)],
        explanation: None,
        spread: None,
    }
}

pub(crate) fn finding(kind: FindingKind) -> Finding {
    let fingerprint = match &kind {
        FindingKind::Divergence(d) if d.what == Anomaly::Differs => "differs/whole-segment",
        FindingKind::Divergence(_) => "wrong-value/whole-segment",
        FindingKind::Frozen(it) if it.grade == FreezeVisibility::Latent => "frozen/writer-output/latent",
        FindingKind::Frozen(it) if it.kind == ObjectKind::ShardUpper => "frozen/shard-upper",
        FindingKind::Frozen(_) => "frozen/position",
        FindingKind::Regressed(_) => "regressed/shard-upper",
        FindingKind::Ahead(_) => "ahead/shard-upper",
        FindingKind::LostAck(_) => "lost-ack/log",
    };
    Finding { fingerprint: fingerprint.to_owned(), kind }
}

pub(crate) fn frozen() -> FindingKind {
    FindingKind::Frozen(Box::new(Frozen {
        object: "server-2 partition 1".to_owned(),
        kind: ObjectKind::ConsumingPosition,
        grade: FreezeVisibility::Visible,
        course: FreezeCourse::Sticky,
        replica: Some("server-2".to_owned()),
        pinned_by: Vec::new(),
        partition: Some(1),
        position: 4_000,
        segment: Some("acct__1__4".to_owned()),
        log_end: 5_250,
        upstream_moved: 1_000,
        invisible: Some(1_250),
        unseen: None,
        since: ms(3_000),
        watched: ms(12_500),
        threshold: ms(3_000),
        baseline: false,
        last_move: Some(Move { t: ms(2_900), from: 3_990, to: 4_000 }),
        before: Some(PrecedingEvent::FaultBegin { t: ms(2_800), step: "hold".to_owned() }),
        status_at_freeze: "running".to_owned(),
        status: "running".to_owned(),
        cause: StatusCause::Silent,
        incarnation: 1,
        samples: 61,
        times: 1,
        explanation: None,
        freeze_explanation: None,
        joined: Vec::new(),
    }))
}

/// A shard that stands still because a writer of it does.
pub(crate) fn pinned() -> FindingKind {
    let FindingKind::Frozen(mut it) = frozen() else { return frozen() };
    it.object = "shard".to_owned();
    (it.kind, it.pinned_by) = (ObjectKind::ShardUpper, vec!["writer-b".to_owned()]);
    it.unseen = Some(NotVisible { from: 5_000, entries: 640, keys: 31 });
    it.freeze_explanation = Some(Box::new(explained(WaitsFor::Inputs { objects: it.pinned_by.clone() })));
    let FindingKind::Frozen(writer) = latent() else { return frozen() };
    it.joined = vec![*writer];
    (it.replica, it.partition, it.segment) = (None, None, None);
    FindingKind::Frozen(it)
}

fn explained(waits_for: WaitsFor) -> FreezeExplanation {
    let link = |object: &str, kind, role| ChainLink {
        object: object.to_owned(),
        kind,
        role,
        position: Some(4_000),
        last_seen: Some(ms(2_000)),
        waits_for: vec!["writer-b".to_owned()],
    };
    FreezeExplanation {
        waits_for,
        chain: vec![
            link("<b>writer-b</b>", Some(ObjectKind::WriterOutput), ChainRole::Root),
            link("writer-a", Some(ObjectKind::WriterOutput), ChainRole::Left),
            link("shard", Some(ObjectKind::ShardUpper), ChainRole::Dependant),
            link("shard", None, ChainRole::GoesOn),
        ],
        restart: RestartEffect::NotTried,
        not_logged: vec!["append-lost".to_owned()],
    }
}

fn passed() -> WaitsFor {
    let event = EventPoint {
        node: "<i>service</i>".to_owned(),
        incarnation: 1,
        seq: 7,
        node_ms: 2_950,
        kind: "appended".to_owned(),
        segment: None,
    };
    let logged = || Some(LoggedAt { event: event.clone(), position: 3_999 });
    WaitsFor::PassedValue(Box::new(PassedValue {
        shared: "shard".to_owned(),
        value: 4_000,
        last_equal: Some(SeenAt { t: ms(2_900), position: 3_990 }),
        after: Some(ms(2_850)),
        last_not_beyond: Some(SeenAt { t: ms(2_900), position: 3_990 }),
        first_beyond: SeenAt { t: ms(3_000), position: 4_002 },
        passed_by: Some(PassingAppend {
            event: event.clone(),
            writer: "writer-a".to_owned(),
            incarnation: Some(1),
            from: 3_999,
            to: 4_002,
        }),
        buffered: logged(),
        lost_append: logged(),
        drain: Some(DrainDecision { event: event.clone(), position: 4_002, passed: 3, kept: 3 }),
        confidence: Confidence::Shown,
    }))
}

/// A writer that stands still while another one moves their shard.
pub(crate) fn latent() -> FindingKind {
    let FindingKind::Frozen(mut it) = frozen() else { return frozen() };
    it.object = "writer-b output".to_owned();
    (it.kind, it.grade) = (ObjectKind::WriterOutput, FreezeVisibility::Latent);
    (it.replica, it.partition, it.segment) = (Some("writer-b".to_owned()), None, None);
    it.freeze_explanation = Some(Box::new(explained(passed())));
    FindingKind::Frozen(it)
}

pub(crate) fn regressed() -> FindingKind {
    FindingKind::Regressed(Regressed {
        object: "shard".to_owned(),
        kind: ObjectKind::ShardUpper,
        replica: None,
        from: 4_000,
        to: 3_000,
        after: ms(2_900),
        t: ms(3_000),
        incarnations: (1, 2),
        durable: true,
        before: Some(PrecedingEvent::Incarnation { t: ms(3_000), incarnation: 2 }),
        times: 1,
    })
}

pub(crate) fn ahead() -> FindingKind {
    FindingKind::Ahead(Ahead {
        object: "shard".to_owned(),
        kind: ObjectKind::ShardUpper,
        replica: None,
        position: 4_000,
        upper: 3_000,
        input: None,
        t: ms(3_000),
        incarnation: 1,
        samples: 5,
    })
}

pub(crate) fn verdict(outcome: VerdictOutcome, findings: Vec<FindingKind>, doubts: &[DoubtKind]) -> Verdict {
    let check = |name, status, compared, unit: &str| CheckResult {
        name,
        status,
        compared,
        unit: unit.to_owned(),
        reason: (status == Status::Unknown).then(|| "no key was carried".to_owned()),
    };
    let mut group = if findings.is_empty() { Status::Pass } else { Status::Fail };
    if outcome == VerdictOutcome::Inconclusive {
        group = Status::Unknown;
    }
    Verdict {
        comparison: None,
        version: VERSION,
        outcome,
        checks: vec![
            check(CheckName::Calibration, Status::Pass, 160, "rows"),
            check(CheckName::Log, Status::Pass, 4_000, "ops"),
            check(CheckName::Group, group, 12_345, "rows"),
            check(CheckName::Progress, Status::NotApplicable, 0, "samples"),
        ],
        findings: findings.into_iter().map(finding).collect(),
        doubts: doubts.iter().map(|kind| Doubt { kind: *kind, detail: "0 of 20 keys".to_owned() }).collect(),
        compared: Compared {
            entries: 4_040,
            keys: 390,
            offsets: 4_011,
            rows: 12_345,
            flags: 1_560,
            replicas: names("server-0 server-1 server-2 server-3"),
            segments: 36,
            captures: 3,
            not_loaded: BTreeMap::from([("server-1".to_owned(), 7)]),
            ..Compared::default()
        },
        exposure: vec![Exposure { what: "keys-carried-under-hold".to_owned(), count: 118, demanded: 20 }],
        progress: Progress { states: BTreeMap::from([(FrontierState::Idle, 8)]), ..Progress::default() },
        known: None,
    }
}

pub(crate) fn diverged(change: impl FnOnce(&mut Divergence)) -> Verdict {
    let mut d = divergence();
    change(&mut d);
    verdict(VerdictOutcome::Fail, vec![FindingKind::Divergence(Box::new(d))], &[])
}

/// A finding that a list of known issues covers.
pub(crate) fn known() -> Verdict {
    let text = str::to_owned;
    let known = KnownIssueRef {
        fingerprint: text("wrong-value/whole-segment"),
        reason: text("being fixed"),
        owner: text("me"),
        link: text("TRACKER-7"),
        until: text("2027-01-31"),
        expired: false,
    };
    let known = Some(KnownFindings { findings: vec![Some(known)], unmet: Vec::new() });
    Verdict { outcome: VerdictOutcome::Pass, known, ..diverged(|_| {}) }
}

pub(crate) fn majority() -> Verdict {
    diverged(|d| {
        d.course = Course::Spreading;
        d.last = standing(2, Pattern::OneDiffers, Side::Majority, "server-0 server-1 server-2");
    })
}

pub(crate) fn spread() -> Verdict {
    diverged(|d| {
        d.course = Course::Spread;
        d.last = standing(2, Pattern::Unanimous, Side::All, "server-0 server-1 server-2 server-3");
    })
}

pub(crate) fn unmodelled() -> Verdict {
    diverged(|d| {
        d.what = Anomaly::Differs;
        d.root_cause = RootCause::NoProvenance;
        d.missing = None;
        d.first.side = Side::Unknown;
        d.last.side = Side::Unknown;
        d.evidence.iter_mut().for_each(|row| row.expected = None);
    })
}
