//! What is wrong with the machine of a server, in virtual time, and what a server makes of messages that come
//! late.

use shown::{committed_on, shown};
use specimen::segments::{Config, Guard, Hold, Transition, World};
use specimen::{Column, Entry, HostFault, Merge, Type, Value};

mod shown;

const MS: u64 = 1_000_000;
const VICTIM: &str = "server-1";
const OTHER: &str = "server-0";
const SERVERS: [&str; 4] = ["server-0", "server-1", "server-2", "server-3"];
const SEG_M: &str = "acct__0__1";
const SEG_M1: &str = "acct__0__2";

/// One partition, one column that is overwritten, and one that lists the ops.
fn config() -> Config {
    let column = |name: &str, ty, merge| Column { name: name.to_owned(), ty, merge };
    let columns =
        vec![column("last", Type::Long, Merge::Overwrite), column("ops", Type::LongList, Merge::Append)];
    Config { guard: Guard::PartitionGate, ..Config::new("acct", columns, 1) }
}

/// Writes an update of the only key. Its op id and comparison value are its offset.
fn write(world: &mut World, last: i64) {
    let op = world.log_ends()[0];
    let cmp = op.cast_signed();
    let cols = vec![Value::Long(last), Value::Longs([cmp].into())];
    world.produce(0, Entry { key: "k".into(), op, cmp, cols, ..Entry::default() }).expect("it exists");
}

fn pass(world: &mut World, ms: u64) {
    world.advance(world.now() + ms * MS);
}

fn hold(world: &mut World, seq: u32, transition: Transition) {
    let (id, server) = (format!("{transition:?}"), VICTIM.to_owned());
    world.hold(Hold { id, server, partition: 0, seq, transition }).expect("it exists");
}

fn row(last: i64, ops: &[i64]) -> Vec<Value> {
    vec![Value::Long(last), Value::Longs(ops.to_vec().into())]
}

fn position(world: &World, server: &str) -> u64 {
    let covers = world.coverage(server).expect("it answers").covers;
    covers.iter().filter(|cover| cover.partition == 0).map(|cover| cover.end).max().unwrap_or(0)
}

/// Goal: what the network does to the messages of a server, and that all of them come in the end. Method:
/// five rows are written under each fault, and the server is read at once.
#[test]
fn what_the_network_keeps_from_a_server_comes_once_it_is_back() {
    let cases = [
        (HostFault::Partition, 0..=0),
        (HostFault::CutIncoming, 0..=0),
        (HostFault::CutOutgoing, 0..=0),
        (HostFault::DelayMs(2_000), 0..=5),
        (HostFault::DropPercent(50), 5..=5),
        (HostFault::ThrottlePerSecond(1), 0..=5),
    ];
    for (fault, seen) in cases {
        let mut world = World::new(config(), 3).expect("settings are usable");
        pass(&mut world, 200);
        world.set_host(VICTIM, "it", Some(fault)).expect("it exists");
        (0..5).for_each(|at| write(&mut world, at));
        pass(&mut world, 3_000);
        assert!(seen.contains(&position(&world, VICTIM)), "{fault:?}: {}", position(&world, VICTIM));
        assert_eq!(position(&world, OTHER), 5);
        world.force_commit();
        pass(&mut world, 1_000);
        world.set_host(VICTIM, "it", None).expect("it exists");
        pass(&mut world, 5_000);
        let last = row(4, &[0, 1, 2, 3, 4]);
        for server in SERVERS {
            let ended = committed_on(&world, server, "acct__0__0");
            assert!(matches!(ended.as_deref(), Some("CommittedLocal" | "Downloaded")), "{fault:?} {ended:?}");
            assert_eq!(shown(&world, server, "acct__0__0", 4), Some(last.clone()), "{fault:?} {server}");
        }
    }
}

/// Goal: a copy that there is no room for is not registered, is stored once there is room, and is there after
/// a restart. Method: the victim must download a segment that it was cut off from.
#[test]
fn a_copy_that_there_is_no_room_for_is_registered_once_there_is() {
    let mut world = World::new(config(), 3).expect("settings are usable");
    pass(&mut world, 200);
    write(&mut world, 1);
    pass(&mut world, 200);
    world.set_host(VICTIM, "cut", Some(HostFault::Partition)).expect("it exists");
    world.set_host(VICTIM, "full", Some(HostFault::DiskFull)).expect("it exists");
    pass(&mut world, 100);
    world.force_commit();
    pass(&mut world, 500);
    write(&mut world, 2);
    pass(&mut world, 200);
    world.force_commit();
    pass(&mut world, 500);
    world.set_host(VICTIM, "cut", None).expect("it exists");
    pass(&mut world, 1_000);
    assert_eq!(committed_on(&world, VICTIM, SEG_M), None, "it has no room");
    assert_eq!(committed_on(&world, OTHER, SEG_M).as_deref(), Some("CommittedLocal"));
    world.set_host(VICTIM, "full", None).expect("it exists");
    pass(&mut world, 100);
    assert_eq!(committed_on(&world, VICTIM, SEG_M).as_deref(), Some("Downloaded"));
    world.kill(VICTIM).expect("it exists");
    world.start(VICTIM).expect("it exists");
    pass(&mut world, 300);
    let events = world.events(VICTIM, 0).expect("it answers");
    let from: Vec<_> = events.iter().filter_map(|event| event.detail["from"].as_str()).collect();
    assert_eq!(from, ["disk", "disk"]);
}

/// Goal: a slow server is late, answers, and is quick again at once; a clock that is set shows in its events,
/// and nothing else does.
#[test]
fn a_slow_server_is_late_and_a_clock_shows_only_in_events() {
    let mut world = World::new(config(), 3).expect("settings are usable");
    world.set_host(VICTIM, "slow", Some(HostFault::Slow(100))).expect("it exists");
    world.set_host(OTHER, "clock", Some(HostFault::ClockMs(3_600_000))).expect("it exists");
    pass(&mut world, 1_000);
    write(&mut world, 1);
    pass(&mut world, 100);
    assert_eq!((position(&world, VICTIM), position(&world, OTHER)), (0, 1));
    world.set_host(VICTIM, "slow", None).expect("it exists");
    world.set_host(OTHER, "clock", None).expect("it exists");
    pass(&mut world, 2_000);
    world.force_commit();
    pass(&mut world, 100);
    assert_eq!((position(&world, VICTIM), position(&world, OTHER)), (1, 1));
    let ahead: Vec<bool> =
        world.events(OTHER, 0).expect("it answers").iter().map(|it| it.node_ms > 3_600_000).collect();
    let [boot, rest @ ..] = &ahead[..] else { panic!("it booted") };
    let (first, last) = (rest.first(), rest.last());
    assert_eq!((*boot, first, last), (false, Some(&true), Some(&false)), "it booted before the jump");
}

/// Goal: a server that hears late of two segments merges the first one before it loads the second, newer one.
/// Method: the first one waits for its guard until both are committed. Right rows are not replaced.
#[test]
fn a_segment_is_not_loaded_while_an_earlier_one_is_still_to_be_merged() {
    let mut world = World::new(config(), 3).expect("settings are usable");
    pass(&mut world, 200);
    write(&mut world, 1);
    pass(&mut world, 100);
    hold(&mut world, 0, Transition::ConsumingToOnline);
    hold(&mut world, 2, Transition::OfflineToConsuming);
    for at in 2..4 {
        world.force_commit();
        pass(&mut world, 700);
        write(&mut world, at);
        pass(&mut world, 100);
    }
    world.force_commit();
    pass(&mut world, 700);
    assert_eq!(committed_on(&world, OTHER, SEG_M1).as_deref(), Some("CommittedLocal"));
    world.release("OfflineToConsuming");
    pass(&mut world, 500);
    assert_eq!(committed_on(&world, VICTIM, SEG_M1), None, "SEG_M still waits for its guard");
    world.release("ConsumingToOnline");
    pass(&mut world, 1_000);
    let both = [SEG_M, SEG_M1].map(|segment| committed_on(&world, VICTIM, segment));
    assert_eq!(both, ["CommittedLocal", "Downloaded"].map(|state| Some(state.to_owned())));
}
