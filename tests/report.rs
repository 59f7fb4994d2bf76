//! Reports of hand-made verdicts: the words that matter, the schema, and a page that stays small and inert.

use dissent::check::verdict::*;
use dissent::config::nemesis::Nemesis;
use dissent::config::workload::{Keys, Skew, Workload};
use dissent::plan::schedule::{Condition, Fault, FaultKind, Step, Transition};
use dissent::record::event::{CaptureReason, Event, Op, Outcome as OpOutcome, Phase, Stamped};
use dissent::record::evidence::{Evidence, FORMAT, Facts};
use dissent::record::row::{CopyState, Nanos};
use dissent::report::table::{ArmRow, arms};
use dissent::report::terminal::{Style, last_line, summary};
use dissent::report::{html, json};
use dissent::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use dissent::seed::Seed;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PLAIN: Style = Style { colour: false };

fn ms(ms: u64) -> Nanos {
    Nanos(ms * 1_000_000)
}

fn names(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn facts() -> Facts {
    let column = |name: &str, ty, merge, role| Column {
        name: name.to_owned(),
        ty,
        merge,
        optional: false,
        role,
    };
    let step = |id: &str, transition, begin, until| Step {
        id: id.to_owned(),
        kind: FaultKind::HoldMessage(transition),
        replica: "server-1".to_owned(),
        partition: Some(0),
        begin,
        until,
    };
    Facts {
        format: FORMAT,
        seed: Seed(42),
        target: "sim-segments".to_owned(),
        target_version: "0.1.0".to_owned(),
        settings: BTreeMap::from([("guard".to_owned(), "startup-latch".to_owned())]),
        simulated: true,
        roster: names("server-0 server-1 server-2 server-3"),
        partitions: 2,
        workload: Workload {
            name: "partial-upsert".to_owned(),
            hunts: "rows merged while an earlier segment was not there".to_owned(),
            partitions: 2,
            comparison: "ts".to_owned(),
            rate_hz: 500,
            load_ms: 8_000,
            segment_rows: 1_000,
            provenance: Provenance::Full,
            keys: Keys {
                live: 200,
                skew: Skew::Zipf,
                retire_after_segments: 3,
                retire_after_updates: 20,
            },
            columns: Vec::new(),
        },
        nemesis: Nemesis {
            name: "late-transition".to_owned(),
            hunts: "a segment that is registered after the next one was merged".to_owned(),
            boundaries_after_first_step: Some(1),
            tail_ms: 500,
            ending: Default::default(),
            min_exposure: 20,
            required: Vec::new(),
            steps: Vec::new(),
        },
        steps: vec![
            step(
                "hold-online",
                Transition::ConsumingToOnline,
                Condition::Boundaries(2),
                Condition::EventsInNext {
                    events: 300,
                    or_after: ms(4_000),
                },
            ),
            step(
                "hold",
                Transition::OfflineToConsuming,
                Condition::At(ms(800)),
                Condition::OthersCommitted,
            ),
        ],
        schema: Schema {
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
        },
        left_out: names("highest"),
        calibration_ops: 40,
        frozen_floor: ms(3_000),
        started: "2025-03-04T14:30:00Z".to_owned(),
    }
}

/// A run of `ops` ops, 2 ms apart, with two holds and captures.
fn evidence(ops: u64) -> Evidence {
    let facts = facts();
    let end = 1_200 + ops * 2;
    let fault = |step: &Step| Fault {
        kind: step.kind,
        replica: step.replica.clone(),
        partition: step.partition,
        seq: Some(4),
    };
    let mut events = vec![
        (
            0,
            Event::Phase {
                phase: Phase::SetUp,
            },
        ),
        (
            200,
            Event::Phase {
                phase: Phase::Calibrate,
            },
        ),
        (700, Event::Phase { phase: Phase::Load }),
        (end, Event::Phase { phase: Phase::Heal }),
        (
            end + 300,
            Event::Phase {
                phase: Phase::Quiesce,
            },
        ),
        (
            end + 1_100,
            Event::Settled {
                all: true,
                waited: ms(800),
            },
        ),
        (
            end + 1_101,
            Event::Phase {
                phase: Phase::Capture,
            },
        ),
        (end + 1_600, Event::Phase { phase: Phase::Done }),
    ];
    let captures = [
        (600, CaptureReason::Calibration),
        (2_600, CaptureReason::Release),
        (end + 1_102, CaptureReason::Final),
    ];
    for (capture, (t, reason)) in captures.into_iter().enumerate() {
        events.push((
            t,
            Event::CaptureBegin {
                capture: capture as u32,
                reason,
            },
        ));
    }
    for (step, begin, cured) in [
        (&facts.steps[1], 1_500, 2_100),
        (&facts.steps[0], 2_000, 3_300),
    ] {
        let begun = Event::FaultBegin {
            step: step.id.clone(),
            fault: fault(step),
            log_ends: vec![900, 880],
        };
        events.push((begin, begun));
        events.push((
            begin + 2,
            Event::FaultBegun {
                step: step.id.clone(),
                error: None,
            },
        ));
        events.push((
            cured,
            Event::Cured {
                step: step.id.clone(),
                error: None,
            },
        ));
    }
    for id in 1..=ops {
        let due = 1_000 + id * 2;
        let late = 1 + id * 7 % 11 + if (1_500..2_100).contains(&due) { 40 } else { 0 };
        let op = Op {
            id,
            partition: 0,
            key: format!("k{}", id % 97),
            cmp: id as i64,
            cols: Vec::new(),
            due: ms(due),
        };
        let outcome = if id % 501 == 0 {
            OpOutcome::Unknown
        } else {
            OpOutcome::Ok
        };
        events.push((due, Event::Invoke { op }));
        events.push((
            due + late,
            Event::Complete {
                op: id,
                outcome,
                off: Some(id),
            },
        ));
    }
    events.sort_by_key(|(t, _)| *t);
    let events = events
        .into_iter()
        .map(|(t, event)| Stamped { t: ms(t), event })
        .collect();
    Evidence {
        facts,
        events,
        log: vec![Vec::new(); 2],
        rows: vec![Vec::new(); 2],
        currents: vec![Vec::new(); 2],
    }
}

fn row(balance: i64, city: &str, ops: &[i64]) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("balance".to_owned(), Value::Long(balance)),
        ("city".to_owned(), Value::String(city.to_owned())),
        ("ops".to_owned(), Value::Longs(ops.to_vec())),
        ("op".to_owned(), Value::Long(1_204)),
        ("cmp".to_owned(), Value::Long(77)),
    ])
}

fn standing(capture: u32, pattern: Pattern, side: Side, wrong: &str) -> Standing {
    let comparable = names("server-0 server-1 server-2 server-3");
    Standing {
        capture,
        t: ms(2_600 + u64::from(capture) * 1_000),
        pattern,
        side,
        wrong: names(wrong),
        comparable,
    }
}

/// The incident: server-1 merged segment 4 without segment 3.
fn divergence() -> Divergence {
    let shown = |replica: &str| {
        let wrong = replica == "server-1";
        Shown {
            replica: replica.to_owned(),
            read: Some(17),
            state: Some(if wrong {
                CopyState::Consuming
            } else {
                CopyState::CommittedLocal
            }),
            row: Some(if wrong {
                row(i64::MIN, "Oslo", &[1_204])
            } else {
                row(310, "Oslo", &[11, 380, 902, 1_204])
            }),
            wrong,
            current: true,
        }
    };
    let evidence = |key: &str, off| RowEvidence {
        key: key.to_owned(),
        off,
        segment: "acct__0__4".to_owned(),
        origin: Origin::Root,
        expected: Some(row(310, "Oslo", &[11, 380, 902, 1_204])),
        shown: names("server-0 server-1 server-2 server-3")
            .iter()
            .map(|name| shown(name))
            .collect(),
        columns: names("balance ops"),
    };
    let lone = |capture| standing(capture, Pattern::OneDiffers, Side::Minority, "server-1");
    Divergence {
        what: What::WrongValue,
        root_cause: RootCause::WholeSegment,
        partition: 0,
        replicas: names("server-1"),
        last: lone(2),
        first: lone(1),
        course: Course::Standing,
        keys: (1..=14).map(|n| format!("k{n:02}")).collect(),
        keys_visible: 12,
        columns: names("balance ops"),
        segments: names("acct__0__4"),
        roots: 14,
        inherited: 31,
        copied: 0,
        since: LogPoint {
            off: 1_204,
            t: Some(ms(2_315)),
        },
        until: LogPoint {
            off: 1_733,
            t: Some(ms(3_090)),
        },
        missing: Some(MissingState {
            class: RootCause::WholeSegment,
            segments: names("acct__0__3"),
            ops: 42,
        }),
        shows_defaults: true,
        shows_stale: false,
        evidence: vec![
            evidence("k01", 1_204),
            evidence("<script>alert(1)</script>", 1_210),
        ],
    }
}

fn finding(kind: FindingKind) -> Finding {
    let fingerprint = match &kind {
        FindingKind::Divergence(_) => "wrong-value/whole-segment",
        FindingKind::Frozen(_) => "frozen/position",
        FindingKind::LostAck(_) => "lost-ack/log",
    };
    Finding {
        fingerprint: fingerprint.to_owned(),
        kind,
    }
}

fn frozen() -> FindingKind {
    FindingKind::Frozen(Frozen {
        replica: "server-2".to_owned(),
        partition: 1,
        position: 4_000,
        segment: Some("acct__1__4".to_owned()),
        log_end: 5_250,
        since: ms(3_000),
        watched: ms(12_500),
        threshold: ms(3_000),
        baseline: false,
        status: "running".to_owned(),
        samples: 61,
    })
}

fn verdict(outcome: Outcome, findings: Vec<FindingKind>, doubts: &[DoubtKind]) -> Verdict {
    let check = |name, status, compared, unit: &str| CheckResult {
        name,
        status,
        compared,
        unit: unit.to_owned(),
        reason: (status == Status::Unknown).then(|| "no key was carried".to_owned()),
    };
    let mut group = if findings.is_empty() {
        Status::Pass
    } else {
        Status::Fail
    };
    if outcome == Outcome::Inconclusive {
        group = Status::Unknown;
    }
    Verdict {
        version: VERSION,
        outcome,
        checks: vec![
            check(CheckName::Calibration, Status::Pass, 160, "rows"),
            check(CheckName::Log, Status::Pass, 4_000, "ops"),
            check(CheckName::Group, group, 12_345, "rows"),
            check(CheckName::Progress, Status::NotApplicable, 0, "samples"),
        ],
        findings: findings.into_iter().map(finding).collect(),
        doubts: doubts
            .iter()
            .map(|kind| Doubt {
                kind: *kind,
                detail: "0 of 20 keys".to_owned(),
            })
            .collect(),
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
        },
        exposure: vec![Exposure {
            what: "keys-carried-under-hold".to_owned(),
            count: 118,
            demanded: 20,
        }],
    }
}

fn diverged(change: impl FnOnce(&mut Divergence)) -> Verdict {
    let mut d = divergence();
    change(&mut d);
    verdict(
        Outcome::Fail,
        vec![FindingKind::Divergence(Box::new(d))],
        &[],
    )
}

fn majority() -> Verdict {
    diverged(|d| {
        d.course = Course::Spreading;
        d.last = standing(
            2,
            Pattern::OneDiffers,
            Side::Majority,
            "server-0 server-1 server-2",
        );
    })
}

fn spread() -> Verdict {
    diverged(|d| {
        d.course = Course::Spread;
        d.last = standing(
            2,
            Pattern::Unanimous,
            Side::All,
            "server-0 server-1 server-2 server-3",
        );
    })
}

fn unmodelled() -> Verdict {
    diverged(|d| {
        d.root_cause = RootCause::NoProvenance;
        d.missing = None;
        d.first.side = Side::Unknown;
        d.last.side = Side::Unknown;
        d.evidence.iter_mut().for_each(|row| row.expected = None);
    })
}

/// All kinds of verdict: its name, the verdict, its last line, and what its summary must say.
fn examples() -> Vec<(&'static str, Verdict, &'static str, Vec<&'static str>)> {
    let pass = verdict(Outcome::Pass, Vec::new(), &[]);
    let lost = FindingKind::LostAck(LostAck {
        partition: 1,
        ops: vec![7, 9],
    });
    let doubtful = verdict(Outcome::Inconclusive, Vec::new(), &[DoubtKind::NoExposure]);
    vec![
        (
            "lone",
            diverged(|_| {}),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s standing wrong-value/whole-segment \
             side=minority seed=42",
            vec![
                "lone divergence: server-1 is wrong on 14 keys",
                "a user's query sees 12",
                "segment acct__0__3",
            ],
        ),
        (
            "healed",
            diverged(|d| d.course = Course::Healed),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s healed wrong-value/whole-segment \
             side=minority seed=42",
            vec![
                "healed: server-1 was wrong",
                "a user's query saw 12",
                "what was answered",
            ],
        ),
        (
            "spread",
            spread(),
            "FAIL unanimous server-1 14 keys acct__0__4 since +2.315s spread wrong-value/whole-segment \
             side=all seed=42",
            vec![
                "agree but wrong: all 4 replicas",
                "it began on server-1",
                "1 of 4 at first, all 4 now",
            ],
        ),
        (
            "majority",
            majority(),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s spreading wrong-value/whole-segment \
             side=majority last-right=server-3 seed=42",
            vec![
                "FAIL  server-3 holds the last right copy of 14 keys: do not reload, rebalance or restart it",
            ],
        ),
        (
            "unmodelled",
            unmodelled(),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s standing differs/whole-segment \
             side=unknown seed=42",
            vec!["server-1 differs on 14 keys", "take no side yet"],
        ),
        (
            "frozen",
            verdict(Outcome::Fail, vec![frozen(), lost.clone()], &[]),
            "FAIL frozen server-2 acct__1__4 at offset=4000 behind=1250 since +3.000s for 12.5s \
             frozen/position findings=2 seed=42",
            vec![
                "its status says `running`",
                "no baseline",
                "also",
                "2 ops acknowledged",
            ],
        ),
        (
            "lost",
            verdict(Outcome::Fail, vec![lost], &[]),
            "FAIL lost-ack 2 ops partition=1 lost-ack/log seed=42",
            vec!["2 ops acknowledged, and not in the log of partition 1"],
        ),
        (
            "pass",
            pass,
            "PASS 12345 rows 4 replicas 3 captures seed=42",
            vec![
                "0 of 12,345 rows differ over 4 replicas, 3 captures",
                "118 keys carried under hold",
                "7 offsets",
            ],
        ),
        (
            "inconclusive",
            doubtful,
            "INCONCLUSIVE no-exposure 12345 rows 4 replicas 3 captures seed=42",
            vec![
                "no-exposure: nothing wrong was found, but",
                "0 of 20 keys",
                "--runs N",
                "group: no key was carried",
            ],
        ),
    ]
}

#[test]
fn a_summary_says_what_matters_in_few_lines() {
    for (name, verdict, _, says) in examples() {
        let text = summary(&verdict, &facts(), PLAIN);
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in says {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                unwrapped.contains(&words),
                "{name}: no `{words}` in\n{text}"
            );
        }
        assert!(text.contains("dissent run sim-segments partial-upsert late-transition --seed 42 --set guard=startup-latch"));
        assert!(text.lines().count() <= 24, "{name} is long:\n{text}");
        assert!(!text.contains('\x1b'), "{name}");
        assert!(
            summary(&verdict, &facts(), Style { colour: true }).contains("\x1b["),
            "{name}"
        );
    }
}

#[test]
fn the_last_line_is_one_line_to_grep_for() {
    for (name, verdict, line, _) in examples() {
        assert_eq!(last_line(&verdict, &facts(), None), line, "{name}");
        let reported = last_line(&verdict, &facts(), Some("results/x/report.html"));
        assert_eq!(reported, format!("{line} report=results/x/report.html"));
    }
    let hostile = diverged(|d| d.segments = vec!["a\nPASS \x1b[2J".to_owned()]);
    let line = last_line(&hostile, &facts(), None);
    assert!(
        line.contains(r"a\nPASS \u{1b}[2J") && !line.chars().any(char::is_control),
        "{line}"
    );
}

#[test]
fn real_time_is_told_by_the_wall() {
    let facts = Facts {
        simulated: false,
        ..facts()
    };
    let line = last_line(&diverged(|_| {}), &facts, None);
    assert!(line.contains("since 14:30:02Z"), "{line}");
    let unacknowledged = diverged(|d| d.since.t = None);
    assert!(last_line(&unacknowledged, &facts, None).contains("since offset=1204"));
}

#[test]
fn without_a_model_nobody_is_called_wrong() {
    let verdict = unmodelled();
    let page = html::page(&verdict, &evidence(50));
    let body = &page[page.find("<body>").expect("a body")..];
    let words = |text: &str| {
        text.replace("wrongcolumn", "")
            .replace("would make it wrong", "")
            .replace("would be wrong if", "")
    };
    for text in [
        summary(&verdict, &facts(), PLAIN),
        last_line(&verdict, &facts(), None),
        body.to_owned(),
    ] {
        assert!(!words(&text).contains("wrong"), "{text}");
    }
}

#[test]
fn the_page_is_inert_escaped_and_the_same_every_time() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, verdict, _, _) in examples() {
        let page = html::page(&verdict, &evidence(4_000));
        fs::write(dir.join(format!("report-{name}.html")), &page).expect("write the page");
        for forbidden in [
            "<script",
            "http:",
            "https:",
            "url(",
            "@import",
            "src=",
            "<link",
            "2025-03-04",
        ] {
            assert!(!page.contains(forbidden), "{name} has {forbidden}");
        }
        assert_eq!(page, html::page(&verdict, &evidence(4_000)), "{name}");
    }
    let page = html::page(&diverged(|_| {}), &evidence(4_000));
    for part in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "Is it real?",
        "✗",
        "the type's default",
        "lacks 3 of 4",
        "p99",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn the_page_stays_small() {
    let mut d = divergence();
    d.keys = (0..50_000).map(|n| format!("key-{n}")).collect();
    d.evidence = std::iter::repeat_n(d.evidence[0].clone(), 500).collect();
    let findings = std::iter::repeat_n(FindingKind::Divergence(Box::new(d)), 100).collect();
    let page = html::page(&verdict(Outcome::Fail, findings, &[]), &evidence(200_000));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("+49,980 more") && !page.contains("key-49999"));
    let points = page
        .split("class=\"rate\" d=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a line");
    let points = points.matches(['M', 'L']).count();
    assert!((100..=400).contains(&points), "{points} points");
}

#[test]
fn verdict_json_fits_its_schema_and_reads_back() {
    let mut schema: serde_json::Value =
        serde_json::from_str(json::SCHEMA).expect("the schema is JSON");
    let lenient = jsonschema::validator_for(&schema).expect("the schema is a schema");
    // Closed only here, to find fields that the schema forgot: readers ignore what they do not know.
    close(&mut schema);
    let strict = jsonschema::validator_for(&schema).expect("still a schema");
    for (name, verdict, _, _) in examples() {
        let text = json::verdict_json(&verdict, &facts(), 1).expect("serialise");
        let document = serde_json::from_str(&text).expect("JSON");
        if let Err(error) = strict.validate(&document) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        assert_eq!(json::read(&text).expect("read back"), verdict, "{name}");
        assert!(text.ends_with("}\n"));

        let object = document.as_object().expect("an object");
        for field in object.keys() {
            let mut less = object.clone();
            less.remove(field);
            assert!(!lenient.is_valid(&less.into()), "{name} without {field}");
        }
        let with = |field: &str, value: serde_json::Value| {
            let mut more = object.clone();
            more.insert(field.to_owned(), value);
            serde_json::Value::from(more)
        };
        assert!(
            !lenient.is_valid(&with("outcome", "MAYBE".into())),
            "{name}"
        );
        assert!(
            lenient.is_valid(&with("of_a_later_version", 1.into())),
            "{name}"
        );
    }
}

fn close(schema: &mut serde_json::Value) {
    if let serde_json::Value::Object(object) = schema {
        if object.contains_key("properties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
        object.values_mut().for_each(close);
    } else if let serde_json::Value::Array(array) = schema {
        array.iter_mut().for_each(close);
    }
}

#[test]
fn arms_are_aligned() {
    let row = |arm: &str, found: &str| ArmRow {
        arm: arm.to_owned(),
        expected: "pass".to_owned(),
        found: found.to_owned(),
        evidence: "200 runs".to_owned(),
        report: String::new(),
    };
    let text = arms(&[
        row("partition-gate", "pass"),
        row("none", "1 of 200 failed"),
    ]);
    assert_eq!(
        text,
        "arm             expected  found            evidence  report\n\
         partition-gate  pass      pass             200 runs\n\
         none            pass      1 of 200 failed  200 runs\n"
    );
}
