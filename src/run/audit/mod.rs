//! `dissent audit`: compares what the replicas of a cluster hold, and only reads.
//!
//! ```text
//! plan      the table in chunks: the same keys on every replica
//! chunk     suspect, then confirm; one line on disk for each chunk that is done (chunk.rs, record.rs)
//! verdict   from those lines alone, so that an audit can be resumed, cut into parts and put together
//! ```

mod chunk;
mod record;

use super::error::RunError;
use super::folder_name::in_fresh_folder;
use super::hidden::Hidden;
use super::judging::JudgedRun;
use super::signals::Signals;
use crate::adapter::contents::{Chunk, Contents, ContentsTable};
use crate::adapter::throttle::Gate;
use crate::config::target::TargetFile;
use chunk::{ChunkAuditor, ChunkOutcome};
use dissent_core::checker::comparison::{Basis, Comparer};
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::checker::verdict::{AuditExtent, Doubt, DoubtKind, Settled, Verdict, VerdictOutcome};
use dissent_core::history::run_record::{Activity, RunMeta};
use dissent_core::history::schema::{Provenance, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::names::path_name;
use record::{AuditFolder, Plan, Records};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// What to audit, and how.
pub struct AuditSpec {
    /// The target file.
    pub file: TargetFile,
    /// About how many rows a chunk has.
    pub chunk_rows: u64,
    /// How many of 100 chunks are looked at.
    pub sample_percent: Option<u32>,
    /// Draws the sample.
    pub seed: Seed,
    /// Which of how many parts is done, both from 1.
    pub part: (u32, u32),
    /// How long replicas may take to reach the upstream's end.
    pub wait: Duration,
    /// The time between two reads of replicas without positions.
    pub settle: Duration,
    /// How often keys that move are read twice.
    pub tries: u32,
    /// Whether keys and values may be shown.
    pub shows_values: bool,
    /// The folder of an audit that was cut off.
    pub resume: Option<PathBuf>,
    /// The arguments that repeat it.
    pub command: Vec<String>,
    /// Known issues.
    pub known: Option<KnownIssues>,
}

/// What an audit would do.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The table.
    pub table: String,
    /// About how many rows it has on one replica, and bytes.
    pub rows: u64,
    /// About how many bytes it has on one replica.
    pub bytes: u64,
    /// The replicas.
    pub replicas: Vec<String>,
    /// Chunks of the table, and those that would be looked at.
    pub chunks: (u64, u64),
    /// Queries, if no chunk differs.
    pub queries: u64,
    /// How long the queries would take, after the first chunk.
    pub time: Duration,
    /// Bytes that would come in, after the first chunk.
    pub received: u64,
}

/// Told while an audit goes on.
pub trait AuditObserver {
    /// So many of so many chunks are done.
    fn chunks(&mut self, done: u64, of: u64);
}

/// Estimates an audit by its first chunk.
pub async fn estimate(spec: &AuditSpec, contents: &dyn Contents) -> Result<Estimate, RunError> {
    let chunks = contents.chunks(spec.chunk_rows).await?;
    let wanted = wanted(spec, &chunks);
    let (begun, before) = (Instant::now(), contents.received());
    let replicas = contents.replicas();
    if let Some(first) = chunks.iter().find(|chunk| wanted.contains(&chunk.number)) {
        for replica in &replicas {
            contents.digests(replica, first, 1).await?;
        }
    }
    let (n, took) = (wanted.len() as u64, begun.elapsed());
    let table = contents.table();
    Ok(Estimate {
        table: table.name.clone(),
        rows: table.rows,
        bytes: table.bytes,
        chunks: (chunks.len() as u64, n),
        queries: n * replicas.len() as u64,
        time: took.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX)),
        received: (contents.received() - before) * n,
        replicas,
    })
}

/// Audits a table.
pub async fn run_audit(
    spec: &AuditSpec,
    contents: &dyn Contents,
    results: &Path,
    observer: &mut dyn AuditObserver,
) -> Result<JudgedRun, RunError> {
    let (begun, started) = (Instant::now(), jiff::Timestamp::now());
    let started = started.round(jiff::Unit::Millisecond).unwrap_or(started).to_string();
    let mut folder = folder(spec, contents, results).await?;
    let plan = folder.plan()?;
    if plan.table != contents.table().name {
        let problem = format!("{} is an audit of {}", folder.dir.display(), plan.table);
        return Err(RunError::Audit(problem));
    }
    let queries = AtomicU64::new(0);
    let replicas = contents.replicas();
    let gate = Gate::new(&spec.file.limits);
    let (wait, settle, tries) = (spec.wait, spec.settle, spec.tries);
    let auditor =
        ChunkAuditor { contents, gate: &gate, replicas: &replicas, wait, settle, tries, queries: &queries };
    let mut done = folder.records()?;
    let wanted = wanted(spec, &plan.chunks);
    let hidden = (!spec.shows_values).then(Hidden::with_random_key);
    let mut signals =
        Signals::listen().map_err(|source| RunError::Surroundings { what: "listen to signals", source })?;
    let mut signal = None;
    for chunk in plan.chunks.iter().filter(|chunk| wanted.contains(&chunk.number)) {
        observer.chunks(done.len() as u64, wanted.len() as u64);
        if done.contains_key(&chunk.number) {
            continue;
        }
        let mut record = tokio::select! {
            record = auditor.audit(chunk) => record,
            stop = signals.next() => {
                signal = Some(stop);
                break;
            }
        };
        if let Some(hidden) = &hidden {
            let version = contents.table().version;
            record.differing.iter_mut().for_each(|rows| hidden.key_rows(rows, version));
        }
        folder.push(&record)?;
        done.insert(record.chunk, record);
    }
    let extent = AuditExtent {
        chunks: plan.chunks.len() as u64,
        sampled: spec.sample_percent.map(|_| wanted.len() as u64),
        authority: contents.authority(),
        queries: queries.into_inner(),
        received: contents.received(),
        ..AuditExtent::default()
    };
    let mut verdict = judge(&done, &replicas, contents.table(), extent);
    if let Some(signal) = signal {
        let left = wanted.len() - done.len();
        let detail = format!("stopped by {} with {left} of {} chunks to go", signal.name(), wanted.len());
        verdict.doubts.push(Doubt { kind: DoubtKind::Interrupted, detail });
        if verdict.outcome == VerdictOutcome::Pass {
            verdict.outcome = VerdictOutcome::Inconclusive;
        }
    } else {
        folder.forget_plan();
    }
    let mut meta = meta(spec, contents, &replicas);
    meta.started = started;
    let duration = Nanos(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mut judged = JudgedRun::of_contents(&meta, verdict, duration);
    if let Some(signal) = signal {
        judged.exit = signal.exit().worst(judged.exit);
    }
    spec.known.iter().for_each(|list| judged.acknowledge(list));
    judged.write_reports(&folder.dir, "")?;
    Ok(judged)
}

/// The folder that is resumed, or a new one with a plan.
async fn folder(spec: &AuditSpec, contents: &dyn Contents, results: &Path) -> Result<AuditFolder, RunError> {
    if let Some(dir) = &spec.resume {
        return Ok(AuditFolder::open(dir)?);
    }
    let chunks = contents.chunks(spec.chunk_rows).await?;
    let plan = Plan { table: contents.table().name.clone(), chunks };
    let wanted = format!("audit-{}-{}", path_name(&spec.file.name), path_name(&plan.table));
    Ok(in_fresh_folder(results, &wanted, |dir| AuditFolder::create(dir, &plan))?.1)
}

/// The numbers of the chunks to be looked at: the sample, and of it the part.
fn wanted(spec: &AuditSpec, chunks: &[Chunk]) -> BTreeSet<u32> {
    let all = chunks.len();
    let taken: Vec<usize> = match spec.sample_percent {
        None => (0..all).collect(),
        Some(percent) => {
            let count = (all * percent as usize).div_ceil(100).clamp(1, all.max(1)).min(all);
            spec.seed.sample(all, count)
        }
    };
    let (part, of) = spec.part;
    let numbers = taken.into_iter().filter_map(|at| u32::try_from(at).ok());
    numbers.filter(|number| number % of == part - 1).collect()
}

/// The verdict on the chunks that are done.
fn judge(done: &Records, replicas: &[String], table: &ContentsTable, mut extent: AuditExtent) -> Verdict {
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    let mut doubts = Vec::new();
    extent.digests = done.values().any(|record| record.digests);
    for record in done.values() {
        for (replica, count) in &record.rows {
            *rows.entry(replica.clone()).or_default() += count;
        }
        let most = record.rows.values().copied().max().unwrap_or_default();
        let count = match record.outcome {
            ChunkOutcome::Settled => &mut extent.settled,
            ChunkOutcome::Moving => &mut extent.moving,
            ChunkOutcome::Unread => &mut extent.unread,
        };
        count.chunks += 1;
        count.rows += most;
        if let Some(error) = &record.error {
            let detail = format!("chunk {}: {error}", record.chunk);
            doubts.push(Doubt { kind: DoubtKind::Unreadable, detail });
        }
    }
    let moving: u64 = done.values().map(|record| record.moving).sum();
    if moving > 0 {
        let behind: BTreeSet<&String> = done.values().flat_map(|record| &record.behind).collect();
        let who = match behind.is_empty() {
            true => "they changed in every try".to_owned(),
            false => {
                let names: Vec<&str> = behind.into_iter().map(String::as_str).collect();
                format!("{} did not reach the upstream's end in time", names.join(", "))
            }
        };
        let detail = format!("{moving} keys differ, and {who}");
        doubts.push(Doubt { kind: DoubtKind::NotSettled, detail });
    }
    let basis = Basis {
        replicas: replicas.to_vec(),
        columns: table.columns.clone(),
        version: table.version,
        may_be_absent: table.rules.may_be_absent.clone(),
        tolerance: 0.0,
        settled: match done.values().all(|record| record.positions) {
            true => Settled::Covered,
            false => Settled::ReadTwice,
        },
        positions: BTreeMap::new(),
        version_is_position: false,
        has_referee: false,
        refereed: vec![true; table.columns.len()],
        rows_as_expected: 0,
        rows,
    };
    let mut comparer = Comparer::new(basis);
    done.values().flat_map(|record| &record.differing).for_each(|rows| drop(comparer.compare(rows)));
    let keys = done.values().map(|record| record.keys).sum();
    comparer.conclude_audit(extent, keys, doubts)
}

fn meta(spec: &AuditSpec, contents: &dyn Contents, replicas: &[String]) -> RunMeta {
    let table = contents.table();
    let schema = Schema {
        table: table.name.clone(),
        key: table.key.join(","),
        comparison: table.version.map(|at| table.columns[at].name.clone()).unwrap_or_default(),
        op: String::new(),
        columns: table.columns.clone(),
        provenance: Provenance::None,
        guard_keys: 0,
        rules: table.rules.clone(),
    };
    let target = format!("{} {}", spec.file.name, table.name);
    let mut meta = RunMeta::of_reading(Activity::Audit, &target, replicas, &schema);
    meta.target_version = contents.version();
    meta.left_out = table.left_out.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    meta.command = spec.command.clone();
    meta
}
