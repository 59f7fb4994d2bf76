//! `dissent run`.

use super::progress::{Watch, counting};
use super::{repeat, tell};
use crate::adapter::specimen::Embedded;
use crate::cli;
use crate::config::catalogue::{is_path, load};
use crate::config::error::{ConfigError, advise};
use crate::config::settings::Settings;
use crate::config::target::PINOT;
use crate::config::{known, table};
use crate::exit::Exit;
use crate::faults::hook::HookError;
use crate::report::tally::Tally;
use crate::run::campaign::{Stopped, run_all, simulate_all};
use crate::run::hooks::around;
use crate::run::one::{Finished, Keep, RunError, processes, simulated};
use crate::run::order::{Order, Outside, ROW_THRESHOLD, by_rows, probe};
use dissent_core::conductor::{Boundaries, Timing};
use dissent_core::history::duration;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use std::hash::{BuildHasher as _, RandomState};

/// Interval between two samples of a built-in cluster.
const SAMPLE_EVERY: Nanos = Nanos(50_000_000);
/// Interval between two samples of a cluster that other people may use.
const SAMPLE_OUTSIDE_EVERY: Nanos = Nanos(500_000_000);

/// A built-in cluster that does not answer at all for this long is considered dead.
const BLIND: Nanos = Nanos(10_000_000_000);
/// The same for a cluster of the user.
const BLIND_OUTSIDE: Nanos = Nanos(60_000_000_000);

/// The setting that says how segments end on Pinot.
const BOUNDARIES: &str = "boundaries";

/// Under load, the open segment of a partition takes at most this multiple of the rows per segment.
const UNDER_LOAD_TIMES: u64 = 8;

/// Default number of process runs in parallel.
const JOBS_OF_PROCESSES: u32 = 2;

/// Runs, checks and prints the verdict.
pub(super) fn run(args: &cli::Run) -> Exit {
    let order = match order(args) {
        Ok(order) => order,
        Err(error) => return tell::refusal(error),
    };
    if let Err(error) = order.check() {
        return tell::failure(&error, Exit::Usage);
    }
    let seed = Seed(args.seed.unwrap_or_else(draw_seed));
    tell::aside(&format!("seed {}  {}", seed.0, order.title()));
    if args.plan_only {
        return plan_only(&order, seed);
    }
    if args.runs > 1 { many(args, &order, seed) } else { one(args, &order, seed) }
}

/// Draws a seed that is short enough to be read out over the phone.
fn draw_seed() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000_000
}

/// The order given by the arguments, with all settings applied.
pub fn order(args: &cli::Run) -> Result<Order, ConfigError> {
    let mut settings = Settings::parse(&args.set)?;
    let mut given = settings.left().clone();
    let mut outside = outside(&args.target)?;
    if let Some(Outside { file, .. }) = outside.as_mut().filter(|outside| outside.file.system == PINOT) {
        settings.apply_to_table(&mut file.table)?;
        given.retain(|key, _| !key.starts_with(table::PREFIX));
        given.extend(file.table.settings());
    }
    let (embedded, simulated) = match &outside {
        Some(outside) => (Embedded::of_system(&outside.file.system), false),
        None => embedded(&args.target)?,
    };
    let mut workload: Workload = settings.apply(load(&args.workload)?)?;
    let nemesis: Nemesis = settings.apply(load(&args.nemesis)?)?;
    // A run cannot change the settings of an outside cluster.
    let own = match &outside {
        Some(outside) if outside.file.system == PINOT => &[BOUNDARIES][..],
        Some(_) => &[],
        None => embedded.settings(),
    };
    settings.refuse_unknown(&args.target, own)?;
    if let Some(Outside { path, file }) = &outside {
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
    Ok(Order {
        simulated,
        embedded,
        outside,
        workload,
        nemesis,
        settings: given,
        command: repeat::words(args),
        timing,
        known: args.known.as_deref().map(known::load).transpose()?,
        self_test: args.self_test,
    })
}

/// How segments end on Pinot. By default, the cluster is asked later whether it ends them on request.
fn boundaries(wanted: Option<&str>, workload: &Workload) -> Result<Boundaries, ConfigError> {
    Ok(match wanted {
        // A commit under load can make Pinot's replicas diverge without any fault (apache/pinot 17144).
        None | Some("standing-still") => Boundaries::StandingStill,
        Some("under-load") => Boundaries::UnderLoad { most: Some(UNDER_LOAD_TIMES * workload.segment_rows) },
        Some(ROW_THRESHOLD) => by_rows(workload),
        Some(other) => {
            return Err(ConfigError::Setting {
                pair: format!("{BOUNDARIES}={other}"),
                problem: format!("no kind of boundary is called `{other}`"),
                help: Some(advise(other, &["standing-still", "under-load", ROW_THRESHOLD])),
            });
        }
    })
}

/// The cluster of a target file, if the argument is the path of one.
fn outside(target: &str) -> Result<Option<Outside>, ConfigError> {
    if !is_path(target) {
        return Ok(None);
    }
    Ok(Some(Outside { path: target.to_owned(), file: load(target)? }))
}

/// The built-in cluster of this name, and whether its time is virtual.
fn embedded(target: &str) -> Result<(Embedded, bool), ConfigError> {
    let called = |embedded: Embedded| [(embedded.processes(), false), (embedded.simulated(), true)];
    let all: Vec<_> = Embedded::ALL.into_iter().flat_map(|it| called(it).map(|name| (it, name))).collect();
    if let Some((embedded, (_, simulated))) = all.iter().find(|(_, (name, _))| *name == target) {
        return Ok((*embedded, *simulated));
    }
    let names: Vec<&str> = all.iter().map(|(_, (name, _))| *name).collect();
    Err(ConfigError::UnknownName {
        kind: "target",
        name: target.to_owned(),
        help: format!("{}; for your own cluster, give the path of a .toml file", advise(target, &names)),
    })
}

fn time(flag: &str, value: &str) -> Result<Nanos, ConfigError> {
    duration::parse(value)
        .map_err(|error| ConfigError::Flag { flag: format!("{flag} {value}"), problem: error.to_string() })
}

/// A time that must not be zero.
fn some_time(flag: &str, value: &str) -> Result<Nanos, ConfigError> {
    match time(flag, value)? {
        Nanos(0) => Err(ConfigError::Flag {
            flag: format!("{flag} {value}"),
            problem: "the time must not be zero: write a time such as `1s`".to_owned(),
        }),
        time => Ok(time),
    }
}

fn plan_only(order: &Order, seed: Seed) -> Exit {
    if let Some(Outside { path, file }) = &order.outside
        && file.system == PINOT
    {
        let why = format!(
            "--plan-only: not possible for {path}: Pinot chooses the replicas when a run creates its table"
        );
        return tell::failure(&why, Exit::Usage);
    }
    match order.facts(seed, None) {
        Ok(facts) => match serde_json::to_string_pretty(&facts) {
            Ok(text) => {
                tell::result(&text);
                Exit::Pass
            }
            Err(error) => tell::failure(&error, Exit::Bug),
        },
        Err(error) => tell::failure(&error, Exit::Usage),
    }
}

/// The runtime for sockets and processes.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Surroundings { what: "start the runtime", source })
}

fn one(args: &cli::Run, order: &Order, seed: Seed) -> Exit {
    let results = &args.output.results;
    if order.simulated {
        return match simulated(order, seed, results, Keep::All) {
            Ok(judged) => {
                tell::verdict(&judged, args.output.format);
                judged.exit
            }
            Err(error) => tell::lost(&error, seed),
        };
    }
    let mut watch = Watch::new();
    let run = async { around(order, processes(order, seed, results, &mut watch)).await };
    let finished = runtime().and_then(|runtime| told_down(runtime.block_on(run))).and_then(|done| done);
    watch.end();
    match finished {
        Ok(finished) => conclude(&finished, args.output.format),
        Err(error) => tell::lost(&error, seed),
    }
}

/// The result of the work between hooks. A failed `down` hook is reported at once.
fn told_down<T>((done, down): (Result<T, RunError>, Option<HookError>)) -> Result<T, RunError> {
    down.iter().for_each(|error| tell::aside(&format!("error: {error}; the cluster may still be up")));
    done
}

/// Prints a verdict and its warnings.
fn conclude(finished: &Finished, format: cli::Format) -> Exit {
    tell::verdict(&finished.judged, format);
    tell::beside(finished);
    finished.judged.exit
}

/// One thread per core, for virtual time.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
}

fn many(args: &cli::Run, order: &Order, first: Seed) -> Exit {
    let results = &args.output.results;
    let bar = counting(args.runs);
    let tally = if order.simulated {
        let jobs = args.jobs.unwrap_or_else(cores);
        simulate_all(order, first, args.runs, jobs, results, |_| bar.inc(1))
    } else {
        // One run at a time per target.
        let most = if order.outside.is_some() { 1 } else { u32::MAX };
        let jobs = args.jobs.unwrap_or(JOBS_OF_PROCESSES).min(most);
        let each = |finished: &Finished| {
            tell::beside(finished);
            bar.inc(1);
        };
        let runs = async { around(order, run_all(order, first, args.runs, jobs, results, each)).await };
        let stopped = |error| Stopped { seed: first, error };
        let runs = runtime().map_err(stopped).map(|runtime| told_down(runtime.block_on(runs)));
        runs.and_then(|runs| runs.map_err(stopped)).and_then(|tally| tally)
    };
    bar.finish_and_clear();
    match tally {
        Ok(tally) => {
            tell_tally(&tally, order, first, args.output.format);
            tally.exit.unwrap_or(Exit::Inconclusive)
        }
        Err(stopped) => {
            tell::aside(&format!("stopped at seed {}", stopped.seed.0));
            tell::lost(&stopped.error, stopped.seed)
        }
    }
}

fn tell_tally(tally: &Tally, order: &Order, first: Seed, format: cli::Format) {
    let title = order.title();
    match format {
        cli::Format::Human => tell::result(&crate::report::tally::words(tally, &title)),
        cli::Format::Json => tell::result(&crate::report::tally::json(tally, &title, first)),
    }
    tell::last_line(&crate::report::tally::last_line(tally, first));
}
