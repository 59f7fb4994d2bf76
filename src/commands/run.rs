//! `dissent run`.

use super::progress::{ProgressWatch, counting};
use super::{output, repeat};
use crate::adapter::specimen::SpecimenKind;
use crate::cli;
use crate::config::catalogue::{is_path, load};
use crate::config::error::{ConfigError, advise};
use crate::config::settings::Settings;
use crate::config::target::PINOT;
use crate::config::{known, table};
use crate::exit::Exit;
use crate::faults::hook::HookError;
use crate::report::campaign::CampaignSummary;
use crate::run::campaign::{Stopped, run_all, simulate_all};
use crate::run::hooks::with_hooks;
use crate::run::one::{Retention, RunError, RunOutcome, processes, simulated};
use crate::run::run_spec::{ExternalTarget, ROW_THRESHOLD, RunSpec, by_rows, probe};
use dissent_core::conductor::{Boundaries, Timing};
use dissent_core::history::duration;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use std::hash::{BuildHasher as _, RandomState};

/// Between two looks at the embedded cluster ..
const SAMPLE_EVERY: Nanos = Nanos(50_000_000);
/// .. and at one that other people may use.
const SAMPLE_OUTSIDE_EVERY: Nanos = Nanos(500_000_000);

/// Nothing of the embedded cluster answers for so long: it is gone ..
const BLIND: Nanos = Nanos(10_000_000_000);
/// .. and of another one.
const BLIND_OUTSIDE: Nanos = Nanos(60_000_000_000);

/// How a run's segments at Pinot end, by `--set boundaries=..`.
const BOUNDARIES: &str = "boundaries";

/// Under load a partition's open segment takes so many times the rows after which a boundary is due.
const UNDER_LOAD_TIMES: u64 = 8;

/// Process runs side by side, if nothing is said.
const JOBS_OF_PROCESSES: u32 = 2;

/// Runs, judges, tells.
pub(super) fn run(args: &cli::RunArgs) -> Exit {
    let spec = match spec(args) {
        Ok(spec) => spec,
        Err(error) => return output::refusal(error),
    };
    if let Err(error) = spec.check() {
        return output::failure(&error, Exit::Usage);
    }
    let seed = Seed(args.seed.unwrap_or_else(draw_seed));
    output::status(&format!("seed {}  {}", seed.0, spec.title()));
    if args.plan_only {
        return plan_only(&spec, seed);
    }
    if args.runs > 1 { many(args, &spec, seed) } else { one(args, &spec, seed) }
}

/// A seed for a run that was given none: short enough to be read out over the telephone.
fn draw_seed() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000_000
}

/// What is asked for, with every setting in its place.
pub fn spec(args: &cli::RunArgs) -> Result<RunSpec, ConfigError> {
    let mut settings = Settings::parse(&args.set)?;
    let mut given = settings.left().clone();
    let mut outside = outside(&args.target)?;
    if let Some(ExternalTarget { file, .. }) = outside.as_mut().filter(|outside| outside.file.system == PINOT)
    {
        settings.apply_to_table(&mut file.table)?;
        given.retain(|key, _| !key.starts_with(table::PREFIX));
        given.extend(file.table.settings());
    }
    let (embedded, simulated) = match &outside {
        Some(outside) => (SpecimenKind::of_system(&outside.file.system), false),
        None => embedded(&args.target)?,
    };
    let mut workload: Workload = settings.apply(load(&args.workload)?)?;
    let nemesis: Nemesis = settings.apply(load(&args.nemesis)?)?;
    // An outside cluster has settings of its own; a run cannot change them.
    let own = match &outside {
        Some(outside) if outside.file.system == PINOT => &[BOUNDARIES][..],
        Some(_) => &[],
        None => embedded.settings(),
    };
    settings.refuse_unknown(&args.target, own)?;
    if let Some(ExternalTarget { path, file }) = &outside {
        file.admit(path, nemesis.faults().chain(probe(args.probe_restart)))?;
    }
    if let Some(rate_hz) = args.rate {
        workload.rate_hz = rate_hz;
    }
    if let Some(load) = &args.load {
        workload.load = some_time("--for", load)?;
    }
    let is_pinot = outside.as_ref().is_some_and(|outside| outside.file.system == PINOT);
    let (quiesce, timeout) = if is_pinot { ("100s", "6min") } else { ("10s", "2min") };
    let timing = Timing {
        sample_every: if is_pinot { SAMPLE_OUTSIDE_EVERY } else { SAMPLE_EVERY },
        boundaries: match is_pinot {
            true => boundaries(given.get(BOUNDARIES).map(String::as_str), &workload)?,
            false => Boundaries::UnderLoad { most: None },
        },
        capture_every: some_time("--capture-every", &args.capture_every)?,
        blind: if is_pinot { BLIND_OUTSIDE } else { BLIND },
        quiesce: time("--quiesce", args.quiesce.as_deref().unwrap_or(quiesce))?,
        deadline: some_time("--timeout", args.timeout.as_deref().unwrap_or(timeout))?,
        probe_restart: args.probe_restart,
    };
    Ok(RunSpec {
        simulated,
        embedded,
        external: outside,
        workload,
        nemesis,
        settings: given,
        command: repeat::words(args),
        timing,
        known: args.known.as_deref().map(known::load).transpose()?,
        self_test: args.self_test,
    })
}

/// How segments at Pinot end. Where nothing is said, the cluster is asked later whether it ends them on
/// request.
fn boundaries(wanted: Option<&str>, workload: &Workload) -> Result<Boundaries, ConfigError> {
    Ok(match wanted {
        // A commit under load alone may part Pinot's replicas (apache/pinot 17144).
        None | Some("standing-still") => Boundaries::StandingStill,
        Some("under-load") => Boundaries::UnderLoad { most: Some(UNDER_LOAD_TIMES * workload.segment_rows) },
        Some(ROW_THRESHOLD) => by_rows(workload),
        Some(other) => {
            return Err(ConfigError::Setting {
                pair: format!("{BOUNDARIES}={other}"),
                problem: format!("segments do not end `{other}`"),
                help: Some(advise(other, &["standing-still", "under-load", ROW_THRESHOLD])),
            });
        }
    })
}

/// The cluster of a target file, if the argument is the path of one.
fn outside(target: &str) -> Result<Option<ExternalTarget>, ConfigError> {
    if !is_path(target) {
        return Ok(None);
    }
    Ok(Some(ExternalTarget { path: target.to_owned(), file: load(target)? }))
}

/// Which embedded cluster this is, and whether its time is virtual.
fn embedded(target: &str) -> Result<(SpecimenKind, bool), ConfigError> {
    let called = |embedded: SpecimenKind| [(embedded.processes(), false), (embedded.simulated(), true)];
    let all: Vec<_> =
        SpecimenKind::ALL.into_iter().flat_map(|it| called(it).map(|name| (it, name))).collect();
    if let Some((embedded, (_, simulated))) = all.iter().find(|(_, (name, _))| *name == target) {
        return Ok((*embedded, *simulated));
    }
    let names: Vec<&str> = all.iter().map(|(_, (name, _))| *name).collect();
    Err(ConfigError::UnknownName {
        kind: "target",
        name: target.to_owned(),
        help: format!("{}; a path to a .toml file reaches a cluster of your own", advise(target, &names)),
    })
}

fn time(flag: &str, value: &str) -> Result<Nanos, ConfigError> {
    duration::parse(value)
        .map_err(|error| ConfigError::Flag { flag: format!("{flag} {value}"), problem: error.to_string() })
}

/// A time in which something is to happen.
fn some_time(flag: &str, value: &str) -> Result<Nanos, ConfigError> {
    match time(flag, value)? {
        Nanos(0) => Err(ConfigError::Flag {
            flag: format!("{flag} {value}"),
            problem: "no time at all: write a time such as `1s`".to_owned(),
        }),
        time => Ok(time),
    }
}

fn plan_only(spec: &RunSpec, seed: Seed) -> Exit {
    if let Some(ExternalTarget { path, file }) = &spec.external
        && file.system == PINOT
    {
        let why =
            format!("--plan-only: the victims are drawn from the replicas that {path} gives a run's table");
        return output::failure(&why, Exit::Usage);
    }
    match spec.meta(seed, None) {
        Ok(meta) => match serde_json::to_string_pretty(&meta) {
            Ok(text) => {
                output::result(&text);
                Exit::Pass
            }
            Err(error) => output::failure(&error, Exit::Bug),
        },
        Err(error) => output::failure(&error, Exit::Usage),
    }
}

/// The runtime of everything that touches sockets and processes.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Surroundings { what: "start the runtime", source })
}

fn one(args: &cli::RunArgs, spec: &RunSpec, seed: Seed) -> Exit {
    let results = &args.output.results;
    if spec.simulated {
        return match simulated(spec, seed, results, Retention::All) {
            Ok(judged) => {
                output::verdict(&judged, args.output.format);
                judged.exit
            }
            Err(error) => output::lost(&error, seed),
        };
    }
    let mut watch = ProgressWatch::new();
    let run = async { with_hooks(spec, processes(spec, seed, results, &mut watch)).await };
    let outcome = runtime().and_then(|runtime| report_teardown(runtime.block_on(run))).and_then(|done| done);
    watch.end();
    match outcome {
        Ok(outcome) => conclude(&outcome, args.output.format),
        Err(error) => output::lost(&error, seed),
    }
}

/// What became of the work between hooks; that the cluster may still be up is told at once.
fn report_teardown<T>((done, down): (Result<T, RunError>, Option<HookError>)) -> Result<T, RunError> {
    down.iter().for_each(|error| output::status(&format!("error: {error}; the cluster may still be up")));
    done
}

/// Tells a verdict and what must be said beside it.
fn conclude(outcome: &RunOutcome, format: cli::Format) -> Exit {
    output::verdict(&outcome.judged, format);
    output::notices(outcome);
    outcome.judged.exit
}

/// One thread a core for virtual time.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
}

fn many(args: &cli::RunArgs, spec: &RunSpec, first: Seed) -> Exit {
    let results = &args.output.results;
    let bar = counting(args.runs);
    let summary = if spec.simulated {
        let jobs = args.jobs.unwrap_or_else(cores);
        simulate_all(spec, first, args.runs, jobs, results, |_| bar.inc(1))
    } else {
        // One run a target at a time.
        let most = if spec.external.is_some() { 1 } else { u32::MAX };
        let jobs = args.jobs.unwrap_or(JOBS_OF_PROCESSES).min(most);
        let each = |outcome: &RunOutcome| {
            output::notices(outcome);
            bar.inc(1);
        };
        let runs = async { with_hooks(spec, run_all(spec, first, args.runs, jobs, results, each)).await };
        let stopped = |error| Stopped { seed: first, error };
        let runs = runtime().map_err(stopped).map(|runtime| report_teardown(runtime.block_on(runs)));
        runs.and_then(|runs| runs.map_err(stopped)).and_then(|summary| summary)
    };
    bar.finish_and_clear();
    match summary {
        Ok(summary) => {
            tell_tally(&summary, spec, first, args.output.format);
            summary.exit.unwrap_or(Exit::Inconclusive)
        }
        Err(stopped) => {
            output::status(&format!("stopped at seed {}", stopped.seed.0));
            output::lost(&stopped.error, stopped.seed)
        }
    }
}

fn tell_tally(summary: &CampaignSummary, spec: &RunSpec, first: Seed, format: cli::Format) {
    let title = spec.title();
    match format {
        cli::Format::Human => output::result(&crate::report::campaign::words(summary, &title)),
        cli::Format::Json => output::result(&crate::report::campaign::json(summary, &title, first)),
    }
    output::last_line(&crate::report::campaign::last_line(summary, first));
}
