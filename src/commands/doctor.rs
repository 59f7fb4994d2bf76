//! `dissent doctor`: what answers on a target, what is allowed there, and what prevents a run.

use super::output;
use super::runtime::runtime;
use super::target_argument::target_file;
use crate::adapter;
use crate::adapter::state::conformance::{ConformanceFinding, ProofLimits, conformance};
use crate::adapter::system::System;
use crate::cli::{self, Format};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::report::conformance as promises;
use crate::report::doctor::{json, text};
use crate::target_error::TargetError;

/// Inspects the target. Nothing is locked, marked or written, unless it shall be proven.
pub(super) fn doctor(args: &cli::DoctorArgs) -> Exit {
    let file = match target_file(&args.target) {
        Ok(file) => file,
        Err(error) => return output::refusal(error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    if args.conformance {
        return prove(&file, args, &runtime);
    }
    let diagnosis = runtime.block_on(adapter::diagnose(&file));
    let exit = if diagnosis.obstacles(&args.target).is_empty() { Exit::Pass } else { Exit::Target };
    match args.format {
        Format::Human => output::result(text(&diagnosis, &file, &args.target, output::style()).trim_end()),
        Format::Json => match json(&diagnosis, &file, &args.target, exit as u8) {
            Ok(document) => output::result(&document),
            Err(error) => return output::failure(&error, Exit::Bug),
        },
    }
    exit
}

/// Proves the store of a target, on a table that is removed again.
fn prove(file: &TargetFile, args: &cli::DoctorArgs, runtime: &tokio::runtime::Runtime) -> Exit {
    if let Err(error) = file.admit_writes(&args.target, "make a table and write to it") {
        return output::refusal(error);
    }
    let Some(system) = adapter::system(&file.system).and_then(System::state_system) else {
        let provable = adapter::SYSTEMS.iter().filter(|system| system.state_system().is_some());
        let names: Vec<&str> = provable.map(|system| system.name()).collect();
        let problem = format!("--conformance is for targets of the systems {}", names.join(", "));
        return output::failure(&problem, Exit::Usage);
    };
    let proof = runtime.block_on(async {
        let store = system.connect(file).await?;
        let findings = conformance(&*store, ProofLimits::default()).await;
        Ok::<_, TargetError>((store.version(), findings))
    });
    match proof {
        Ok((version, findings)) => tell(&version, &findings, args.format),
        Err(error) => output::failure(&error, Exit::Target),
    }
}

fn tell(version: &str, findings: &[ConformanceFinding], format: Format) -> Exit {
    let exit = if findings.iter().all(|finding| finding.passed) { Exit::Pass } else { Exit::Target };
    match format {
        Format::Human => output::result(&promises::text(version, findings, output::style())),
        Format::Json => match promises::json(version, findings, exit as u8) {
            Ok(document) => output::result(&document),
            Err(error) => return output::failure(&error, Exit::Bug),
        },
    }
    exit
}
