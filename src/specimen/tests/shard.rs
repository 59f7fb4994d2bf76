//! The writers of one shard in virtual time: which arrangements freeze under which rule, what the shard then
//! holds, and who reports it.
//!
//! Each case writes a few keys and starts and stops writers. Then it compares the shard's frontier with the
//! clock of the input, and its rows with the input log.

use specimen::Entry;
use specimen::shard::{Config, Mode, Queue, Rule, World};
use std::collections::BTreeMap;

const TICK: u64 = 100_000_000;
const KEYS: u64 = 8;
const OLD: &str = "writer-0";
const NEW: &str = "writer-1";
const ALL: [Rule; 4] = [Rule::V1, Rule::V2Stranding, Rule::V2Dropping, Rule::V1DoubleDrain];
const QUEUES: [Queue; 3] = [Queue::Input, Queue::Feedback, Queue::Append];
const SEEDS: u64 = 50;

/// A batch holds fewer entries than a tick, so a writer that catches up reads one time in several batches.
fn world(rule: Rule, active: usize, seed: u64) -> World {
    let config = Config { rule, active, batch: 8, ..Config::new("acct", Vec::new()) };
    World::new(config, seed).expect("settings are usable")
}

fn quiet(world: &mut World, ticks: u64) {
    world.advance(world.now() + ticks * TICK);
}

/// Ten entries per tick; every eleventh entry is a tombstone.
fn busy(world: &mut World, ticks: u64) {
    for _ in 0..ticks * 10 {
        let op = world.log(0).len() as u64;
        let key = (op * op + op / 7) % KEYS;
        let entry = Entry { key: format!("k{key}").as_str().into(), op, ..Entry::default() };
        world.produce(Entry { tombstone: op % 11 == 10, ..entry });
        world.advance(world.now() + TICK / 10);
    }
}

fn upstream(world: &World) -> u64 {
    world.bindings().len() as u64
}

/// Whether the shard makes no progress while timestamps do, and is further behind than any lag here.
fn frozen(world: &mut World) -> bool {
    quiet(world, 20);
    let before = world.shard_upper();
    quiet(world, 20);
    world.shard_upper() == before && before + 20 < upstream(world)
}

/// The op of every row with its count, as the log defines it: the last entry of each key, once.
fn expected(world: &World, as_of: u64) -> Vec<(u64, i64)> {
    let end = world.bindings()[usize::try_from(as_of).expect("small")];
    let entries = world.log(0).iter().take(usize::try_from(end).expect("small"));
    let last: BTreeMap<_, _> = entries.map(|entry| (entry.key.clone(), entry)).collect();
    last.values().filter(|entry| !entry.tombstone).map(|entry| (entry.op, 1)).collect()
}

fn right(world: &World) -> bool {
    let complete = world.shard_upper();
    (0..complete).filter(|as_of| as_of % 10 == 0 || as_of + 1 == complete).all(|as_of| {
        let rows = world.contents(as_of).expect("below the upper");
        let rows: Vec<_> = rows.iter().map(|row| (row.entry.op, row.count)).collect();
        rows == expected(world, as_of)
    })
}

/// How often the shard froze, and how often its rows were right, over all seeds.
fn over_seeds(make: impl Fn(u64) -> World) -> (u64, u64) {
    (0..SEEDS).fold((0, 0), |(froze, was_right), seed| {
        let mut world = make(seed);
        (froze + u64::from(frozen(&mut world)), was_right + u64::from(right(&world)))
    })
}

/// A new generation starts when the old one is far ahead: cold, read-only and `lag` timestamps behind. Then
/// the new one is promoted and the old one is killed.
fn cold_cutover(rule: Rule, lag: u64, overlap: u64, seed: u64) -> World {
    let mut world = world(rule, 1, seed);
    busy(&mut world, 50);
    world.lag(NEW, lag).expect("writer exists");
    world.start(NEW, Mode::ReadOnly).expect("writer exists");
    busy(&mut world, overlap);
    world.promote(NEW).expect("writer exists");
    world.kill(OLD).expect("writer exists");
    busy(&mut world, 30);
    world
}

/// Both write from the start; `input_ms` is the maximum delay of the second writer's input. Then the first is
/// killed.
fn active_active(rule: Rule, input_ms: u64, overlap: u64, seed: u64) -> World {
    let mut world = world(rule, 2, seed);
    world.delay(NEW, Queue::Input, input_ms).expect("writer exists");
    busy(&mut world, overlap);
    world.kill(OLD).expect("writer exists");
    busy(&mut world, 30);
    world
}

/// The writer dies and another starts at once, while an append of the dead one is still in flight.
fn failover(rule: Rule, to: &str, append_ms: u64, seed: u64) -> World {
    let mut world = world(rule, 1, seed);
    world.delay(OLD, Queue::Append, append_ms).expect("writer exists");
    busy(&mut world, 30);
    world.kill(OLD).expect("writer exists");
    world.delay(OLD, Queue::Append, 0).expect("writer exists");
    world.start(to, Mode::ReadWrite).expect("writer exists");
    busy(&mut world, 30);
    world
}

/// Whether a writer's own frontier is far behind a shard that another writer moves.
fn latent(world: &World, writer: &str) -> bool {
    world.progress(writer).expect("running").frontier + 15 < world.shard_upper()
}

#[test]
fn one_writer_never_restarted_is_right_under_every_rule() {
    for rule in ALL {
        let alone = |seed| {
            let mut world = world(rule, 1, seed);
            for pause in 0..4 {
                busy(&mut world, 8);
                world.pause(OLD).expect("writer exists");
                busy(&mut world, pause);
                assert_eq!(world.progress(OLD), None);
                world.resume(OLD).expect("writer exists");
                world
                    .delay(OLD, QUEUES[usize::try_from(pause).expect("small") % 3], 80)
                    .expect("writer exists");
            }
            world
        };
        assert_eq!(over_seeds(alone), (0, SEEDS), "{rule}");
    }
}

#[test]
fn a_cold_cutover_freezes_under_the_rule_that_strands_and_what_the_shard_holds_is_right() {
    for lag in [2, 8] {
        for rule in ALL {
            let froze = if rule == Rule::V2Stranding { SEEDS } else { 0 };
            assert_eq!(over_seeds(|seed| cold_cutover(rule, lag, 20, seed)), (froze, SEEDS), "{rule} {lag}");
        }
    }
}

/// Goal: a new generation that is promoted before it has caught up, under the rule that drains twice.
#[test]
fn a_cutover_in_a_hurry_retracts_twice_under_one_rule_and_the_frontier_moves() {
    for rule in [Rule::V1, Rule::V1DoubleDrain] {
        let was_right = if rule == Rule::V1 { SEEDS } else { 0 };
        assert_eq!(over_seeds(|seed| cold_cutover(rule, 0, 2, seed)), (0, was_right), "{rule}");
    }
}

/// Goal: with two writers from the start, a freeze is more likely the later one of them reads.
#[test]
fn two_active_writers_freeze_more_often_the_further_one_lags() {
    let froze = [0, 25, 100].map(|input_ms| {
        let (froze, was_right) = over_seeds(|seed| active_active(Rule::V2Stranding, input_ms, 10, seed));
        assert_eq!(was_right, SEEDS);
        froze
    });
    assert!(froze[0] <= 5 && (5..45).contains(&froze[1]) && froze[2] >= 45, "{froze:?}");
    for rule in [Rule::V1, Rule::V2Dropping] {
        assert_eq!(over_seeds(|seed| active_active(rule, 100, 10, seed)), (0, SEEDS), "{rule}");
    }
    let (froze, was_right) = over_seeds(|seed| active_active(Rule::V1DoubleDrain, 400, 10, seed));
    assert!(froze == 0 && was_right < SEEDS, "{froze} {was_right}");
}

/// Goal: a starting writer meets an append of the previous writer, which is another one or itself.
#[test]
fn a_late_append_of_a_dead_writer_is_a_second_writer() {
    for to in [OLD, NEW] {
        let (froze, was_right) = over_seeds(|seed| failover(Rule::V2Stranding, to, 100, seed));
        assert!(froze > 0 && was_right == SEEDS, "{froze} {was_right}");
        let (froze, was_right) = over_seeds(|seed| failover(Rule::V1DoubleDrain, to, 100, seed));
        assert!(froze == 0 && was_right < SEEDS, "{froze} {was_right}");
        for rule in [Rule::V1, Rule::V2Dropping] {
            assert_eq!(over_seeds(|seed| failover(rule, to, 100, seed)), (0, SEEDS), "{rule}");
        }
    }
}

/// Goal: what a stranded writer reports while the other lives, after the other has left, and after a restart.
#[test]
fn a_freeze_is_latent_then_visible_and_a_restart_clears_it() {
    let mut world = world(Rule::V2Stranding, 1, 1);
    busy(&mut world, 30);
    world.start(NEW, Mode::ReadOnly).expect("writer exists");
    busy(&mut world, 40);
    assert!(latent(&world, NEW) && !latent(&world, OLD));
    assert!(!frozen(&mut world), "the old writer moves the shard");
    world.promote(NEW).expect("writer exists");
    world.kill(OLD).expect("writer exists");
    busy(&mut world, 5);
    let before = world.progress(NEW).expect("running");
    assert!(frozen(&mut world));
    busy(&mut world, 5);
    let after = world.progress(NEW).expect("running");
    assert_eq!((after.status.as_str(), after.incarnation, after.hydrated), ("running", 1, true));
    assert_eq!((after.mode, after.frontier, after.updates_appended), (Mode::ReadWrite, before.frontier, 0));
    assert!(after.offset > before.offset && after.updates_stashed > before.updates_stashed);
    assert_eq!(world.progress(OLD), None);
    world.kill(NEW).expect("writer exists");
    world.start(NEW, Mode::ReadWrite).expect("writer exists");
    assert!(!frozen(&mut world) && right(&world));
    let healed = world.progress(NEW).expect("running");
    assert_eq!((healed.incarnation, healed.updates_stashed), (2, 0));
    assert!(healed.updates_appended > 0);
}

#[test]
fn a_quiet_input_moves_the_frontier_and_a_stopped_writer_does_not() {
    for rule in ALL {
        let mut world = world(rule, 2, 3);
        busy(&mut world, 5);
        assert!(!frozen(&mut world), "{rule}");
        assert_eq!(world.log(0).len(), 50);
        assert_eq!(world.contents(world.shard_upper()), None);
        world.kill(OLD).expect("writer exists");
        world.pause(NEW).expect("writer exists");
        assert!(frozen(&mut world), "{rule}");
        world.resume(NEW).expect("writer exists");
        assert!(!frozen(&mut world), "{rule}");
    }
}

/// Goal: `lag` keeps a writer exactly that many timestamps behind.
#[test]
fn a_writer_that_lags_moves_the_frontier_that_far_behind() {
    let mut world = world(Rule::V2Dropping, 1, 0);
    world.lag(OLD, 6).expect("writer exists");
    busy(&mut world, 20);
    assert_eq!(world.bindings()[..4], [10, 20, 30, 40]);
    let behind = upstream(&world) - world.shard_upper();
    assert!((6..9).contains(&behind), "{behind}");
    world.lag(OLD, 0).expect("writer exists");
    quiet(&mut world, 10);
    assert!(upstream(&world) - world.shard_upper() < 3);
}

#[test]
fn settings_that_make_no_sense_and_unknown_names_are_refused() {
    let config = Config::new("acct", Vec::new());
    assert!(World::new(Config { active: 3, ..config.clone() }, 0).is_err());
    assert!(World::new(Config { tick_ms: 0, ..config.clone() }, 0).is_err());
    let mut world = World::new(config, 0).expect("settings are usable");
    let error = world.promote("writer-7").expect_err("no such writer").to_string();
    assert!(error.contains("writer-0, writer-1"), "{error}");
    for (name, rule) in specimen::shard::RULES {
        assert_eq!((name.parse::<Rule>().expect(name), rule.to_string()), (rule, name.to_owned()));
    }
    assert!("v3".parse::<Rule>().expect_err("no such rule").to_string().contains("v1-double-drain"));
}

#[test]
fn one_seed_does_the_same_to_the_last_byte_and_another_does_not() {
    let bytes = |seed| {
        let mut world = active_active(Rule::V2Stranding, 50, 10, seed);
        let mut snapshots = Vec::new();
        for _ in 0..40 {
            let at = world.next_at().expect("the clock ticks");
            world.advance(at);
            snapshots.push((
                at,
                world.progress(NEW),
                world.shard_upper(),
                world.contents(world.shard_upper() - 1),
            ));
        }
        serde_json::to_string(&snapshots).expect("plain data")
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}
