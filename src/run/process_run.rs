//! One run in real time, from specification to verdict. Its record is on disk before it is judged.

use super::engine::{self, EngineEnd};
use super::error::RunError;
use super::folder_name::{fresh_name, in_fresh_folder, name_of};
use super::hooks::collect;
use super::judging::JudgedRun;
use super::observer::{Observer, ToolLog};
use super::panic::caught;
use super::run_spec::{PreparedTarget, RunSpec};
use super::signals::interruptible;
use super::target::{ExternalTarget, RunTarget};
use crate::adapter::diagnosis::faults_in_force_error;
use crate::adapter::specimen::{SpecimenCluster, SpecimenKind};
use crate::adapter::{self, Capabilities, Cluster, InjectionContext, Injector};
use crate::exit::{Exit, StopSignal};
use crate::faults::hook::HookError;
use crate::target_error::TargetError;
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::RunMeta;
use dissent_core::seed::Seed;
use dissent_store::cure::Cure;
use dissent_store::latest_run::mark_latest;
use dissent_store::run_reader::RunReader;
use dissent_store::run_writer::{RunWriter, Wall};
use dissent_store::writing::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A fault may outlast the deadline of the load (`--timeout`) by at most this much, even if this process
/// dies.
const LEASE_BEYOND_DEADLINE: Duration = Duration::from_secs(60);

/// The log for people, with one line per event.
const TOOL_LOG: &str = "tool.log";

/// A run with a verdict, and what the user must be told besides it.
#[derive(Debug)]
pub struct RunOutcome {
    /// The run with its verdict.
    pub judged: JudgedRun,
    /// The cures of faults that may still be in force.
    pub uncured: Vec<Cure>,
    /// The argument for `dissent heal`: the target file or the run folder.
    pub heal: String,
    /// The message of a panic in this program.
    pub panicked: Option<String>,
    /// The error while writing the record or the reports.
    pub unrecorded: Option<StoreError>,
    /// Whether a signal interrupted the run.
    pub interrupted: bool,
    /// Why the cluster's logs may be missing from the run folder.
    pub uncollected: Option<HookError>,
    /// Why the table of the run is still at the cluster, although it was to be dropped.
    pub undropped: Option<TargetError>,
}

impl RunOutcome {
    /// A run in virtual time, which leaves nothing behind.
    pub fn of_simulated(judged: JudgedRun) -> RunOutcome {
        RunOutcome {
            judged,
            uncured: Vec::new(),
            heal: String::new(),
            panicked: None,
            unrecorded: None,
            interrupted: false,
            uncollected: None,
            undropped: None,
        }
    }
}

/// Runs once against processes. The record is on disk before it is judged.
pub async fn run_processes(
    spec: &RunSpec,
    seed: Seed,
    results: &Path,
    live: &mut dyn Observer,
) -> Result<RunOutcome, RunError> {
    spec.check()?;
    let started = jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string();
    let program = std::env::current_exe()
        .map_err(|source| RunError::Surroundings { what: "find the path of this program", source })?;
    let wanted = name_of(spec, seed);
    let name = fresh_name(results, &wanted);
    let (dir, mark) = (results.join(&name), format!("{name}@{started}"));
    let lease = Duration::from_nanos(spec.timing.deadline.0) + LEASE_BEYOND_DEADLINE;
    let (context, self_test, known) =
        (InjectionContext { program, mark, lease }, spec.self_test, spec.known.clone());
    let run = ProcessRun { started, results, wanted, name, dir, context, self_test, known };
    match &spec.target {
        RunTarget::External(external) => Box::pin(on_external(spec, external, seed, run, live)).await,
        RunTarget::Private(kind) | RunTarget::Simulated(kind) => {
            let meta = spec.meta(seed, Some(run.started.clone()))?;
            Box::pin(on_private(spec, *kind, meta, run, live)).await
        }
    }
}

/// Runs on a built-in cluster that starts and ends with the run.
async fn on_private(
    spec: &RunSpec,
    kind: SpecimenKind,
    meta: RunMeta,
    mut run: ProcessRun<'_>,
    live: &mut dyn Observer,
) -> Result<RunOutcome, RunError> {
    let recorded = run.record(meta)?;
    let scratch = run.dir.join("cluster");
    let cluster = SpecimenCluster::start(kind, &run.context.program, &scratch, &spec.settings).await?;
    let cluster = Arc::new(cluster);
    // No other run uses this cluster. The lock tells `dissent heal` on its folder that it is in use.
    cluster.lock(&run.context.mark).await?;
    let (schema, partitions) = (&recorded.0.schema, recorded.0.partitions);
    cluster.make_table(&run.context.mark, schema, partitions, None).await?;
    let heal = run.dir.display().to_string();
    run.drive(spec, recorded, cluster, heal, live).await
}

/// Drops the table of a run, under the run's lock. Tables that stay make the next restart of a server slower.
async fn drop_table(cluster: &dyn Cluster, mark: &str) -> Result<(), TargetError> {
    for leftover in cluster.leftovers().await? {
        if leftover.run.as_deref() == Some(mark) {
            cluster.remove(&leftover).await?;
        }
    }
    Ok(())
}

/// Runs on an external cluster, under its lock and on a table of the run's own.
async fn on_external(
    spec: &RunSpec,
    ExternalTarget { path, file }: &ExternalTarget,
    seed: Seed,
    mut run: ProcessRun<'_>,
    live: &mut dyn Observer,
) -> Result<RunOutcome, RunError> {
    interruptible(adapter::refuse_obstacles(file, path)).await?;
    let cluster = interruptible(adapter::reach(file)).await?;
    let mark = run.context.mark.clone();
    let led = async {
        interruptible(cluster.lock(&mark)).await?;
        // Somebody else set the cluster up, so it reports its own settings.
        let mut spec = spec.clone().with_boundaries_of(interruptible(cluster.refuses_boundaries()).await?)?;
        spec.settings.extend(cluster.settings());
        let set_up = async {
            // Another run may have been killed between the check and the lock.
            faults_in_force_error(path, cluster.marks().await?.iter()).map_or(Ok(()), Err)?;
            run.make_table(&spec, &*cluster).await
        };
        let info = interruptible(set_up).await?;
        let meta = spec.meta_at(seed, Some(run.started.clone()), info)?;
        let recorded = run.record(meta)?;
        let mut outcome = run.drive(&spec, recorded, Arc::clone(&cluster), path.clone(), live).await?;
        if !spec.keeps_table && outcome.uncured.is_empty() {
            outcome.undropped = drop_table(&*cluster, &mark).await.err();
        }
        Ok(outcome)
    };
    let led: Result<RunOutcome, RunError> = led.await;
    cluster.unlock(&mark).await;
    let outcome = led?;
    let uncollected = collect(&file.hooks, &run.dir).await.err();
    Ok(RunOutcome { uncollected, ..outcome })
}

/// A run in real time.
struct ProcessRun<'a> {
    started: String,
    results: &'a Path,
    /// The wanted name of the folder, before a number is appended.
    wanted: String,
    name: String,
    dir: PathBuf,
    context: InjectionContext,
    self_test: bool,
    known: Option<KnownIssues>,
}

impl ProcessRun<'_> {
    /// Creates the table of the specification, as far as the target supports it.
    async fn make_table(&self, spec: &RunSpec, cluster: &dyn Cluster) -> Result<PreparedTarget, RunError> {
        spec.check_writes(cluster.deletes(), cluster.guards())?;
        let (mut schema, left_out) = spec.schema(cluster.lacks(), cluster.table_name(&self.context.mark))?;
        schema.rules = cluster.rules().unwrap_or(schema.rules);
        let (mark, partitions) = (&self.context.mark, spec.workload.partitions);
        let roster = cluster.make_table(mark, &schema, partitions, spec.full_rows()).await?;
        let spares = cluster.spare_servers();
        let frozen_floor = cluster.frozen_floor();
        let (version, frontiers) = (cluster.version(), cluster.frontiers());
        Ok(PreparedTarget { version, roster, spares, schema, frontiers, left_out, frozen_floor })
    }

    /// Starts the record. The mark at the target keeps the name that was free earlier.
    fn record(&mut self, meta: RunMeta) -> Result<(RunMeta, RunWriter), RunError> {
        let make = |dir: &Path| {
            let wall = Wall { started: self.started.clone() };
            RunWriter::create(dir, meta.clone(), Some(wall))
        };
        let (name, folder) = in_fresh_folder(self.results, &self.wanted, make)?;
        (self.dir, self.name) = (self.results.join(&name), name);
        Ok((meta, folder))
    }

    /// Runs, heals and judges.
    async fn drive(
        &self,
        spec: &RunSpec,
        (meta, folder): (RunMeta, RunWriter),
        cluster: Arc<dyn Cluster>,
        heal: String,
        live: &mut dyn Observer,
    ) -> Result<RunOutcome, RunError> {
        let target = Arc::clone(&cluster).open(&meta.schema, self.context.clone())?;
        let target = Capabilities { roster: meta.roster.clone(), ..target };
        let injector = target.injector.clone();
        let lost = cluster.keep_lock(&self.context.mark);
        // From here on the folder can be read.
        mark_latest(self.results, &self.name)?;
        let mut tool_log = ToolLog::new(&self.dir.join(TOOL_LOG), live);
        let led = engine::run(target, meta, spec.timing, folder, &mut tool_log, lost);
        let ended = match caught(led).await {
            Ok(ended) => {
                ended.map_err(|source| RunError::Surroundings { what: "listen for signals", source })
            }
            Err(words) => Ok(EngineEnd { panicked: Some(words), ..EngineEnd::default() }),
        };
        cluster.end().await;
        let uncured = match &injector {
            Some(injector) => heal_rest(&**injector).await,
            None => Vec::new(),
        };
        self.conclude(ended?, uncured, heal)
    }

    /// Judges the record, however the run ended.
    fn conclude(&self, ended: EngineEnd, uncured: Vec<Cure>, heal: String) -> Result<RunOutcome, RunError> {
        let EngineEnd { signal, panicked, mut unrecorded } = ended;
        let over = minimum_exit(signal, panicked.is_some(), &uncured);
        let record = match RunReader::open(&self.dir) {
            Ok(record) => record,
            Err(source) => {
                let (source, exit) = (Box::new(source), over.worst(Exit::Inconclusive));
                return Err(RunError::Lost { source, uncured, heal, exit });
            }
        };
        let mut judged = JudgedRun::for_run(&record, over);
        if self.self_test {
            judged.self_test_with(&record);
        }
        self.known.iter().for_each(|list| judged.acknowledge(list));
        if unrecorded.is_none() {
            unrecorded = judged.write(&record, &self.dir, "").err();
        }
        if unrecorded.is_some() {
            judged.exit = judged.exit.worst(Exit::Inconclusive);
        }
        Ok(RunOutcome {
            judged,
            uncured,
            heal,
            panicked,
            unrecorded,
            interrupted: signal.is_some(),
            uncollected: None,
            undropped: None,
        })
    }
}

/// Heals the faults that are still in force after the run: after a panic, a fault that was only begun in
/// part, or a failed cure. Returns those that remain.
async fn heal_rest(injector: &dyn Injector) -> Vec<Cure> {
    let mut left = Vec::new();
    for cure in injector.in_force().await {
        if injector.heal(&cure).await.is_err() {
            left.push(cure);
        }
    }
    left
}

/// The exit code that the run's own must not be better than.
fn minimum_exit(signal: Option<StopSignal>, panicked: bool, uncured: &[Cure]) -> Exit {
    let signal = signal.map_or(Exit::Pass, StopSignal::exit);
    let left = if uncured.is_empty() { Exit::Pass } else { Exit::Uncured };
    let bug = if panicked { Exit::Bug } else { Exit::Pass };
    signal.worst(left).worst(bug)
}
