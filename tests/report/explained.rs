//! The incident of the built-in cluster, explained: one server is told late to consume a segment, skips it,
//! and consumes the next one without it; then its copy wins the commit, and the others are replaced.

use crate::report::examples::{divergence, ms, names, standing};
use dissent_core::checker::verdict::*;
use std::collections::BTreeMap;

const DEPENDENCY: &str = "acct__0__3";
const DEPENDENT: &str = "acct__0__4";
const MINUTE: i64 = 60_000;

fn point(node: &str, kind: &str, segment: &str, at_ms: i64) -> EventPoint {
    EventPoint {
        node: node.to_owned(),
        incarnation: 1,
        seq: 40,
        node_ms: 1_770_577_490_000_u64.saturating_add_signed(at_ms),
        kind: kind.to_owned(),
        segment: Some(segment.to_owned()),
    }
}

fn event(
    node: &str,
    at_ms: i64,
    kind: &str,
    segment: &str,
    role: EventRole,
    detail: &[(&str, &str)],
) -> TimelineEvent {
    let detail = detail.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    TimelineEvent { at_ms, seen: None, event: point(node, kind, segment, at_ms), role, detail }
}

/// What server-1 did: the wait of 55:45, the skip, and the registration 27 minutes too late.
fn broken_events() -> Vec<TimelineEvent> {
    let of = |at_ms, kind, segment, role, detail: &[(&str, &str)]| {
        event("server-1", at_ms, kind, segment, role, detail)
    };
    let message = ("message", "m-17");
    let transition = ("transition", "offline-to-consuming");
    let before = -56 * MINUTE - 50_000;
    vec![
        of(before, "transition-created", DEPENDENCY, EventRole::Setup, &[message, transition]),
        of(-65_000, "transition-started", DEPENDENCY, EventRole::Setup, &[message, transition]),
        of(
            -64_900,
            "transition-finished",
            DEPENDENCY,
            EventRole::Setup,
            &[message, transition, ("outcome", "skipped"), ("result", "already completed, skipping")],
        ),
        of(-63_000, "snapshot", DEPENDENT, EventRole::Count, &[("registered_segments", "7")]),
        of(
            -5,
            "gate",
            DEPENDENT,
            EventRole::Gate,
            &[("name", "boot-segments-loaded"), ("released_by", "already-open")],
        ),
        of(0, "consume-start", DEPENDENT, EventRole::Dependent, &[("start", "1203")]),
        of(95_000, "caught-up", DEPENDENT, EventRole::Count, &[("rows", "32000")]),
        of(
            26 * MINUTE + 52_000,
            "registered",
            DEPENDENCY,
            EventRole::Dependency,
            &[("from", "download"), ("rows", "12000"), ("note", "<b>late</b>")],
        ),
    ]
}

fn healthy_events() -> Vec<TimelineEvent> {
    let of = |at_ms, kind, segment, role, detail: &[(&str, &str)]| {
        event("server-0", at_ms, kind, segment, role, detail)
    };
    let transition = [("message", "m-12"), ("transition", "consuming-to-online")];
    vec![
        of(-60_200, "transition-created", DEPENDENCY, EventRole::Setup, &transition),
        of(-60_150, "transition-started", DEPENDENCY, EventRole::Setup, &transition),
        of(-60_000, "registered", DEPENDENCY, EventRole::Dependency, &[("rows", "12000")]),
        of(-59_000, "snapshot", DEPENDENT, EventRole::Count, &[("registered_segments", "8")]),
        of(0, "consume-start", DEPENDENT, EventRole::Dependent, &[("start", "1203")]),
        of(20_000, "caught-up", DEPENDENT, EventRole::Count, &[("rows", "7000")]),
    ]
}

fn logged(here: u64, there: u64) -> LoggedCount {
    let peers = ["server-0", "server-2", "server-3"].map(|peer| (peer.to_owned(), there));
    LoggedCount { here, peers: BTreeMap::from(peers) }
}

fn ordering_break() -> OrderingBreak {
    let late = 26 * MINUTE + 52_000;
    OrderingBreak {
        replica: "server-1".to_owned(),
        incarnation: 1,
        anchor: Anchor { key: "k01".to_owned(), off: 1_204 },
        dependencies: names(DEPENDENCY),
        visible: Some(point("server-1", "registered", DEPENDENCY, late)),
        dependent: DEPENDENT.to_owned(),
        began: point("server-1", "consume-start", DEPENDENT, 0),
        late_by_ms: Some(late.unsigned_abs()),
        strength: BreakStrength::Ordered,
        prediction: Prediction {
            roots: 214,
            explained: 214,
            predicted: 214,
            found: 214,
            from: 1_203,
            to: 1_734,
            logged: true,
        },
        witnesses: names("server-0 server-2"),
        no_witnesses: BTreeMap::from([("server-3".to_owned(), NoWitness::Restarted)]),
        setup: Some(Setup {
            segment: DEPENDENCY.to_owned(),
            transition: "offline-to-consuming".to_owned(),
            edge: Edge::CreatedToStarted,
            took_ms: 55 * 60_000 + 45_000,
            peers_ms: BTreeMap::from([("server-0".to_owned(), 12), ("server-2".to_owned(), 40)]),
            outcome: Some("already completed, skipping".to_owned()),
            events: Vec::new(),
            snapshot: Some(logged(7, 8)),
            catch_up: Some(logged(32_000, 7_000)),
        }),
    }
}

/// The latch that was open since the day before.
pub(crate) fn latch() -> Guard {
    let event = point("server-1", "gate", DEPENDENT, -5);
    Guard {
        state: GuardState::NotEvaluated,
        name: Some("boot-segments-loaded".to_owned()),
        evaluated_ms: Some(event.node_ms - 36_000_000),
        event: Some(event),
        waited_ms: Some(0),
        released_by: Some("already-open".to_owned()),
        counts: Some((7, 7)),
        enforced_scope: Vec::new(),
        required_scope: names("partition segment"),
        confidence: Confidence::Shown,
    }
}

/// Why the rows are wrong.
pub(crate) fn explanation() -> Explanation {
    let timeline = |node: &str, events, skew_ms| NodeTimeline {
        node: node.to_owned(),
        broken: node == "server-1",
        skew_ms,
        events,
    };
    Explanation {
        cause: ShownCause::OrderingBreak(Box::new(ordering_break())),
        further: Vec::new(),
        guard: latch(),
        timelines: vec![
            timeline("server-1", broken_events(), Some((-40, 90))),
            timeline("server-0", healthy_events(), None),
        ],
        not_logged: names("commit-winner"),
    }
}

/// How the copy of server-1 reached everyone.
pub(crate) fn spread_copies() -> Spread {
    let at = |capture: u32, t, wrong: &str, right: &str| SpreadMoment {
        capture,
        t: ms(t),
        wrong: names(wrong),
        right: names(right),
    };
    let replaced = |replica: &str, t| Replacement {
        replica: replica.to_owned(),
        segment: DEPENDENT.to_owned(),
        t: ms(t),
        wrong_before: Some(false),
        wrong_after: Some(true),
        checksums: Some(("1f00".to_owned(), "2e77".to_owned())),
        event: None,
    };
    let copies = |n: u32| KeyCopies {
        key: format!("k{n:02}"),
        wrong: names("server-0 server-1 server-2 server-3"),
        right: Vec::new(),
    };
    Spread {
        moments: vec![
            at(1, 3_600, "server-1", "server-0 server-2 server-3"),
            at(2, 4_600, "server-1", "server-0 server-2 server-3"),
            at(3, 6_200, "server-0 server-1", "server-2 server-3"),
            at(4, 7_400, "server-0 server-1 server-2 server-3", ""),
        ],
        commits: vec![Commit {
            segment: DEPENDENT.to_owned(),
            winner: Some("server-1".to_owned()),
            offset: Some(1_734),
            at_equal_offset: names("server-0 server-1 server-2 server-3"),
            wrong: Some(true),
            event: None,
            t: Some(ms(5_800)),
        }],
        replacements: vec![
            replaced("server-0", 6_200),
            replaced("server-2", 7_400),
            replaced("server-3", 7_400),
        ],
        last_right: Vec::new(),
        last_right_gone: Some(LastRightGone {
            replicas: names("server-2 server-3"),
            last_seen: ms(6_200),
            gone: ms(7_400),
        }),
        at_risk: vec![Risk::Compaction, Risk::Retention { from: 1_204 }],
        keys: (0..14).map(copies).collect(),
    }
}

/// The incident with its explanation, before the commit of the wrong copy.
pub(crate) fn explained() -> Divergence {
    Divergence {
        roots: 214,
        explanation: Some(Box::new(explanation())),
        spread: Some(Box::new(Spread {
            moments: spread_copies().moments[..2].to_vec(),
            commits: Vec::new(),
            replacements: Vec::new(),
            last_right_gone: None,
            at_risk: vec![Risk::NextCommit { segment: DEPENDENT.to_owned() }],
            keys: (0..14)
                .map(|n| KeyCopies {
                    key: format!("k{n:02}"),
                    wrong: names("server-1"),
                    right: names("server-0 server-2 server-3"),
                })
                .collect(),
            ..spread_copies()
        })),
        ..divergence()
    }
}

/// The same after everyone has the wrong copy.
pub(crate) fn explained_and_spread() -> Divergence {
    Divergence {
        course: Course::Spread,
        last: standing(4, Pattern::Unanimous, Side::All, "server-0 server-1 server-2 server-3"),
        spread: Some(Box::new(spread_copies())),
        ..explained()
    }
}

/// The same symptom from another cause: the order was kept, and keys were dropped afterwards.
pub(crate) fn dropped() -> Divergence {
    let mut d = explained();
    let event = point("server-1", "keys-not-replaced", DEPENDENCY, -900);
    let cause = ShownCause::DroppedKeys(Box::new(DroppedKeys {
        replica: "server-1".to_owned(),
        incarnation: 1,
        anchor: Anchor { key: "k01".to_owned(), off: 1_204 },
        event,
        keys: Some(14),
        beyond_end: Some(40),
    }));
    let guard = Guard { state: GuardState::Kept, released_by: Some("predicate".to_owned()), ..latch() };
    d.explanation = Some(Box::new(Explanation { cause, guard, ..explanation() }));
    d
}

/// Nothing is logged of the segments in question.
pub(crate) fn unexplained() -> Divergence {
    let guard = Guard {
        state: GuardState::NotLogged,
        name: None,
        event: None,
        evaluated_ms: None,
        waited_ms: None,
        released_by: None,
        counts: None,
        confidence: Confidence::NotObservable,
        ..latch()
    };
    let explanation = Explanation {
        cause: ShownCause::NotShown { reason: NotShown::NoEvents },
        guard,
        further: Vec::new(),
        timelines: Vec::new(),
        not_logged: names("registered snapshot gate"),
    };
    Divergence { explanation: Some(Box::new(explanation)), ..explained() }
}
