//! `keys.jsonl`: the affected keys, one per line, for scripts that repair or quarantine them.

use super::format::Clock;
use super::run_facts::RunFacts;
use dissent_core::checker::verdict::{FindingKind, LogPoint, Verdict};
use dissent_core::history::run_record::RunMeta;
use serde::Serialize;

/// An affected key. Where it is wrong is known for the finding as a whole.
#[derive(Serialize)]
struct KeyLine<'a> {
    partition: u32,
    key: &'a str,
    /// The number of the finding, from 1, as in the report.
    finding: usize,
    fingerprint: &'a str,
    /// The replicas that were wrong when last seen.
    replicas: &'a [String],
    /// The segments with wrong rows, in sequence.
    segments: &'a [String],
    /// The first and the last offset of wrong rows. None where contents were compared without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_offset: Option<u64>,
    /// When the writes at these offsets were acknowledged. None in virtual time, or if they never were.
    from_time: Option<String>,
    to_time: Option<String>,
    run: &'a str,
}

/// The affected keys of all findings; empty if there are none.
pub fn lines(verdict: &Verdict, meta: &RunMeta, facts: &RunFacts) -> Result<String, serde_json::Error> {
    let clock = Clock::of(meta);
    let time = |point: Option<LogPoint>| point?.t.and_then(|t| clock.rfc3339(t));
    let mut out = String::new();
    for (finding, number) in verdict.findings.iter().zip(1..) {
        let FindingKind::Divergence(divergence) = &finding.kind else { continue };
        for key in &divergence.keys {
            let line = KeyLine {
                partition: divergence.partition,
                key,
                finding: number,
                fingerprint: &finding.fingerprint,
                replicas: &divergence.last.wrong,
                segments: &divergence.segments,
                from_offset: divergence.since.map(|point| point.off),
                to_offset: divergence.until.map(|point| point.off),
                from_time: time(divergence.since),
                to_time: time(divergence.until),
                run: &facts.name,
            };
            out += &serde_json::to_string(&line)?;
            out.push('\n');
        }
    }
    Ok(out)
}
