//! `dissent list settings` and `dissent list fits`: what `--set` takes, and which plans and workloads fit
//! which target.

use super::output;
use super::resolve_run_spec::run_spec;
use crate::adapter::specimen::SpecimenKind;
use crate::adapter::system::System;
use crate::adapter::{BOUNDARIES, SYSTEMS};
use crate::cli::RunArgs;
use crate::config::ConfigFile as _;
use crate::config::catalogue::WORKLOADS;
use crate::config::file_schema::{self, fields};
use crate::config::target::{Commands, TargetFile};
use crate::run::fitting::plans_for;
use crate::run::run_spec::BOUNDARY_KINDS;
use crate::run::target::{ExternalTarget, RunTarget};
use clap::Parser as _;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::workload::Workload;
use std::collections::BTreeSet;

/// Every setting, with what it belongs to and what it may be, as things to list.
pub(super) fn settings() -> Vec<(String, String, String)> {
    let of_file = |schema, keys: &'static [&'static str], owner: &'static str| {
        let fields = fields(schema);
        let of = move |key: &&str| {
            let path = if *key == "keys" { "keys.live" } else { *key };
            let field = fields.iter().find(|field| field.path == path);
            let form = field.map(|field| format!("{}. {}", field.form, field.about)).unwrap_or_default();
            ((*key).to_owned(), format!("{owner}: {form}"))
        };
        keys.iter().map(of).collect::<Vec<_>>()
    };
    let of_cluster = |kind: SpecimenKind| {
        let of = move |key: &&str| {
            let values = kind.values(key);
            ((*key).to_owned(), format!("{}, {}: {values}", kind.processes(), kind.simulated()))
        };
        kind.settings().iter().map(of).collect::<Vec<_>>()
    };
    let workload = of_file(file_schema::WORKLOAD, Workload::SETTINGS, "workload");
    let nemesis = of_file(file_schema::NEMESIS, Nemesis::SETTINGS, "nemesis");
    let clusters = SpecimenKind::ALL.into_iter().flat_map(of_cluster);
    let of_steps = [
        ("until.STEP", "nemesis: time. How long the step lasts."),
        ("measure.STEP", "nemesis: whole number. The number of the step's fault: by how much it is."),
    ];
    let of_steps = of_steps.map(|(key, about)| (key.to_owned(), about.to_owned()));
    let systems = SYSTEMS.iter().flat_map(|system| {
        let (name, defaults) = (system.name(), system.defaults());
        let ends = defaults.settings.contains(&BOUNDARIES);
        let ends = ends.then(|| (BOUNDARIES.to_owned(), format!("{name}: {}", BOUNDARY_KINDS.join(", "))));
        let table = "an option of the table that the run makes, as under [table] of a target file";
        let table = defaults.has_table_options.then(|| ("table.PATH".to_owned(), format!("{name}: {table}")));
        ends.into_iter().chain(table)
    });
    let all = workload.into_iter().chain(nemesis).chain(of_steps).chain(clusters).chain(systems);
    all.map(|(name, about)| (name, about.clone(), about)).collect()
}

/// Prints the plans and the workloads that fit each system.
pub(super) fn print_fits() {
    let targets: Vec<RunTarget> = SYSTEMS.iter().map(|system| target_of(*system)).collect();
    let heads: Vec<&str> = SYSTEMS.iter().map(|system| system.name()).collect();
    let plans: Vec<Vec<&str>> = targets.iter().map(plans_for).collect();
    let all: BTreeSet<&str> = plans.iter().flatten().copied().collect();
    table(
        "nemesis",
        &heads,
        all.into_iter().map(|plan| {
            (plan, plans.iter().map(|fitting| if fitting.contains(&plan) { "yes" } else { "-" }).collect())
        }),
    );
    output::result("");
    table(
        "workload",
        &heads,
        WORKLOADS
            .iter()
            .map(|file| (file.name, targets.iter().map(|target| takes(target, file.name)).collect())),
    );
    output::result(FITS_NOTE);
}

const FITS_NOTE: &str = "
A plan fits if its target file allows it and names the commands that it needs. ask: the store is asked when a
run begins whether it deletes keys, or compares before it writes.";

fn table<'r>(kind: &str, heads: &[&str], rows: impl Iterator<Item = (&'r str, Vec<&'r str>)>) {
    let line = |name: &str, cells: &[&str]| {
        let cells = cells.iter().zip(heads).map(|(cell, head)| format!("  {cell:<0$}", head.len()));
        output::result(format!("{name:<24}{}", cells.collect::<String>()).trim_end());
    };
    line(kind, heads);
    rows.for_each(|(name, cells)| line(name, &cells));
}

/// A cluster of a system with everything that its target file can name.
fn target_of(system: &dyn System) -> RunTarget {
    if let Some(kind) = SpecimenKind::named(system.name()) {
        return RunTarget::Simulated(kind);
    }
    let command = || Some("true".to_owned());
    let file = TargetFile {
        commands: Commands { pause: command(), resume: command(), kill: command(), start: command() },
        proxy: Some("http://127.0.0.1:1".to_owned()),
        servers: [("replica".to_owned(), "127.0.0.1:1".to_owned())].into(),
        ..TargetFile::at(system.name(), "http://127.0.0.1:1")
    };
    RunTarget::External(Box::new(ExternalTarget { path: String::new(), file }))
}

/// Whether a target takes a workload, without any fault.
fn takes(target: &RunTarget, workload: &str) -> &'static str {
    let args = RunArgs::parse_from(["run", SpecimenKind::Segments.simulated(), workload, "none"]);
    let Ok(mut spec) = run_spec(&args) else { return "-" };
    spec.target = target.clone();
    if target.has_no_log() {
        spec.workload.partitions = 1;
        let is_asked = spec.workload.delete_percent > 0 || spec.workload.guard_keys > 0;
        return if spec.check().is_err() {
            "-"
        } else if is_asked {
            "ask"
        } else {
            "yes"
        };
    }
    if spec.check().is_ok() { "yes" } else { "-" }
}
