//! Goal: what happens in one of a thousand runs on a Pinot cluster causes no false alarm and no hang, and
//! gives an error that says what is wrong. Method: the real adapter on a cluster of canned answers
//! (`pinot/fake.rs`).

mod fake;

use crate::support::whole_key;
use dissent::adapter::{Capabilities, InjectionContext, reach};
use dissent::cli::Format;
use dissent::commands::raw_live;
use dissent::config::target::TargetFile;
use dissent::target_error::TargetError;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{CopyState, CurrentRow, Row};
use dissent_core::history::schema::Schema;
use fake::{Fake, Held, Trouble, World, instance, segment};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const HOSTS: [Option<&str>; 5] =
    [Some("pinot-s1"), Some("pinot-s2"), Some("pinot-s3"), Some("pinot-s4"), Some("pinot-s5")];

/// Partition 0 is on the first four servers: a committed segment and a consuming one, with this many rows.
/// Partition 1 is on the last four: a consuming segment with nine rows.
fn world(committed: u64, consuming: u64) -> World {
    let on = |servers: std::ops::Range<usize>, rows| servers.map(|server| (server, rows)).collect();
    let segments = vec![
        Held { start: 0, end: Some(committed), rows: on(0..4, committed) },
        Held { start: committed, end: None, rows: on(0..4, consuming) },
        Held { start: 0, end: None, rows: on(1..5, 9) },
    ];
    World { hosts: HOSTS.to_vec(), segments, keys: 7, ..World::default() }
}

async fn try_open(fake: &Fake) -> Result<(Schema, Capabilities), TargetError> {
    open_file(&fake.target()).await
}

async fn open_file(file: &TargetFile) -> Result<(Schema, Capabilities), TargetError> {
    let site = reach(file).await?;
    let schema = site.table().await?.expect("a table");
    let grip = InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
    let target = site.open(&schema, grip)?;
    Ok((schema, target))
}

async fn open(fake: &Fake) -> Capabilities {
    try_open(fake).await.expect("a target").1
}

async fn rows(target: &Capabilities, server: usize, number: usize, to: u64) -> Result<Vec<Row>, TargetError> {
    let raw = target.raw_reads.as_ref().expect("raw reads");
    let start = if number == 0 { 0 } else { raw_start(target, server, number).await };
    let mut rows = Vec::new();
    raw.rows(&instance(server), &segment(number), start, to, &mut |row| rows.push(row)).await?;
    Ok(rows)
}

async fn raw_start(target: &Capabilities, server: usize, number: usize) -> u64 {
    let coverage =
        target.raw_reads.as_ref().expect("raw reads").coverage(&instance(server)).await.expect("coverage");
    coverage.covers.iter().find(|cover| cover.segment == segment(number)).map_or(0, |cover| cover.start)
}

async fn flags(
    target: &Capabilities,
    server: usize,
    partition: u32,
) -> Result<BTreeMap<Arc<str>, Vec<u64>>, TargetError> {
    let mut keys = BTreeMap::new();
    let mut keep = |CurrentRow { key, offs }| drop(keys.insert(key, offs));
    target
        .raw_reads
        .as_ref()
        .expect("raw reads")
        .current_rows(&instance(server), partition, 0, &mut keep)
        .await?;
    Ok(keys)
}

fn are_whole(rows: &[Row], offs: std::ops::Range<u64>) {
    assert!(rows.iter().map(|row| row.off).eq(offs.clone()), "{} rows for {offs:?}", rows.len());
    assert!(rows.iter().all(|row| row.op == row.off && *row.key == *format!("k-{}", row.off % 7)));
}

/// How many of the queries asked for rows.
fn big(fake: &Fake) -> usize {
    fake.world().queries.iter().filter(|sql| sql.contains("\"v\"")).count()
}

#[tokio::test]
async fn a_big_segment_comes_in_pages_each_asked_for_once() {
    let fake = Fake::of(world(120_000, 10));
    let target = open(&fake).await;
    assert_eq!(target.roster.len(), 5);
    are_whole(&rows(&target, 2, 0, 120_000).await.expect("rows"), 0..120_000);
    assert_eq!(big(&fake), 3, "no big answer was thrown away");
}

/// The broker does not always get queries in the order in which they were sent. Then some are repeated.
#[tokio::test]
async fn queries_that_run_side_by_side_bring_each_server_its_own_rows() {
    for other_client in [None, Some(7)] {
        let fake = Fake::of(World { other_client, ..world(120_000, 10) });
        let mut file = fake.target();
        file.limits.queries = 4;
        let (_, target) = open_file(&file).await.expect("a target");
        let read = |server| rows(&target, server, 0, 120_000 - server as u64);
        let (a, b, c, d) = tokio::join!(read(0), read(1), read(2), read(3));
        for (server, rows) in (0..).zip([a, b, c, d]) {
            are_whole(&rows.expect("rows"), 0..120_000 - server);
        }
    }
}

/// Equal checksums of copies without rows would say that they are equal, and different ones that they differ.
#[tokio::test]
async fn only_committed_copies_with_rows_tell_a_checksum() {
    let mut world = world(10, 5);
    world.segments[2].rows = (1..5).map(|server| (server, 0)).collect();
    world.segments[2].end = Some(0);
    let fake = Fake::of(world);
    let target = open(&fake).await;
    let mut checksums = BTreeMap::new();
    for server in 0..4 {
        let raw = target.raw_reads.as_ref().expect("raw reads");
        let coverage = raw.coverage(&instance(server)).await.expect("coverage");
        for cover in coverage.covers {
            checksums.entry(cover.segment).or_insert_with(Vec::new).push(cover.checksum);
        }
    }
    assert_eq!(checksums[&segment(0)], [Some(1_580_140_690); 4]);
    assert_eq!(checksums[&segment(1)], [None; 4]);
    assert_eq!(checksums[&segment(2)], [None; 3]);
}

#[tokio::test]
async fn another_client_costs_queries_but_causes_no_wrong_row() {
    for other_client in [2, 3, 5] {
        let fake = Fake::of(World { other_client: Some(other_client), ..world(60_000, 10) });
        let target = open(&fake).await;
        for server in [0, 3] {
            are_whole(&rows(&target, server, 0, 60_000).await.expect("rows"), 0..60_000);
        }
    }
}

#[tokio::test]
async fn a_replica_far_behind_shows_what_it_has() {
    let mut world = world(10, 60_000);
    world.segments[1].rows.insert(2, 3);
    world.segments[1].rows.insert(3, 0);
    let fake = Fake::of(world);
    let target = open(&fake).await;
    are_whole(&rows(&target, 1, 1, 60_010).await.expect("rows"), 10..60_010);
    are_whole(&rows(&target, 2, 1, 13).await.expect("rows"), 10..13);
    let current = flags(&target, 2, 0).await.expect("flags");
    assert_eq!(current.into_values().flatten().min(), Some(6), "the last seven of thirteen");
    let raw = target.raw_reads.as_ref().expect("raw reads");
    let behind = raw.coverage(&instance(3)).await.expect("coverage");
    assert_eq!(behind.covers.iter().map(|cover| cover.end).collect::<Vec<_>>(), [10, 10, 9]);
}

#[tokio::test]
async fn partitions_on_different_servers_are_told_apart() {
    let fake = Fake::of(world(60_000, 10));
    let target = open(&fake).await;
    for (server, partition, offs) in [
        (0, 0, 60_003..60_010),
        (3, 0, 60_003..60_010),
        (4, 0, 0..0),
        (0, 1, 0..0),
        (3, 1, 2..9),
        (4, 1, 2..9),
    ] {
        let current = flags(&target, server, partition).await.expect("flags");
        let mut current: Vec<u64> = current.into_values().flatten().collect();
        current.sort_unstable();
        assert!(current.iter().copied().eq(offs.clone()), "{server}, {partition}: {current:?}, not {offs:?}");
    }
}

#[tokio::test]
async fn a_segment_without_rows_is_no_difference_and_no_error() {
    let mut world = world(0, 0);
    world.segments.iter_mut().flat_map(|held| held.rows.values_mut()).for_each(|rows| *rows = 0);
    let fake = Fake::of(world);
    let target = open(&fake).await;
    let raw = target.raw_reads.as_ref().expect("raw reads");
    for server in 1..4 {
        let coverage = raw.coverage(&instance(server)).await.expect("coverage");
        let states: Vec<(u64, CopyState)> =
            coverage.covers.iter().map(|cover| (cover.rows, cover.state)).collect();
        assert_eq!(
            states,
            [(0, CopyState::Downloaded), (0, CopyState::Consuming), (0, CopyState::Consuming)]
        );
        are_whole(&rows(&target, server, 0, 0).await.expect("no rows"), 0..0);
        assert!(flags(&target, server, 0).await.expect("flags").is_empty());
    }
    assert!(fake.world().queries.is_empty(), "an empty answer would not tell whose it is");
}

#[tokio::test]
async fn a_hidden_server_is_not_readable_until_it_is_back() {
    let fake = Fake::of(World { hidden: Some(1), ..world(20, 10) });
    let target = open(&fake).await;
    let error = rows(&target, 1, 0, 20).await.expect_err("hidden").to_string();
    assert!(error.contains(&instance(1)) && error.contains("asks others"), "{error}");
    are_whole(&rows(&target, 2, 0, 20).await.expect("rows"), 0..20);
    fake.world().hidden = None;
    are_whole(&rows(&target, 1, 0, 20).await.expect("rows"), 0..20);
}

#[tokio::test]
async fn a_read_that_lacks_a_row_ends_there() {
    let fake = Fake::of(world(120_000, 10));
    let target = open(&fake).await;
    fake.world().trouble = Some(("$docId >= 50000", Trouble::Short));
    are_whole(&rows(&target, 1, 0, 120_000).await.expect("what came"), 0..99_999);
}

/// What the broker does, and the words of the error.
#[tokio::test]
async fn an_error_says_what_is_wrong_with_the_brokers_answer() {
    let fake = Fake::of(world(20, 10));
    let target = open(&fake).await;
    for (trouble, words) in [
        (Trouble::StopSignal, "no answer from "),
        (Trouble::Html, "expected value"),
        (Trouble::Broken, "500"),
        (Trouble::Partial, "a partial result"),
        (Trouble::Groups, "a partial result"),
        (Trouble::LeavesOut, "knows 2 of the table's 3 segments"),
        (Trouble::Unavailable, "(305): 8 segments"),
    ] {
        fake.world().trouble = Some(("SELECT", trouble));
        let error = flags(&target, 1, 0).await.expect_err("no flags").to_string();
        assert!(error.contains(words) && error.contains("/query/sql"), "{trouble:?}: {error}");
    }
    fake.world().trouble = None;
    assert_eq!(flags(&target, 1, 0).await.expect("flags").len(), 7, "once it is over it is over");
}

/// If the controller cannot answer, nothing is taken to be missing.
#[tokio::test]
async fn an_error_says_what_is_wrong_with_the_controllers_answer() {
    for trouble in [Trouble::StopSignal, Trouble::Html, Trouble::Broken] {
        for at in ["/metadata", "idealstate", "segments/crc", "consumingSegmentsInfo", "LIVEINSTANCES"] {
            let fake = Fake::of(world(20, 10));
            let target = open(&fake).await;
            fake.world().trouble = Some((at, trouble));
            let error = match at {
                "idealstate" => target.segments.as_ref().expect("an authority").segments().await.err(),
                _ => target.raw_reads.as_ref().expect("raw").coverage(&instance(1)).await.err(),
            };
            assert!(error.is_some_and(|error| error.to_string().contains(at)), "{trouble:?} at {at}");
        }
    }
}

#[tokio::test]
async fn servers_that_cannot_be_told_apart_are_refused() {
    let mut hosts = HOSTS.to_vec();
    hosts[3] = hosts[1];
    let fake = Fake::of(World { hosts, ..world(20, 10) });
    let error = try_open(&fake).await.err().expect("refused").to_string();
    let named = [1, 3].iter().all(|server| error.contains(&instance(*server)));
    assert!(named && error.contains("pinot-s2"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_matters_only_if_it_has_a_part_of_the_table() {
    let down = |server: usize| {
        let mut hosts = HOSTS.to_vec();
        hosts[server] = None;
        let mut world = World { hosts, ..world(20, 10) };
        world.segments.pop();
        Fake::of(world)
    };
    assert_eq!(open(&down(4)).await.roster.len(), 4);
    let error = try_open(&down(2)).await.err().expect("refused").to_string();
    assert!(error.contains(&instance(2)), "{error}");
}

#[tokio::test]
async fn lifecycle_records_come_once_and_cost_no_read() {
    let fake = Fake::of(world(20, 10));
    let target = open(&fake).await;
    let lifecycle = target.lifecycle.as_ref().expect("lives");
    let replica = instance(1);
    fake.world().trouble = Some(("CURRENTSTATES", Trouble::Broken));
    assert!(lifecycle.poll(&replica).await.is_err());
    fake.world().trouble = None;
    let records = lifecycle.poll(&replica).await.expect("records");
    let created = records.iter().filter(|record| record.kind == "transition-created").count();
    let finished = records.iter().filter(|record| record.kind == "transition-finished").count();
    assert_eq!((created, finished), (4, 2), "{records:?}");
    assert!(records.iter().map(|record| record.seq).eq(0..8), "{records:?}");
    assert!(records.iter().all(|record| record.incarnation == 0x0100_00fb_98a1_001c));
    assert!(lifecycle.poll(&replica).await.expect("records").is_empty(), "once each");
    fake.world().hosts[1] = None;
    assert!(lifecycle.poll(&replica).await.expect("a server that is down").is_empty());
    assert!(lifecycle.poll("nobody").await.is_err());
}

/// Without a log, the coordination store shows what was created and committed, but not who won. With one, the
/// store adds the checksum that the log lacks.
#[tokio::test]
async fn the_controller_s_events_come_once_from_its_log_or_else_from_the_store() {
    let fake = Fake::of(world(20, 10));
    let target = open(&fake).await;
    let (lifecycle, catalogue) =
        (target.lifecycle.as_ref().expect("lives"), target.segments.as_ref().expect("it"));
    let kinds = |records: &[LifecycleRecord]| -> Vec<String> {
        records.iter().map(|it| format!("{} {}", it.kind, it.segment.as_deref().unwrap_or("-"))).collect()
    };
    assert!(lifecycle.poll_authority().await.expect("records").is_empty(), "nothing was looked at");
    catalogue.segments().await.expect("segments");
    let records = lifecycle.poll_authority().await.expect("records");
    let (s0, s1, s2) = (segment(0), segment(1), segment(2));
    let created = |of: &str| format!("segment-created {of}");
    assert_eq!(
        kinds(&records),
        [created(&s0), format!("segment-committed {s0}"), created(&s1), created(&s2)],
        "{records:?}"
    );
    assert!(records.iter().all(|it| it.replica == "controller" && it.node_ms > 0), "{records:?}");
    assert_eq!(
        (&records[1].detail["offset"], &records[1].detail["crc"]),
        (&json!(20), &json!(1_580_140_690))
    );
    assert!(lifecycle.poll_authority().await.expect("records").is_empty(), "once each");
    fake.world().segments[1].rows.remove(&3);
    catalogue.segments().await.expect("segments");
    let records = lifecycle.poll_authority().await.expect("records");
    assert_eq!(kinds(&records), [format!("ideal-state {s1}")]);

    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("controller.log");
    let line = format!("Committed segment {s0} at offset 20 winner {}\n", instance(2));
    std::fs::write(&log, line).expect("a log");
    let mut file = fake.target();
    file.logs.insert("controller".to_owned(), log);
    let target = open_file(&file).await.expect("a target").1;
    target.segments.as_ref().expect("an authority").segments().await.expect("segments");
    let records = target.lifecycle.as_ref().expect("lives").poll_authority().await.expect("records");
    assert_eq!(kinds(&records), ["boot -".to_owned(), format!("segment-committed {s0}")]);
    let told = &records[1].detail;
    assert_eq!((&told["server"], &told["crc"]), (&json!(instance(2)), &json!(1_580_140_690)));
}

#[tokio::test]
async fn a_table_that_no_run_made_is_shown_with_its_own_columns_and_what_is_unknown() {
    let mut world = World { is_theirs: true, differs: Some("pinot-s3"), ..world(20, 10) };
    world.segments.pop();
    let fake = Fake::of(world);
    let file = TargetFile { kafka: None, ..fake.target() };
    let site = reach(&file).await.expect("a site");
    let schema = site.table().await.expect("read").expect("a table");
    let grip = InjectionContext { program: PathBuf::new(), mark: String::new(), lease: Duration::ZERO };
    let target = site.open(&schema, grip).expect("a target");
    let human = whole_key(Format::Human);
    let told = raw_live(&target, &schema, "eu,3", &human).await.expect("the key").text;
    for words in [
        "not shown: which row wins: rows are compared by 2 columns (placed_at, paid_at)",
        "not shown: a key of one column: keys consist of region, number",
        "not shown: what the log says, or not all of it: the target file does not say where it is",
        "  total      unknown     1.5                   1.5                   ≠ 2.5                 1.5",
        "eu,3: 16 rows at 4 offsets, 4 odd or missing (on Server_pinot-s3_8100), 0 not loaded",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    assert!(!told.contains("✗") && !told.contains("expected"), "nothing is accused:\n{told}");
    let none = raw_live(&target, &schema, "eu,33", &human).await.expect_err("no such key").to_string();
    assert!(none.contains("eu,3"), "{none}");
}

/// The server's log has the real order, and is shown instead of the controller's view.
#[tokio::test]
async fn a_log_is_read_while_its_server_is_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.log");
    let mut world = world(20, 10);
    world.hosts[1] = Some("pinot-s2");
    let fake = Fake::of(world);
    let mut file = fake.target();
    file.logs.insert(instance(1), path.clone());
    let target = open_file(&file).await.expect("a target").1;
    let lifecycle = target.lifecycle.as_ref().expect("lives");
    let kinds = async || -> Vec<String> {
        let records = lifecycle.poll(&instance(1)).await.expect("records");
        records.into_iter().map(|record| record.kind).collect()
    };
    assert!(kinds().await.contains(&"log-lost".to_owned()), "it is not there yet");
    fake.world().hosts[1] = None;
    std::fs::write(&path, include_str!("../src/adapter/pinot/answers/0.11.0/server.log")).expect("a log");
    let told = kinds().await;
    for kind in ["boot", "transition-started", "consume-start", "registered", "gate"] {
        assert!(told.iter().any(|told| told == kind), "{kind}: {told:?}");
    }
    assert!(kinds().await.is_empty());
}
