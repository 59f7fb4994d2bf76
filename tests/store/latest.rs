//! `latest` names the newest run, and a path names itself.

use dissent_store::latest_run::{mark_latest, resolve};
use std::fs;

#[test]
fn latest_follows_the_newest_run() {
    let results = tempfile::tempdir().expect("folder");
    let results = results.path();
    let error = |run| resolve(results, run).expect_err("no run").to_string();
    assert!(error("latest").contains("no run in"));
    for run in ["r1", "r2"] {
        fs::create_dir(results.join(run)).expect("run");
        mark_latest(results, run).expect("mark");
        assert_eq!(resolve(results, "latest").expect("run"), results.join(run));
    }
    assert_eq!(resolve(results, "r1").expect("a name"), results.join("r1"));
    let path = results.join("r1");
    assert_eq!(resolve("/nowhere".as_ref(), path.to_str().expect("text")).expect("a path"), path);
    assert!(error("r3").contains("no run folder r3"));
    fs::remove_dir(results.join("r2")).expect("removed");
    assert!(error("latest").contains("names `r2`"));
}

#[test]
fn a_marker_may_be_a_file_but_leads_nowhere_else() {
    let results = tempfile::tempdir().expect("folder");
    let results = results.path();
    fs::create_dir(results.join("r1")).expect("run");
    for (text, leads) in [("r1", true), ("../r1", false), ("/", false), ("..", false), ("", false)] {
        fs::write(results.join("latest"), text).expect("marker");
        assert_eq!(resolve(results, "latest").is_ok(), leads, "marker {text:?}");
    }
}
