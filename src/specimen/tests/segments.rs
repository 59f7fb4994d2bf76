//! The cluster in virtual time: the incident under each guard and with each outcome, restarts, determinism.
//!
//! Each case writes one key that is new in SEG_M and one that is older, holds SEG_M on the victim, and writes
//! both keys into SEG_M1 without the columns that SEG_M set. Then it compares what every server shows.

use serde_json::Value as Json;
use shown::{committed_on, shown};
use specimen::segments::{Cause, Config, Event, GUARDS, Guard, Hold, Transition, World};
use specimen::{Column, Entry, Error, Merge, Type, Value};

mod shown;

const MS: u64 = 1_000_000;
const VICTIM: &str = "server-1";
const OTHERS: [&str; 3] = ["server-0", "server-2", "server-3"];
const SERVERS: [&str; 4] = ["server-0", "server-1", "server-2", "server-3"];
const SEG_M: &str = "acct__0__1";
const SEG_M1: &str = "acct__0__2";

fn config(guard: Guard) -> Config {
    let column = |name: &str, ty, merge| Column { name: name.to_owned(), ty, merge };
    let columns =
        vec![column("merged_at", Type::Long, Merge::Overwrite), column("ops", Type::LongList, Merge::Append)];
    Config { guard, ..Config::new("acct", columns, 2) }
}

/// Writes an update of a key to partition 0. Its op id and comparison value are its offset.
fn write(world: &mut World, key: &str, merged_at: Option<i64>) {
    let next = world.log_ends()[0];
    let cmp = next.cast_signed();
    let cols = vec![merged_at.map_or(Value::Null, Value::Long), Value::Longs([cmp].into())];
    let entry = Entry { key: key.into(), op: next, cmp, cols, ..Entry::default() };
    assert_eq!(world.produce(0, entry).expect("partition 0 exists"), next);
}

fn pass(world: &mut World, ms: u64) {
    world.advance(world.now() + ms * MS);
}

fn hold(world: &mut World, server: &str, seq: u32, transition: Transition) -> Result<(), Error> {
    let id = format!("{transition:?}");
    world.hold(Hold { id, server: server.to_owned(), partition: 0, seq, transition })
}

/// Runs until the hold is released and nothing moves any more.
fn incident(guard: Guard, seed: u64) -> World {
    let mut world = World::new(config(guard), seed).expect("settings are usable");
    pass(&mut world, 200);
    write(&mut world, "old", Some(100));
    pass(&mut world, 100);
    hold(&mut world, VICTIM, 1, Transition::OfflineToConsuming).expect("victim exists");
    assert_eq!(world.force_commit(), ["acct__0__0"]);
    pass(&mut world, 500);
    write(&mut world, "old", Some(200));
    write(&mut world, "born-in-m", Some(300));
    pass(&mut world, 100);
    assert_eq!(world.force_commit(), [SEG_M]);
    pass(&mut world, 500);
    for server in OTHERS {
        assert_eq!(committed_on(&world, server, SEG_M).as_deref(), Some("CommittedLocal"), "{server}");
    }
    assert_eq!(committed_on(&world, VICTIM, SEG_M), None);
    hold(&mut world, VICTIM, 1, Transition::ConsumingToOnline).expect("victim exists");
    world.release("OfflineToConsuming");
    pass(&mut world, 100);
    write(&mut world, "old", None);
    write(&mut world, "born-in-m", None);
    pass(&mut world, 100);
    assert_eq!(committed_on(&world, VICTIM, SEG_M), None, "held until its registration is released");
    world.release("ConsumingToOnline");
    pass(&mut world, 500);
    assert_eq!(committed_on(&world, VICTIM, SEG_M).as_deref(), Some("Downloaded"));
    world
}

fn row(merged_at: i64, ops: &[i64]) -> Vec<Value> {
    vec![Value::Long(merged_at), Value::Longs(ops.to_vec().into())]
}

/// What a server shows for the two keys in SEG_M1.
fn both_keys(world: &World, server: &str) -> [Option<Vec<Value>>; 2] {
    [shown(world, server, SEG_M1, 3), shown(world, server, SEG_M1, 4)]
}

fn right() -> [Option<Vec<Value>>; 2] {
    [Some(row(200, &[0, 1, 3])), Some(row(300, &[2, 4]))]
}

/// The older key is stale; the key that is new in SEG_M shows the type's default.
fn wrong() -> [Option<Vec<Value>>; 2] {
    [Some(row(100, &[0, 3])), Some(row(i64::MIN, &[4]))]
}

#[test]
fn each_guard_shows_its_own_rows() {
    let cases = [
        (Guard::StartupLatch, wrong()),
        (Guard::SignalGate, wrong()),
        (Guard::PartitionGate, right()),
        (Guard::PartitionGateNoSkipWake, [None, None]),
        (Guard::ReadinessFlag, wrong()),
        (Guard::DeliveryOrder, wrong()),
        (Guard::TimedWait, wrong()),
        (Guard::MaxWatermarkGate, right()),
    ];
    for (guard, on_victim) in cases {
        for seed in 0..20 {
            let world = incident(guard, seed);
            assert_eq!(both_keys(&world, VICTIM), on_victim, "{guard} {seed}");
            OTHERS.iter().for_each(|server| assert_eq!(both_keys(&world, server), right(), "{server}"));
            let currents = SERVERS.map(|server| world.current(server, 0, 0).expect("running").2);
            let behind = guard == Guard::PartitionGateNoSkipWake;
            assert_eq!(currents[0] == currents[1], !behind, "{guard} {seed}");
            assert!(currents[2..].iter().all(|flags| *flags == currents[0]), "{guard} {seed}");
        }
    }
}

/// Goal: nothing in another partition wakes a waiter, and neither does time.
#[test]
fn a_waiter_that_nobody_wakes_never_stops_waiting() {
    let mut world = incident(Guard::PartitionGateNoSkipWake, 1);
    for round in 0..3 {
        let cols = vec![Value::Long(round), Value::Null];
        world
            .produce(1, Entry { key: "other".into(), cols, ..Entry::default() })
            .expect("partition 1 exists");
        pass(&mut world, 500);
        world.force_commit();
        pass(&mut world, 60_000);
    }
    assert_eq!(both_keys(&world, VICTIM), [None, None]);
    OTHERS.iter().for_each(|server| assert_eq!(both_keys(&world, server), right(), "{server}"));
    let other = world.rows(VICTIM, "acct__1__2", 0, u64::MAX).expect("partition 1 goes on");
    assert_eq!(other.count(), 1);
}

/// Goal: the winner of the commit of SEG_M1 passes its rows on to all servers.
#[test]
fn the_winner_of_the_commit_heals_the_victim_or_spreads_its_rows() {
    for (winner, on_all) in [("server-2", right()), (VICTIM, wrong())] {
        for seed in 0..5 {
            let mut world = incident(Guard::StartupLatch, seed);
            let before = SERVERS.map(|server| world.coverage(server).expect("running"));
            world.commit_winner(0, Some(winner)).expect("winner exists");
            assert_eq!(world.force_commit(), [SEG_M1]);
            pass(&mut world, 1_000);
            for (server, before) in SERVERS.iter().zip(before) {
                assert_eq!(both_keys(&world, server), on_all, "{winner} {server}");
                let copy = |coverage: &specimen::segments::Coverage| {
                    coverage.covers.iter().find(|cover| *cover.segment == *SEG_M1).map(|cover| cover.copy)
                };
                let replaced = copy(&before) != copy(&world.coverage(server).expect("running"));
                assert_eq!(replaced, (*server == VICTIM) != (winner == VICTIM), "{winner} {server}");
                let events = world.events(server, 0).expect("running");
                let [changed, swapped] =
                    ["crc-changed", "replaced"].map(|kind| details(events, Some(SEG_M1), kind));
                assert_eq!((changed.len(), swapped.len()), (replaced.into(), replaced.into()), "{server}");
                assert!(changed.iter().all(|detail| detail["old_crc"] != detail["crc"]));
                assert!(swapped.iter().zip(&changed).all(|(new, old)| new["crc"] == old["crc"]));
            }
        }
    }
}

/// Goal: who merged which rows without SEG_M, by the world's own account, and which guard let that happen.
#[test]
fn the_truth_names_the_rows_that_each_guard_let_become_wrong() {
    for (_, guard) in GUARDS {
        let world = incident(guard, 1);
        let truth = world.truth();
        let wrong: Vec<_> =
            truth[VICTIM].wrong.iter().map(|row| (row.off, row.key.as_str(), row.first)).collect();
        let is_wrong = both_keys(&world, VICTIM) == self::wrong();
        let expected = if is_wrong { vec![(3, "old", true), (4, "born-in-m", true)] } else { Vec::new() };
        assert_eq!(wrong, expected, "{guard}");
        assert!(truth[VICTIM].wrong.iter().all(|row| row.missing == [SEG_M]), "{guard}");
        assert!(OTHERS.iter().all(|server| truth[*server].wrong.is_empty()), "{guard}");
        let truth = &truth[VICTIM].truth;
        assert!(truth.begun.iter().all(|begun| begun.guard == guard));
        let visible = truth.visible.iter().find(|visible| visible.segment == SEG_M).expect("at last");
        assert_eq!(visible.reached, Some(if is_wrong { 5 } else { 1 }), "{guard}");
    }
}

/// Runs until the victim, which learns late where SEG_M ends, has registered the committed copy.
fn late_commit(guard: Guard, cause: Cause, seed: u64) -> World {
    let mut world = World::new(Config { cause, ..config(guard) }, seed).expect("settings are usable");
    pass(&mut world, 200);
    write(&mut world, "old", Some(100));
    pass(&mut world, 100);
    assert_eq!(world.force_commit(), ["acct__0__0"]);
    pass(&mut world, 500);
    hold(&mut world, VICTIM, 1, Transition::ConsumingToOnline).expect("victim exists");
    write(&mut world, "old", Some(200));
    write(&mut world, "born-in-m", Some(300));
    pass(&mut world, 100);
    assert_eq!(world.force_commit(), [SEG_M]);
    pass(&mut world, 1_000);
    write(&mut world, "old", None);
    pass(&mut world, 100);
    world.release("ConsumingToOnline");
    pass(&mut world, 300);
    write(&mut world, "born-in-m", None);
    pass(&mut world, 300);
    world
}

/// Goal: under every guard, a replacement drops the key of the surplus row and no other, and no count of
/// registered segments differs. A server that knows the end is right.
#[test]
fn a_copy_that_ran_ahead_is_replaced_and_drops_the_keys_beyond_its_end() {
    for (_, guard) in GUARDS {
        for (cause, old) in
            [(Cause::Ordering, row(200, &[0, 1, 3])), (Cause::ReplaceDropsKeys, row(i64::MIN, &[3]))]
        {
            let world = late_commit(guard, cause, 4);
            let shown = [Some(old), Some(row(300, &[2, 4]))];
            assert_eq!(both_keys(&world, VICTIM), shown, "{guard} {cause:?}");
            OTHERS
                .iter()
                .for_each(|server| assert_eq!(both_keys(&world, server), right(), "{guard} {server}"));
            let events = |server: &str, segment, kind| {
                details(world.events(server, 0).expect("running"), Some(segment), kind)
            };
            let counts =
                SERVERS.map(|server| events(server, SEG_M1, "snapshot")[0]["registered_segments"].clone());
            assert!(counts.iter().all(|count| *count == 2), "{guard} {counts:?}");
            let dropped = usize::from(cause == Cause::ReplaceDropsKeys);
            let [ahead, lost] =
                ["position-ahead", "keys-not-replaced"].map(|kind| events(VICTIM, SEG_M, kind));
            assert_eq!((ahead.len(), lost.len()), (dropped, dropped), "{guard} {cause:?}");
            assert!(ahead.iter().all(|it| (&it["position"], &it["end"]) == (&4.into(), &3.into())));
            assert!(lost.iter().all(|it| it["keys"] == 1));
            let truth = &world.truth()[VICTIM];
            let keys: Vec<_> = truth.truth.dropped.iter().flat_map(|it| &it.keys).collect();
            assert_eq!((keys.len(), truth.wrong.len()), (dropped, 0), "the order was kept");
            let current = world.current(VICTIM, 0, 0).expect("running").2;
            assert_eq!(current, world.current("server-0", 0, 0).expect("running").2, "{guard}");
        }
    }
}

/// The details of all events of a kind that concern a segment, or the whole node.
fn details(events: &[Event], segment: Option<&str>, kind: &str) -> Vec<Json> {
    let about = |event: &&Event| {
        event.segment.as_deref() == segment && serde_json::to_value(event.kind).expect("a name") == kind
    };
    events.iter().filter(about).map(|event| event.detail.clone()).collect()
}

/// Goal: the facts that tell who was late, and how far the victim had merged by then.
#[test]
fn events_show_what_was_skipped_and_how_far_each_server_had_merged() {
    let world = incident(Guard::StartupLatch, 1);
    let of = |server: &str, segment: &str, kind: &str| {
        details(world.events(server, 0).expect("running"), Some(segment), kind)
    };
    let boot = &details(world.events(VICTIM, 0).expect("running"), None, "boot")[0];
    for kind in ["boot", "gate", "registered", "crc-changed", "caught-up"] {
        assert!(boot["logs"].as_array().expect("a list").iter().any(|logged| logged == kind), "{boot}");
    }
    let outcomes = |server| {
        let finished = of(server, SEG_M, "transition-finished");
        finished.iter().map(|detail| detail["outcome"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(VICTIM), ["skipped", "done"]);
    assert_eq!(outcomes("server-0"), ["done", "done"]);
    assert_eq!(of(VICTIM, SEG_M, "transition-finished")[0]["result"], "already completed, skipping");
    assert_eq!(of(VICTIM, SEG_M, "registered")[0]["reached"], 5, "it had merged both rows of SEG_M1");
    assert_eq!(of("server-0", SEG_M, "registered")[0]["reached"], 3, "it had merged SEG_M only");
    for server in SERVERS {
        assert_eq!(of(server, SEG_M1, "caught-up").len(), 1, "{server}");
    }
    assert_eq!(of("server-0", SEG_M, "caught-up")[0]["rows"], 2, "both were there at once");
}

#[test]
fn the_controller_shows_who_reported_and_who_won() {
    let world = incident(Guard::StartupLatch, 1);
    let of = |kind| details(world.controller_events(0), Some(SEG_M), kind);
    let reported = of("segment-reported");
    let mut servers: Vec<_> = reported.iter().map(|detail| detail["server"].clone()).collect();
    servers.sort_by_key(ToString::to_string);
    assert_eq!(servers, OTHERS);
    assert!(reported.iter().all(|detail| detail["offset"] == 3));
    let [winner] = &of("commit-winner")[..] else { panic!("one winner") };
    assert_eq!((&winner["server"], &winner["offset"]), (&reported[0]["server"], &reported[0]["offset"]));
    let [committed] = &of("segment-committed")[..] else { panic!("one commit") };
    assert_eq!((&committed["server"], &committed["offset"]), (&winner["server"], &winner["offset"]));
    let crc = world.segments().iter().find(|segment| segment.name == SEG_M).and_then(|segment| segment.crc);
    assert_eq!(committed["crc"].as_u64(), crc);
    let events = world.controller_events(0);
    assert!(events.iter().all(|event| (event.replica.as_str(), event.incarnation) == ("controller", 1)));
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[test]
fn events_show_the_count_and_the_gate_but_never_the_guards_name() {
    let cases = [
        (Guard::StartupLatch, 1, 1),
        (Guard::SignalGate, 1, 2),
        (Guard::PartitionGate, 2, 2),
        (Guard::ReadinessFlag, 1, 1),
        (Guard::DeliveryOrder, 1, 0),
        (Guard::TimedWait, 1, 2),
        (Guard::MaxWatermarkGate, 2, 2),
    ];
    for (guard, count, gates) in cases {
        let world = incident(guard, 1);
        let of =
            |server: &str, kind: &str| details(world.events(server, 0).expect("running"), Some(SEG_M1), kind);
        assert_eq!(of(VICTIM, "snapshot")[0]["registered_segments"], count, "{guard}");
        assert_eq!(of("server-0", "snapshot")[0]["registered_segments"], 2);
        assert_eq!(of(VICTIM, "gate").len(), gates, "{guard}: shut and then open, or open at once");
        let text = serde_json::to_string(&world.events(VICTIM, 0)).expect("plain data");
        assert!(specimen::segments::GUARDS.iter().all(|(name, _)| !text.contains(name)), "{text}");
    }
}

#[test]
fn a_boundary_passes_a_server_that_is_down_and_it_comes_back_equal() {
    for guard in [Guard::StartupLatch, Guard::PartitionGate] {
        let mut world = World::new(config(guard), 3).expect("settings are usable");
        for round in 0..6 {
            pass(&mut world, 200);
            (0..5).for_each(|n| write(&mut world, &format!("k{n}"), (n + round != 4).then_some(round)));
            match round {
                1 => world.kill("server-3").expect("server exists"),
                4 => world.start("server-3").expect("server exists"),
                _ => {}
            }
            pass(&mut world, 100);
            assert_eq!(world.force_commit().len(), 1, "round {round}");
            assert_eq!(world.coverage("server-3").is_none(), (1..4).contains(&round));
            pass(&mut world, 600);
        }
        for segment in world.segments().iter().filter(|segment| segment.end.is_some()) {
            let held = |server| world.rows(server, &segment.name, 0, u64::MAX).expect("held");
            let rows = SERVERS.map(|server| held(server).collect::<Vec<_>>());
            assert_eq!(rows[0].len(), 5);
            assert!(rows.iter().all(|copy| *copy == rows[0]), "{guard} {}", segment.name);
        }
        let states: Vec<_> =
            (0..6).map(|seq| committed_on(&world, "server-3", &format!("acct__0__{seq}"))).collect();
        let local = Some("CommittedLocal".to_owned());
        let fetched = Some("Downloaded".to_owned());
        assert_eq!(states, [local.clone(), fetched.clone(), fetched.clone(), fetched, local.clone(), local]);
        assert_eq!(world.coverage("server-3").expect("running").incarnation, 2);
    }
}

#[test]
fn an_empty_segment_stays_and_an_unknown_name_is_told_the_known_ones() {
    let mut world = World::new(config(Guard::PartitionGate), 0).expect("settings are usable");
    pass(&mut world, 100);
    assert_eq!(world.force_commit(), Vec::<String>::new());
    world.release("never-held");
    let error = hold(&mut world, "server-9", 0, Transition::OfflineToConsuming).expect_err("no such server");
    assert!(error.to_string().contains("server-0, server-1"), "{error}");
    assert!(world.produce(7, Entry::default()).is_err());
}

#[test]
fn one_place_in_the_pool_and_a_gate_wait_for_each_other() {
    let config = Config { pool: 1, ..config(Guard::PartitionGate) };
    let mut world = World::new(config, 5).expect("settings are usable");
    pass(&mut world, 100);
    write(&mut world, "k", Some(1));
    hold(&mut world, VICTIM, 0, Transition::ConsumingToOnline).expect("victim exists");
    pass(&mut world, 100);
    world.force_commit();
    pass(&mut world, 500);
    world.release("ConsumingToOnline");
    write(&mut world, "k", Some(2));
    pass(&mut world, 5_000);
    let held = |server: &str| world.rows(server, "acct__0__1", 0, u64::MAX).map(Iterator::count);
    assert_eq!(OTHERS.map(held), [Some(1); 3]);
    assert_eq!(held(VICTIM), None, "the message that would open the gate never gets a slot");
}

#[test]
fn one_seed_does_the_same_to_the_last_byte_and_another_does_not() {
    let bytes = |seed| {
        let world = incident(Guard::StartupLatch, seed);
        let shown = SERVERS.map(|server| {
            let events = world.events(server, 0).expect("running");
            serde_json::to_string(&(events, world.coverage(server), world.current(server, 0, 0)))
        });
        shown.map(|shown| shown.expect("plain data")).join("\n")
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}
