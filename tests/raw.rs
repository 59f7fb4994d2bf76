//! `dissent raw`: one key on all replicas, of a recorded run and of a live cluster, and the error for a key
//! that does not exist.

use crate::support::{sim, spec, whole_key};
use dissent::adapter::specimen::{self, SpecimenCluster};
use dissent::adapter::{Cluster, InjectionContext};
use dissent::cli::Format;
use dissent::commands::raw_live;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::key_view::with_model::{ShownCell, at_captures, with_model};
use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::generator::table::schema;
use dissent_core::history::event::Op;
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::run_record::RunRecord;
use dissent_core::history::schema::Value;
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::run_reader::RunReader;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

fn raw(results: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    let output = command.arg("raw").args(words).env("DISSENT_RESULTS", results).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The view must show what the judge found: the same replica, at the same offset, in the same columns.
#[test]
fn a_recorded_key_shows_what_the_judge_found() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &[]);
    let judged = run_simulated(&spec, Seed(7), results.path(), Retention::All).expect("a verdict");
    let Verdict { findings, .. } = &judged.verdict;
    let FindingKind::Divergence(found) = &findings[0].kind else { panic!("{findings:?}") };
    let row = &found.evidence[0];
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let views = with_model(&folder, &row.key).expect("the key is in the log");
    let [view] = &views[..] else { panic!("one partition: {views:?}") };
    let at = view.rows.iter().find(|seen| Some(seen.off) == row.off).expect("the offset");
    assert_eq!(at.expected, row.expected);
    for ((replica, held), shown) in view.replicas.iter().zip(&at.held).zip(&row.shown) {
        let ShownCell::Row { cells, current, odd, .. } = held else { panic!("{replica}: {held:?}") };
        assert_eq!(Some(cells), shown.row.as_ref(), "{replica}");
        assert_eq!(*current, shown.current, "{replica}");
        let named: Vec<&String> = odd.iter().collect();
        let mut wrong: Vec<&String> = if shown.wrong { row.columns.iter().collect() } else { Vec::new() };
        wrong.sort();
        assert_eq!(named, wrong, "{replica}");
    }
    assert_eq!(view.odd().1.into_iter().collect::<Vec<_>>(), found.last.wrong);

    let (code, out, _) = raw(results.path(), &["latest", &row.key]);
    assert_eq!(code, Some(1), "something is odd: {out}");
    assert!(out.contains("✗ ") && out.contains("CURRENT") && out.contains("expected"), "{out}");
    let last = out.lines().last().expect("a line");
    assert!(last.starts_with(&row.key) && last.contains(&format!("(on {})", found.last.wrong[0])), "{last}");
    let capture = view.capture.to_string();
    let words = ["latest", &row.key, "--format", "json", "--capture", &capture];
    let (code, out, _) = raw(results.path(), &words);
    assert_eq!(code, Some(1));
    let document: serde_json::Value = serde_json::from_str(&out).expect("one document");
    assert_eq!(document[0]["rows"].as_array().map(Vec::len), Some(view.rows.len()));
}

/// A frozen server has not loaded what it waits for. That is no difference.
#[test]
fn what_a_replica_has_not_loaded_is_shown_and_not_counted_as_odd() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &["guard=partition-gate-no-skip-wake"]);
    let judged = run_simulated(&spec, Seed(3), results.path(), Retention::All).expect("a verdict");
    let FindingKind::Frozen(frozen) = &judged.verdict.findings[0].kind else {
        panic!("{:?}", judged.verdict.findings)
    };
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let key = RunRecord::log(&folder, frozen.partition.expect("a position"))
        .find(|entry| entry.off == frozen.position)
        .expect("the log goes on")
        .key
        .clone();
    let views = with_model(&folder, &key).expect("it is in the log");
    let view = views.iter().find(|view| Some(view.partition) == frozen.partition).expect("this partition");
    let at = view.rows.iter().find(|row| row.off == frozen.position).expect("the offset");
    for (replica, held) in view.replicas.iter().zip(&at.held) {
        assert_eq!(*held == ShownCell::NotLoaded, Some(replica) == frozen.replica.as_ref(), "{replica}");
    }
    assert_eq!(view.odd().0, 0);
}

#[test]
fn what_cannot_be_shown_is_an_error_with_the_next_step() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("steady", "none", &[]);
    let judged = run_simulated(&spec, Seed(1), results.path(), Retention::All).expect("a verdict");
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let known = RunRecord::log(&folder, 0).next().expect("a log").key.clone();
    let typo = format!("{known}x");
    let cases = [
        (["latest", typo.as_str()], known.as_ref()),
        (["specimen-segments", "k1"], "dissent raw latest k1"),
        (["sim-segments", "k1"], "exists only during a run"),
        (["nowhere", "k1"], "nowhere"),
    ];
    for (words, told) in cases {
        let (code, out, err) = raw(results.path(), &words);
        assert_eq!(code, Some(2), "{words:?} {err}");
        assert!(err.contains(told) && out.is_empty(), "{words:?} should tell {told}: {err}");
    }
}

/// Two writes of one key to a cluster of processes, read without its router.
#[tokio::test]
async fn a_live_cluster_is_shown_in_the_same_view() {
    let dir = tempfile::tempdir().expect("a folder");
    let spec = spec("specimen-segments", "steady", "none", &[]);
    let schema = schema(&spec.workload, &[]);
    let program = Path::new(env!("CARGO_BIN_EXE_dissent"));
    let started = SpecimenCluster::start(
        spec.target.specimen().expect("ours"),
        program,
        &dir.path().join("cluster"),
        &spec.settings,
    )
    .await;
    let cluster = Arc::new(started.expect("the cluster starts"));
    let made = cluster.make_table("raw", &schema, spec.workload.partitions, None).await;
    made.expect("an empty table");
    let (program, mark, lease) = (program.to_owned(), "raw".to_owned(), Duration::from_secs(60));
    let target =
        specimen::open(&cluster, &schema, InjectionContext { program, mark, lease }).expect("its parts");
    let op = |id: u64| Op {
        id,
        partition: 0,
        key: "k1".into(),
        cmp: id.cast_signed(),
        cols: schema.columns.iter().map(|_| Value::Null).collect(),
        delete: false,
        due: Nanos(0),
    };
    let written = target.client.as_ref().expect("a front door").write(&[op(1), op(2)]).await;
    assert_eq!(written.iter().map(|done| done.off).collect::<Vec<_>>(), [Some(0), Some(1)]);
    let view = loop {
        let shown = raw_live(&target, &schema, "k1", &whole_key(Format::Json)).await.expect("it answers");
        let views: serde_json::Value = serde_json::from_str(&shown.text).expect("JSON");
        if !shown.text.contains("not-loaded") {
            break views[0].clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let rows = view["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["off"], at);
        assert_eq!(row["expected"]["op"], at + 1);
        let held = row["held"].as_array().expect("replicas");
        assert_eq!(held.len(), target.roster.len());
        for replica in held {
            assert_eq!(replica["row"]["cells"]["op"], at + 1);
            assert_eq!(replica["row"]["current"], at == 1);
            assert_eq!(replica["row"]["odd"], serde_json::json!([]));
        }
    }
    let injector = target.injector.as_ref().expect("injector");
    let fault =
        Fault { kind: FaultKind::Restart, replica: "server-2".to_owned(), partition: None, seq: None };
    let cure = injector.cure("down", &fault).await.expect("it has a cure");
    injector.begin(&cure).await.expect("it runs");
    let human = whole_key(Format::Human);
    let text = raw_live(&target, &schema, "k1", &human).await.expect("the others answer").text;
    assert!(text.ends_with("k1: 6 rows at 2 offsets, 0 odd or missing, 2 not loaded"), "{text}");
    let none = raw_live(&target, &schema, "k2", &human).await.expect_err("no such key");
    assert!(none.to_string().contains("k1"), "{none}");
    injector.heal(&cure).await.expect("it can be started");
    cluster.end().await;
}

/// What healed is odd only in earlier captures, and those are shown; what agrees is folded away.
#[test]
fn a_key_that_healed_is_shown_as_it_was_and_what_agrees_is_folded() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &["ending=healthy-wins"]);
    let judged = run_simulated(&spec, Seed(7), results.path(), Retention::All).expect("a verdict");
    let FindingKind::Divergence(found) = &judged.verdict.findings[0].kind else { panic!("a divergence") };
    let key = &found.evidence[0].key;
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let all = at_captures(&folder, key).expect("the key is in the log");
    let odd: Vec<u32> = all.iter().filter(|view| view.odd().0 > 0).map(|view| view.capture).collect();
    let last = all.iter().map(|view| view.capture).max().expect("captures");
    assert!(odd.contains(&found.last.capture) && !odd.contains(&last), "{odd:?} {:?}", found.last);

    let (code, out, _) = raw(results.path(), &["latest", key]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("✗ ") && out.contains(&format!("capture {}", odd[0])), "{out}");
    assert!(out.contains("without anything odd") && out.contains("other column"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "too wide:\n{out}");
    let number = last.to_string();
    let (code, out, _) = raw(results.path(), &["latest", key, "--capture", &number]);
    assert_eq!(code, Some(0), "the last capture is right: {out}");
    let (_, whole, _) = raw(results.path(), &["latest", key, "--all"]);
    assert!(whole.lines().count() > out.lines().count() && !whole.contains("without anything odd"));
    let column = &found.columns[0];
    let (_, narrow, _) = raw(results.path(), &["latest", key, "--columns", column]);
    assert!(narrow.contains(column.as_str()) && !narrow.contains("other column"), "{narrow}");
    let (code, _, err) = raw(results.path(), &["latest", key, "--capture", "999"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains(&number), "{err}");
}

/// Nothing is odd about any key of a healthy run, at any capture.
#[test]
fn no_capture_of_a_healthy_run_is_odd() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &["guard=partition-gate"]);
    let judged = run_simulated(&spec, Seed(3), results.path(), Retention::All).expect("a verdict");
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let mut keys: Vec<String> = RunRecord::log(&folder, 0).map(|entry| entry.key.to_string()).collect();
    keys.sort();
    keys.dedup();
    for key in keys.iter().step_by(keys.len() / 8) {
        for view in at_captures(&folder, key).expect("it is in the log") {
            assert_eq!(view.odd().0, 0, "{key} at capture {}", view.capture);
        }
    }
}
