//! The system `exec`: adapters that keep the protocol pass the proof, and each way to break it is caught.

use dissent::adapter::exec::Exec;
use dissent::adapter::state::conformance::{ConformanceFinding, ProofLimits, conformance};
use dissent::config::limits::Limits;
use dissent::config::target::TargetFile;
use dissent_core::history::time::Nanos;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

mod faults;
mod processes;
mod sweeps;

/// The target file of an adapter in `tests/exec/`.
fn target(command: &str) -> TargetFile {
    let mut file = TargetFile::at("exec", "");
    file.name = "mine".to_owned();
    file.folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec");
    file.command = Some(command.to_owned());
    file.limits.query_timeout = Nanos(4_000_000_000);
    file
}

/// The adapter of whoever wants to prove his own: a command, which runs in `tests/exec/`.
const OWN: &str = "DISSENT_ADAPTER";

/// What conformance says of the reference adapter, if it betrays like this. Only of the slow one is an answer
/// not waited for: ten that start at once need their time on a busy machine.
async fn proof(betrayal: &str) -> Vec<ConformanceFinding> {
    let mut file = target(&format!("python3 reference.py {betrayal}"));
    if betrayal != "slow" {
        file.limits.query_timeout = Nanos(30_000_000_000);
    }
    let store = Exec.open(&file).await.expect("the adapter answers");
    let limits = ProofLimits { settle: Duration::from_secs(1), total: Duration::from_secs(20) };
    conformance(&store, limits).await
}

fn told(findings: &[ConformanceFinding]) -> String {
    let line = |it: &ConformanceFinding| {
        let mark = if it.passed { "ok    " } else { "FAILED" };
        format!("{mark} {}: {}\n", it.what, it.detail)
    };
    findings.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_its_promises_passes() {
    let findings = match std::env::var(OWN) {
        Ok(command) => {
            let file = TargetFile { limits: Limits::default(), ..target(&command) };
            let store = Exec.open(&file).await.expect("the adapter answers");
            conformance(&store, ProofLimits::default()).await
        }
        Err(_) => proof("none").await,
    };
    assert!(findings.iter().all(|finding| finding.passed), "{}", told(&findings));
    assert!(findings.len() > 25, "{}", told(&findings));
}

/// A proof that takes longer hangs: its limit is a sixth of this.
const LONGEST: Duration = Duration::from_secs(120);

/// A betrayal, and the promise that is found broken, with words of its detail.
const BETRAYALS: [(&str, &str, &str); 10] = [
    ("dead", "", "no answer from the adapter: the adapter has ended (exit status: 3); it said: out of"),
    ("slow", "", "unknown: no answer from the adapter: nothing within 4s for write"),
    ("position", "what a replica's position has passed", "but key \"position"),
    ("acknowledgement", "what a replica's position has passed", "but key \"position"),
    ("acknowledgement", "a read shows every key once", "is not there"),
    ("count", "is read back on every replica", "0 rows came, but it counted 1"),
    ("last-row", "a read holds many rows", "is not there"),
    ("noise", "", "not a JSON object with an id: expected value at line 1 column 1: `INFO pool resized`"),
    ("stray", "", "which was never asked: `{"),
    ("floats", "64-bit integers are exact", "floating point"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_betrayal_is_caught_and_none_hangs() {
    let begun = Instant::now();
    let proofs = BETRAYALS.map(|(betrayal, ..)| tokio::spawn(proof(betrayal)));
    let mut missed = String::new();
    for (proof, (betrayal, promise, words)) in proofs.into_iter().zip(BETRAYALS) {
        let findings = proof.await.expect("no panic");
        let is_it = |it: &ConformanceFinding| it.what.contains(promise) && it.detail.contains(words);
        if !findings.iter().any(|it| !it.passed && is_it(it)) {
            missed += &format!("{betrayal}, {promise}, {words}:\n{}\n", told(&findings));
        }
    }
    assert!(missed.is_empty(), "{missed}");
    assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
}
