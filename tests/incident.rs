//! Goal: from what people had of a real incident, the rows of a key and the servers' logs, dissent comes to
//! the verdict and the break that they came to. Method: `incident/README.md`.

use dissent::run::imports::imports;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{
    Divergence, Edge, FindingKind, GuardState, OrderingBreak, Pattern, ShownCause, Verdict, VerdictOutcome,
};
use dissent_core::history::event::{CaptureReason, Event, Op, OpOutcome, Phase, TimedEvent};
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::row::{
    Base, CopyState, Cover, CurrentRead, CurrentRow, Entry, Observed, Read, ReadValidity, Row, Segment,
};
use dissent_core::history::run_record::{Activity, FORMAT, MemoryRecord, RunMeta, WithImports};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use dissent_core::history::time::Nanos;
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use dissent_store::dump::write_record;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const TABLE: &str = include_str!("incident/table.txt");
const SERVERS: [&str; 4] = ["server-0", "server-1", "server-2", "server-3"];
const KEY: &str = "the key";

/// The value of a long that was never merged.
const NEVER_MERGED: i64 = i64::MIN;

/// The segments with their offsets; the last one is open.
const SEGMENTS: [(&str, u64, u64); 3] = [
    ("EVENTS__0__40__SEG_M", 0, 12_000),
    ("EVENTS__0__41__SEG_M1", 12_000, 60_000),
    ("EVENTS__0__42__SEG_P", 60_000, 60_100),
];

/// The offsets of the key's entries.
const OFFSETS: [u64; 4] = [5_000, 13_000, 14_000, 60_010];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incident").join(name)
}

/// The rows of the table, oldest first: segment, comparison value, merged value.
fn table() -> Vec<(&'static str, i64, i64)> {
    let row = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[1], words[2].parse().expect("a number"), words[3].parse().expect("a number"))
    };
    let mut rows: Vec<_> = TABLE.lines().skip(1).map(row).collect();
    rows.reverse();
    rows
}

fn column(name: &str, ty: Type, merge: Merge, role: Role) -> Column {
    Column { role, ..Column::data(name, ty, merge) }
}

fn meta() -> RunMeta {
    let workload: Workload = toml(include_str!("../workloads/steady.toml"));
    let nemesis: Nemesis = toml(include_str!("../nemesis/none.toml"));
    RunMeta {
        format: FORMAT,
        activity: Activity::Run,
        seed: Seed(0),
        target: "pinot".to_owned(),
        target_file: None,
        target_version: "1.4.0".to_owned(),
        settings: BTreeMap::new(),
        command: Vec::new(),
        simulated: false,
        roster: SERVERS.map(str::to_owned).to_vec(),
        partitions: 1,
        workload,
        nemesis,
        steps: Vec::new(),
        schema: Schema {
            table: "EVENTS".to_owned(),
            key: "primaryKey".to_owned(),
            comparison: "recordTimestamp".to_owned(),
            op: "op".to_owned(),
            columns: vec![
                column("mergedTimestamp", Type::Long, Merge::Overwrite, Role::Data),
                column("ops", Type::LongList, Merge::Append, Role::Ops),
            ],
            provenance: Provenance::Full,
            guard_keys: 0,
            rules: Rules::default(),
        },
        left_out: Vec::new(),
        calibration_ops: 0,
        frozen_floor: Nanos(30_000_000_000),
        trust_checksums: TrustChecksums::None,
        frontiers: Vec::new(),
        started: "2026-02-26T02:00:00Z".to_owned(),
    }
}

fn toml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).expect("a file of the catalogue")
}

/// The log: an event whose row shows a merged value that no earlier one does has set it.
fn log() -> Vec<Entry> {
    let entries = (1..).zip(OFFSETS).zip(table()).map(|((op, off), (_, cmp, merged))| {
        let merged = if merged == NEVER_MERGED { Value::Null } else { Value::Long(merged) };
        let cols = vec![merged, Value::Longs([op].into())];
        Entry { off, key: KEY.into(), op: op.cast_unsigned(), cmp, tombstone: false, cols }
    });
    entries.collect()
}

/// The rows of a server. Those of server-1 are the table's; the others' are what they should be.
fn rows(server: &str) -> Vec<Row> {
    let (mut last, mut ops) = (NEVER_MERGED, Vec::new());
    let rows = log().into_iter().zip(table()).map(|(entry, (segment, _, shown))| {
        if let Value::Long(merged) = entry.cols[0] {
            last = merged;
        }
        ops.push(entry.op.cast_signed());
        let is_wrong = server == "server-1" && !segment.ends_with("SEG_M");
        let merged = if is_wrong { shown } else { last };
        let ops = ops[usize::from(is_wrong)..].to_vec();
        let cols = vec![Value::Long(merged), Value::Longs(ops.into())];
        Row { off: entry.off, key: entry.key, op: entry.op, cmp: entry.cmp, cols, doc: 0 }
    });
    rows.collect()
}

fn cover(server: &str, at: usize) -> Cover {
    let (segment, start, end) = SEGMENTS[at];
    let state = match at {
        0 if server == "server-1" => CopyState::Downloaded,
        2 => CopyState::Consuming,
        _ => CopyState::CommittedLocal,
    };
    Cover {
        segment: segment.to_owned(),
        partition: 0,
        seq: 40 + at as u32,
        start,
        end,
        state,
        registered: Observed::Unobservable,
        copy: at as u64 + 1,
        rows: rows(server).iter().filter(|row| start <= row.off && row.off < end).count() as u64,
        position: None,
        checksum: None,
    }
}

/// The record of a run that found the table so.
fn record() -> MemoryRecord {
    let log = log();
    let mut record = MemoryRecord {
        meta: meta(),
        events: Vec::new(),
        log: vec![log.clone()],
        rows: vec![Vec::new()],
        current_rows: vec![Vec::new()],
    };
    let mut push = |event| {
        let t = Nanos(record.events.len() as u64 * 1_000_000_000);
        record.events.push(TimedEvent { t, event });
    };
    push(Event::Phase { phase: Phase::Load });
    for (at, (name, start, end)) in SEGMENTS.into_iter().enumerate() {
        let (end, replicas) = ((at < 2).then_some(end), SERVERS.map(str::to_owned).to_vec());
        let (name, seq, crc) = (name.to_owned(), 40 + at as u32, end);
        push(Event::Segment { segment: Segment { name, partition: 0, seq, start, end, crc, replicas } });
    }
    for Entry { off, key, op, cmp, cols, .. } in log {
        let sent = Op { id: op, partition: 0, key, cmp, cols, delete: false, due: Nanos(0) };
        push(Event::Invoke { op: sent });
        push(Event::Complete { op, outcome: OpOutcome::Ok, off: Some(off) });
    }
    push(Event::Phase { phase: Phase::Capture });
    push(Event::CaptureBegin { capture: 0, reason: CaptureReason::Final });
    let mut id = 0;
    for server in SERVERS {
        let covers: Vec<Cover> = (0..SEGMENTS.len()).map(|at| cover(server, at)).collect();
        for before in &covers {
            id += 1;
            let shown =
                rows(server).into_iter().filter(|row| before.start <= row.off && row.off < before.end);
            record.rows[0].extend(shown.map(|row| (id, Arc::new(row))));
            let read = Read {
                id,
                capture: 0,
                replica: server.to_owned(),
                incarnation: 1,
                before: before.clone(),
                end_after: before.end,
                position_after: None,
                rows_of: None,
                from: before.start,
                rows: before.rows,
                base: Base::Nothing,
                soundness: ReadValidity::Sound,
            };
            push(Event::from(read));
        }
        id += 1;
        record.current_rows[0].push((id, CurrentRow { key: KEY.into(), offs: vec![OFFSETS[3]] }));
        push(Event::from(CurrentRead {
            id,
            capture: 0,
            replica: server.to_owned(),
            partition: 0,
            incarnation: 1,
            before: covers.clone(),
            after: covers,
            keys: 1,
            base: Base::Nothing,
            soundness: ReadValidity::Sound,
        }));
    }
    push(Event::CaptureEnd { capture: 0 });
    push(Event::Phase { phase: Phase::Done });
    record.rows[0].sort_by_key(|(read, row)| (row.off, *read));
    record
}

/// The verdict on the record with these logs.
fn verdict(logs: Option<&Path>) -> Verdict {
    let record = record();
    let imports = imports(&record.meta, None, logs, None).expect("logs");
    judge(&WithImports { record: &record, imported: imports.records })
}

fn divergence(verdict: &Verdict) -> &Divergence {
    match &verdict.findings[0].kind {
        FindingKind::Divergence(found) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rows_alone_tell_who_is_wrong_and_what_it_had_not_seen() {
    let verdict = verdict(None);
    assert_eq!((verdict.outcome, verdict.findings.len()), (VerdictOutcome::Fail, 1), "{verdict:#?}");
    let found = divergence(&verdict);
    assert_eq!((found.last.pattern, &found.last.wrong), (Pattern::OneDiffers, &vec!["server-1".to_owned()]));
    // What SEG_P lacks too is an op: its row was merged onto one of SEG_M1.
    assert_eq!(found.segments, ["EVENTS__0__41__SEG_M1", "EVENTS__0__42__SEG_P"]);
    assert_eq!((found.roots, found.offsets().expect("a log").0), (1, OFFSETS[1]));
    let missing = found.missing.as_ref().expect("it is known");
    assert_eq!(missing.segments, ["EVENTS__0__40__SEG_M"]);
    assert!(verdict.findings[0].fingerprint.contains("whole-segment"), "{}", verdict.findings[0].fingerprint);
    assert!(found.columns.contains(&"mergedTimestamp".to_owned()) && found.shows_defaults, "{found:?}");
    let explained = found.explanation.as_ref().expect("there are roots");
    assert!(matches!(explained.cause, ShownCause::NotShown { .. }), "{explained:?}");
    assert_eq!(explained.guard.state, GuardState::NotLogged);
}

fn broken(verdict: &Verdict) -> &OrderingBreak {
    match &divergence(verdict).explanation.as_ref().expect("there are roots").cause {
        ShownCause::OrderingBreak(found) => found,
        other => panic!("{other:?}"),
    }
}

/// The times are those that people noted: T+55:45, T+55:47, T+56:50, T+83:42.
#[test]
fn the_logs_tell_the_break_what_led_to_it_and_the_latch_that_let_it_happen() {
    let verdict = verdict(Some(&folder("logs")));
    let found = broken(&verdict);
    assert_eq!(found.dependencies, ["EVENTS__0__40__SEG_M"]);
    assert_eq!((found.replica.as_str(), found.dependent.as_str()), ("server-1", "EVENTS__0__41__SEG_M1"));
    assert!(found.prediction.is_exact(), "{:?}", found.prediction);
    assert_eq!(found.witnesses, ["server-0", "server-2", "server-3"], "{:?}", found.no_witnesses);
    let minute = 60_000;
    assert_eq!(found.late_by_ms.map(|late| late / minute), Some(27), "27 minutes");
    let setup = found.setup.as_ref().expect("what led to it");
    assert_eq!((setup.transition.as_str(), setup.edge), ("offline-to-consuming", Edge::CreatedToStarted));
    assert_eq!((setup.took_ms + 500) / 1_000, 55 * 60 + 45, "it lay in the queue for 55:45");
    assert!(setup.outcome.as_ref().expect("skipped").starts_with("skipped"), "{:?}", setup.outcome);
    let peers = |count: u64| ["server-0", "server-2", "server-3"].map(|it| (it.to_owned(), count)).into();
    let snapshot = setup.snapshot.as_ref().expect("counts");
    assert_eq!((snapshot.here, &snapshot.peers), (40, &peers(41)), "N - 1 against N");
    let catch_up = setup.catch_up.as_ref().expect("counts");
    assert_eq!((catch_up.here, &catch_up.peers), (32_000, &peers(7_000)));
    let guard = &divergence(&verdict).explanation.as_ref().expect("explained").guard;
    let day_1_at_8_41 = 1_770_367_260_000;
    assert_eq!((guard.state, guard.evaluated_ms), (GuardState::NotEvaluated, Some(day_1_at_8_41)));
}

#[test]
fn the_controller_s_log_tells_whose_copy_won_although_all_had_read_as_far() {
    let verdict = verdict(Some(&folder("logs")));
    let spread = divergence(&verdict).spread.as_ref().expect("spread");
    let commit = spread.commits.iter().find(|it| it.segment.ends_with("SEG_M1")).expect("its commit");
    assert_eq!((commit.winner.as_deref(), commit.offset), (Some("server-1"), Some(60_000)));
    assert_eq!(commit.at_equal_offset, SERVERS);
}

/// The example of `src/core/history/EVENTS.md`: the same as JSON lines, of the two servers that matter.
#[test]
fn the_documented_example_of_events_comes_to_the_same_break() {
    let (record, text) = (record(), include_str!("../src/core/history/EVENTS.md"));
    let example = text.split("```json\n").nth(1).and_then(|it| it.split("```").next()).expect("an example");
    let temp = tempfile::tempdir().expect("a folder");
    let events = temp.path().join("events.jsonl");
    std::fs::write(&events, example).expect("written");
    let imports = imports(&record.meta, Some(&events), None, None).expect("events");
    let verdict = judge(&WithImports { record: &record, imported: imports.records });
    let found = broken(&verdict);
    assert_eq!((found.replica.as_str(), &found.witnesses[..]), ("server-1", &["server-0".to_owned()][..]));
    assert!(found.prediction.is_exact() && found.setup.is_some(), "{found:?}");
    // A node comes from one source.
    let error = both(&record, &events).to_string();
    assert!(error.contains("is in the events and among the logs"), "{error}");
}

fn both(record: &MemoryRecord, events: &Path) -> dissent::run::imports::ImportError {
    imports(&record.meta, Some(events), Some(&folder("logs")), None).expect_err("refused")
}

#[test]
fn check_takes_logs_and_says_what_it_cannot_read() {
    let temp = tempfile::tempdir().expect("a folder");
    let (run, logs) = (temp.path().join("run"), temp.path().join("logs"));
    write_record(&run, &record()).expect("a run folder");
    let check = |words: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
        command.env("NO_COLOR", "1").arg("check").arg(&run);
        let output = command.args(words).output().expect("the program starts");
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).expect("text"))
    };
    let (code, told) = check(&["--logs".as_ref(), &folder("logs")]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAIL one-differs server-1"), "{told}");
    std::fs::create_dir(&logs).expect("a folder");
    std::fs::write(logs.join("kafka.log"), "").expect("a log");
    let (code, told) = check(&["--logs".as_ref(), &logs]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("holds no log of a node") && told.contains("server-1.log"), "{told}");
    std::fs::copy(folder("logs/server-1.log"), logs.join("server-1.log")).expect("a log");
    let (code, told) = check(&["--logs".as_ref(), &logs]);
    assert!(code == Some(1) && told.contains("kafka.log") && told.contains("not read"), "{told}");
    let (code, told) = check(&["--events".as_ref(), &logs.join("server-1.log")]);
    assert!(code == Some(2) && told.contains("server-1.log, line 1: "), "{told}");
}
