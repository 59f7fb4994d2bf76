//! `dissent audit`: compares what the replicas of a cluster hold, and only reads.
//!
//! ```text
//! log       folded, if asked for: what every replica should show             (referee.rs)
//! plan      the table in chunks: the same keys on every replica              (record.rs)
//! estimate  what it would cost, by a few chunks: the audit itself has none    (estimate.rs)
//! chunk     suspect, then confirm; one line on disk for each that is done    (chunk.rs, record.rs)
//! unseen    keys that the log tells of, and that no chunk showed             (unseen.rs)
//! verdict   from those lines alone, so that an audit can be resumed, cut
//!           into parts and put together                                      (facts.rs)
//! ```

mod chunk;
mod estimate;
mod facts;
mod record;
mod referee;
mod sampler;
#[cfg(test)]
mod test_data;
#[cfg(test)]
mod two_partitions;
mod unseen;

use super::error::RunError;
use super::folder_name::in_fresh_folder;
use super::hidden::Hidden;
use super::judging::JudgedRun;
use super::signals::Signals;
use crate::adapter::contents::{Chunk, Contents};
use crate::adapter::throttle::Gate;
use crate::config::target::TargetFile;
use crate::exit::StopSignal;
use chunk::{ChunkAuditor, ChunkRecord, Records};
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::{Activity, RunMeta};
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::names::path_name;
pub use estimate::{Estimate, estimate};
use facts::AuditFacts;
use record::{AuditFolder, Plan, joined, records, samples};
use referee::LogReferee;
use sampler::PositionSampler;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::Instant;

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
    /// The file with the chunks: it is written if it is not there. Parts of one audit need the same.
    pub plan: Option<PathBuf>,
    /// Whether the input log says what every replica should show.
    pub with_log: bool,
    /// The folder of an audit that was cut off.
    pub resume: Option<PathBuf>,
    /// The arguments that repeat it.
    pub command: Vec<String>,
    /// Known issues.
    pub known: Option<KnownIssues>,
}

/// Told while an audit goes on.
pub trait AuditObserver {
    /// So many of so many chunks are done.
    fn chunks(&mut self, done: u64, of: u64);
}

/// Audits a table.
pub async fn run_audit(
    spec: &AuditSpec,
    contents: &dyn Contents,
    results: &Path,
    observer: &mut dyn AuditObserver,
) -> Result<JudgedRun, RunError> {
    let begun = Instant::now();
    let mut referee = match spec.with_log {
        true => Some(LogReferee::read(contents).await?),
        false => None,
    };
    let mut folder = folder(spec, contents, results).await?;
    let plan = folder.plan()?;
    if plan.table != contents.table().name {
        let problem = format!("{} is an audit of {}", folder.dir.display(), plan.table);
        return Err(RunError::Audit(problem));
    }
    let wanted = wanted(spec, &plan.chunks);
    let replicas = contents.replicas();
    // An audit that is resumed goes on, on the same clock, and leaves out what it left out before.
    let now = jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default();
    let before = AuditFacts::read(&folder.dir).ok();
    let started = before.as_ref().map_or(now.to_string(), |facts| facts.meta.started.clone());
    if let (Some(referee), Some(before)) = (&mut referee, before) {
        referee.leave_out(before.off);
    }
    let mut facts = AuditFacts {
        meta: RunMeta { started, ..meta(spec, contents, &replicas) },
        chunks: plan.chunks.len() as u64,
        wanted,
        sampled: spec.sample_percent.is_some(),
        authority: contents.authority(),
        refereed: None,
        off: Vec::new(),
        queries: 0,
        received: 0,
    };
    facts.note_off(referee.as_ref());
    folder.write_facts(&facts)?;
    let mut done = folder.records()?;
    let stopped = {
        let hidden = (!spec.shows_values).then(Hidden::with_random_key);
        let since = facts.meta.started.parse().unwrap_or(now);
        let sampler = PositionSampler { contents, since };
        let going = Going { spec, contents, facts: &mut facts, hidden };
        let through = going.through(&plan.chunks, &mut referee, &mut folder, &mut done, observer);
        let (stopped, samples) = sampler.during(through).await;
        folder.push_samples(&samples)?;
        stopped?
    };
    facts.note_off(referee.as_ref());
    folder.write_facts(&facts)?;
    let duration = Nanos(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mut judged = JudgedRun::of_contents(&facts.meta, facts.judge(&done, samples(&folder.dir)?), duration);
    match stopped {
        Some(signal) => judged.exit = signal.exit().worst(judged.exit),
        None => folder.forget_plan(),
    }
    spec.known.iter().for_each(|list| judged.acknowledge(list));
    judged.write_reports(&folder.dir, "")?;
    Ok(judged)
}

/// The verdict on audits that were made before, put together if they are several parts of one table.
pub fn judge_again(dirs: &[PathBuf]) -> Result<JudgedRun, RunError> {
    let mut all = Vec::new();
    for dir in dirs {
        all.push((AuditFacts::read(dir)?, records(dir)?));
    }
    // Parts that were read at the same time have clocks of their own: the samples of the first one count.
    let positions = dirs.first().map_or_else(|| Ok(Vec::new()), |dir| samples(dir))?;
    let Some(((mut facts, _), others)) = all.split_first().map(|(first, others)| (first.clone(), others))
    else {
        return Err(RunError::Audit("no audit is named".to_owned()));
    };
    for (other, _) in others {
        let is_same = (&facts.meta.target, facts.chunks) == (&other.meta.target, other.chunks);
        if !is_same {
            let problem = format!(
                "{} and {} were not cut alike: only parts of one plan can be joined",
                facts.meta.target, other.meta.target
            );
            return Err(RunError::Audit(problem));
        }
        facts.join(other);
    }
    let done = joined(all.into_iter().map(|(_, records)| records));
    Ok(JudgedRun::of_contents(&facts.meta, facts.judge(&done, positions), Nanos(0)))
}

/// Whether a folder is that of an audit.
pub fn is_audit(dir: &Path) -> bool {
    AuditFacts::is_in(dir)
}

/// An audit that goes on.
struct Going<'g> {
    spec: &'g AuditSpec,
    contents: &'g dyn Contents,
    facts: &'g mut AuditFacts,
    hidden: Option<Hidden>,
}

impl Going<'_> {
    /// Audits the chunks that are not done. Returns the signal that stopped it.
    async fn through(
        self,
        chunks: &[Chunk],
        referee: &mut Option<LogReferee>,
        folder: &mut AuditFolder,
        done: &mut Records,
        observer: &mut dyn AuditObserver,
    ) -> Result<Option<StopSignal>, RunError> {
        let AuditSpec { wait, settle, tries, shows_values, .. } = *self.spec;
        let (gate, queries) = (Gate::new(&self.spec.file.limits), AtomicU64::new(0));
        let replicas = self.contents.replicas();
        let (contents, gate, replicas) = (self.contents, &gate, replicas.as_slice());
        let auditor = ChunkAuditor {
            contents,
            gate,
            replicas,
            wait,
            settle,
            tries,
            shows_values,
            queries: &queries,
            stuck: Mutex::default(),
        };
        let mut signals = Signals::listen()
            .map_err(|source| RunError::Surroundings { what: "listen to signals", source })?;
        let mut stopped = None;
        let wanted = self.facts.wanted.clone();
        for chunk in chunks.iter().filter(|chunk| wanted.contains(&chunk.number)) {
            observer.chunks(done.len() as u64, wanted.len() as u64);
            if done.contains_key(&chunk.number) {
                continue;
            }
            let record = tokio::select! {
                record = auditor.audit(chunk, referee.as_mut()) => record,
                signal = signals.next() => {
                    stopped = Some(signal);
                    break;
                }
            };
            self.keep(record, folder, done)?;
        }
        // A key that no replica shows is in no chunk. Only whole audits can tell.
        let is_whole = wanted.len() == chunks.len() && self.spec.resume.is_none();
        if let Some(referee) = referee.as_mut().filter(|_| is_whole && stopped.is_none()) {
            let number = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
            self.keep(auditor.audit_unseen(chunks, referee, number).await, folder, done)?;
        }
        self.facts.queries += queries.into_inner();
        self.facts.received += contents.received();
        Ok(stopped)
    }

    fn keep(
        &self,
        mut record: ChunkRecord,
        folder: &mut AuditFolder,
        done: &mut Records,
    ) -> Result<(), RunError> {
        if let Some(hidden) = &self.hidden {
            let version = self.contents.table().version;
            record.differing.iter_mut().for_each(|rows| hidden.key_rows(rows, version));
        }
        folder.push(&record)?;
        done.insert(record.chunk, record);
        Ok(())
    }
}

/// The folder that is resumed, or a new one with a plan.
async fn folder(spec: &AuditSpec, contents: &dyn Contents, results: &Path) -> Result<AuditFolder, RunError> {
    if let Some(dir) = &spec.resume {
        return Ok(AuditFolder::open(dir)?);
    }
    let plan = match spec.plan.as_deref().filter(|file| file.exists()) {
        Some(file) => Plan::read(file)?,
        None => {
            let chunks = contents.chunks(spec.chunk_rows).await?;
            let plan = Plan { table: contents.table().name.clone(), chunks };
            spec.plan.iter().try_for_each(|file| plan.write(file))?;
            plan
        }
    };
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

fn meta(spec: &AuditSpec, contents: &dyn Contents, replicas: &[String]) -> RunMeta {
    let table = contents.table();
    let schema = Schema {
        key: table.key.join(","),
        comparison: table.version.map(|at| table.columns[at].name.clone()).unwrap_or_default(),
        rules: table.rules.clone(),
        ..Schema::plain(&table.name, table.columns.clone())
    };
    let target = format!("{} {}", spec.file.name, table.name);
    let mut meta = RunMeta::of_reading(Activity::Audit, &target, replicas, &schema);
    meta.target_version = contents.version();
    meta.frozen_floor = contents.frozen_floor();
    meta.left_out = table.left_out.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    meta.command = spec.command.clone();
    meta
}
