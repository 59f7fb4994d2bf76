//! For tests: whole audits.

use super::{AuditObserver, AuditSpec, run_audit};
use crate::adapter::contents::Contents;
use dissent_core::checker::verdict::Verdict;
use dissent_core::seed::Seed;
use std::time::Duration;

/// A whole audit with the log, which tries once and waits for nothing.
pub(super) fn spec() -> AuditSpec {
    let file = "system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n";
    AuditSpec {
        file: toml::from_str(file).expect("a target file"),
        chunk_rows: 1,
        sample_percent: None,
        seed: Seed(1),
        part: (1, 1),
        wait: Duration::ZERO,
        settle: Duration::ZERO,
        tries: 1,
        shows_values: true,
        plan: None,
        with_log: true,
        resume: None,
        command: Vec::new(),
        known: None,
    }
}

/// The verdict of that audit.
pub(super) async fn audited(contents: &dyn Contents) -> Verdict {
    let results = tempfile::tempdir().expect("a folder");
    run_audit(&spec(), contents, results.path(), &mut Unwatched).await.expect("a verdict").verdict
}

/// Shows nobody how far an audit has come.
struct Unwatched;

impl AuditObserver for Unwatched {
    fn chunks(&mut self, _: u64, _: u64) {}
}
