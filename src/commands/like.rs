//! `dissent run --like RUN`: the arguments of a recorded run, and what its own files said.

use super::output;
use super::resolve_run_spec::run_spec_of;
use crate::cli::{CAPTURE_EVERY, RunArgs};
use crate::config::error::ConfigError;
use crate::config::load::{is_path, load};
use crate::exit::Exit;
use crate::run::error::RunError;
use crate::run::run_spec::RunSpec;
use clap::Parser as _;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{Activity, RunMeta, RunRecord as _};
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::Workload;
use dissent_store::latest_run::resolve;
use dissent_store::run_reader::RunReader;

/// What a recorded run wrote and injected. Its files may have changed since, or be gone.
pub(super) struct RecordedPlan {
    workload: Workload,
    nemesis: Nemesis,
}

impl RecordedPlan {
    /// The specification of such a run.
    pub(super) fn run_spec(&self, args: &RunArgs) -> Result<RunSpec, ConfigError> {
        let workload = || match is_path(&args.workload) {
            true => Ok(self.workload.clone()),
            false => load(&args.workload),
        };
        let nemesis = || match is_path(&args.nemesis) {
            true => Ok(self.nemesis.clone()),
            false => load(&args.nemesis),
        };
        run_spec_of(args, workload, nemesis)
    }
}

/// The arguments of a recorded run, but for those that are given.
pub(super) fn like(given: &RunArgs, run: &str) -> Result<(RunArgs, RecordedPlan), Exit> {
    let opened = resolve(&given.output.results, run).map_err(RunError::from);
    let record = opened.and_then(|dir| Ok(RunReader::open(&dir)?));
    let record = record.map_err(|error| output::failure(&error, error.exit()))?;
    let meta = record.meta();
    if meta.activity != Activity::Run || meta.command.is_empty() {
        let problem =
            format!("{run} cannot be done again: it does not tell the arguments of a `dissent run`");
        return Err(output::failure(&problem, Exit::Usage));
    }
    let recorded = arguments(meta).map_err(|problem| output::failure(&problem, Exit::Usage))?;
    let plan = RecordedPlan { workload: meta.workload.clone(), nemesis: meta.nemesis.clone() };
    Ok((merged(recorded, given), plan))
}

fn arguments(meta: &RunMeta) -> Result<RunArgs, String> {
    let words = std::iter::once("run").chain(meta.command.iter().map(String::as_str));
    RunArgs::try_parse_from(words)
        .map_err(|error| format!("the run was made by another version: {}", error.to_string().trim_end()))
}

fn merged(recorded: RunArgs, given: &RunArgs) -> RunArgs {
    // Every field is listed, so that none is forgotten.
    let RunArgs {
        target: _,
        workload: _,
        nemesis: _,
        like: _,
        seed,
        runs,
        jobs,
        load,
        quiesce,
        probe_restart,
        timeout,
        capture_every,
        trust_checksums,
        rate,
        set,
        plan_only,
        known,
        self_test,
        output,
    } = given.clone();
    let key = |pair: &str| pair.split_once('=').map(|(key, _)| key.to_owned());
    let is_replaced = |pair: &String| set.iter().any(|own| key(own) == key(pair));
    let kept = recorded.set.iter().filter(|pair| !is_replaced(pair)).cloned();
    RunArgs {
        like: None,
        seed,
        runs,
        jobs,
        load: load.or(recorded.load),
        quiesce: quiesce.or(recorded.quiesce),
        probe_restart: probe_restart || recorded.probe_restart,
        timeout: timeout.or(recorded.timeout),
        capture_every: if capture_every == CAPTURE_EVERY { recorded.capture_every } else { capture_every },
        trust_checksums: match trust_checksums {
            TrustChecksums::Sampled => recorded.trust_checksums,
            other => other,
        },
        rate: rate.or(recorded.rate),
        set: kept.chain(set.iter().cloned()).collect(),
        plan_only,
        known: known.or(recorded.known),
        self_test: self_test || recorded.self_test,
        output,
        target: recorded.target,
        workload: recorded.workload,
        nemesis: recorded.nemesis,
    }
}
