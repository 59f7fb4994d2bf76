//! From the command line, the files that it names and the target's defaults to what a run is to be.

use super::repeat_command;
use crate::adapter::specimen::SpecimenKind;
use crate::adapter::{self, BOUNDARIES, Defaults};
use crate::cli::RunArgs;
use crate::config::error::ConfigError;
use crate::config::load::{is_path, load};
use crate::config::settings::Settings;
use crate::config::{known_issues, table};
use crate::run::run_spec::{BOUNDARY_KINDS, ROW_THRESHOLD, RunSpec, by_rows, probe};
use crate::run::target::{ExternalTarget, RunTarget};
use dissent_core::conductor::{CommitPolicy, Timing};
use dissent_core::generator::swarm::is_drawable;
use dissent_core::history::duration;
use dissent_core::history::fault::{FaultKind, NetworkMode, Peer, Queue};
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use dissent_core::nearest::advise;
use std::collections::BTreeMap;

/// Under load, the open segment of a partition takes at most this multiple of the rows per segment.
const UNDER_LOAD_TIMES: u64 = 8;

/// The specification given by the arguments, with all settings applied.
pub fn run_spec(args: &RunArgs) -> Result<RunSpec, ConfigError> {
    run_spec_of(args, || load(&args.workload), || load(&args.nemesis))
}

/// The same, with a workload and a plan from elsewhere.
pub(super) fn run_spec_of(
    args: &RunArgs,
    workload: impl FnOnce() -> Result<Workload, ConfigError>,
    nemesis: impl FnOnce() -> Result<Nemesis, ConfigError>,
) -> Result<RunSpec, ConfigError> {
    let mut settings = Settings::parse(&args.set)?;
    let mut given = settings.left().clone();
    let mut target = target(&args.target)?;
    let defaults = target.defaults();
    if let RunTarget::External(external) = &mut target
        && defaults.has_table_options
    {
        let options = &mut external.file.table;
        settings.apply_to_table(options)?;
        given.retain(|key, _| !key.starts_with(table::PREFIX));
        given.extend(options.settings());
    }
    let workload: Workload = settings.apply(workload()?)?;
    let mut nemesis: Nemesis = settings.apply(nemesis()?)?;
    if let Some(swarm) = nemesis.swarm.as_mut().filter(|swarm| swarm.faults.is_empty()) {
        swarm.faults = drawable_faults(&target)?;
    }
    settings.refuse_unknown(&args.target, defaults.settings)?;
    if let Some(ExternalTarget { path, file }) = target.external() {
        adapter::check_run(file, path, nemesis.faults().chain(probe(args.probe_restart)))?;
    }
    let mut workload = with_load(workload, args)?;
    if target.has_no_log() {
        // The log of our sessions is one.
        workload.partitions = 1;
    }
    Ok(RunSpec {
        timing: timing(args, &defaults, &given, &workload)?,
        target,
        workload,
        nemesis,
        settings: given,
        command: repeat_command::words(args),
        trust_checksums: args.trust_checksums,
        known: args.known.as_deref().map(known_issues::load).transpose()?,
        self_test: args.self_test,
        keeps_table: true,
    })
}

/// The cluster of a target file, if the argument is the path of one; else the built-in cluster of this name.
fn target(argument: &str) -> Result<RunTarget, ConfigError> {
    if is_path(argument) {
        let external = ExternalTarget { path: argument.to_owned(), file: adapter::load_target(argument)? };
        return Ok(RunTarget::External(Box::new(external)));
    }
    let of_kind = |kind| [RunTarget::Private(kind), RunTarget::Simulated(kind)];
    let mut all = SpecimenKind::ALL.into_iter().flat_map(of_kind);
    all.clone().find(|target| target.name() == argument).ok_or_else(|| {
        let all: Vec<RunTarget> = all.by_ref().collect();
        let names: Vec<&str> = all.iter().map(RunTarget::name).collect();
        let help =
            format!("{}; for your own cluster, give the path of a .toml file", advise(argument, &names));
        ConfigError::UnknownName { kind: "target", name: argument.to_owned(), help }
    })
}

/// The faults that a plan may draw for this target: those that it can do and that its file allows.
fn drawable_faults(target: &RunTarget) -> Result<Vec<FaultKind>, ConfigError> {
    let allows = |kind: &FaultKind| {
        let external = target.external();
        external.is_none_or(|own| adapter::check_run(&own.file, &own.path, [*kind].into_iter()).is_ok())
    };
    let queues = [Queue::Feedback, Queue::Append].map(|queue| FaultKind::DelayQueue { queue, ms: 1 });
    let modes = [
        NetworkMode::CutIncoming,
        NetworkMode::DelayMs(1),
        NetworkMode::DropPercent(1),
        NetworkMode::ThrottlePerSecond(1),
    ];
    let peers = [Peer::Controller, Peer::Service].into_iter();
    let network = peers.flat_map(|peer| modes.map(|mode| FaultKind::Network { peer, mode }));
    let all = FaultKind::ALL.into_iter().chain(queues).chain(network).filter(|kind| is_drawable(*kind));
    let faults: Vec<FaultKind> = all.filter(|kind| target.can(*kind).is_ok()).filter(allows).collect();
    match faults.is_empty() {
        true => Err(ConfigError::NothingToDraw { target: target.name().to_owned() }),
        false => Ok(faults),
    }
}

fn with_load(workload: Workload, args: &RunArgs) -> Result<Workload, ConfigError> {
    let load = args.load.as_deref().map(|load| some_time("--for", load)).transpose()?;
    Ok(Workload {
        rate_hz: args.rate.unwrap_or(workload.rate_hz),
        load: load.unwrap_or(workload.load),
        ..workload
    })
}

fn timing(
    args: &RunArgs,
    defaults: &Defaults,
    settings: &BTreeMap<String, String>,
    workload: &Workload,
) -> Result<Timing, ConfigError> {
    let quiesce = args.quiesce.as_deref().map(|quiesce| time("--quiesce", quiesce)).transpose()?;
    let deadline = args.timeout.as_deref().map(|timeout| some_time("--timeout", timeout)).transpose()?;
    Ok(Timing {
        sample_every: defaults.sample_every,
        boundaries: match defaults.settings.contains(&BOUNDARIES) {
            true => boundaries(settings.get(BOUNDARIES).map(String::as_str), workload)?,
            false => CommitPolicy::UnderLoad { most: None },
        },
        capture_every: some_time("--capture-every", &args.capture_every)?,
        no_answer: defaults.no_answer,
        quiesce: quiesce.unwrap_or(defaults.quiesce),
        deadline: deadline.unwrap_or(defaults.deadline),
        probe_restart: args.probe_restart,
    })
}

/// How segments end where a system leaves the choice. Where nothing is said, the cluster is asked later
/// whether it ends them on request.
fn boundaries(wanted: Option<&str>, workload: &Workload) -> Result<CommitPolicy, ConfigError> {
    Ok(match wanted {
        // A commit under load can make Pinot's replicas diverge without any fault (apache/pinot 17144).
        None | Some("standing-still") => CommitPolicy::StandingStill,
        Some("under-load") => {
            CommitPolicy::UnderLoad { most: Some(UNDER_LOAD_TIMES * workload.segment_rows) }
        }
        Some(ROW_THRESHOLD) => by_rows(workload),
        Some(other) => {
            return Err(ConfigError::Setting {
                pair: format!("{BOUNDARIES}={other}"),
                problem: format!("no kind of boundary is called `{other}`"),
                help: Some(advise(other, &BOUNDARY_KINDS)),
            });
        }
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
