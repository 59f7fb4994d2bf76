//! What a run is asked to be, before a seed makes one run of it.

use super::conductor::Timing;
use crate::config::nemesis::Nemesis;
use crate::config::target::TargetFile;
use crate::config::workload::Workload;
use crate::plan::generate::{calibration, schema};
use crate::plan::schedule::{PlanError, schedule};
use crate::record::evidence::{FORMAT, Facts};
use crate::record::row::Nanos;
use crate::seed::Seed;
use crate::target::specimen::{PROCESSES, SIMULATED, config};
use std::collections::BTreeMap;

/// A position counts as frozen at the earliest after this long without a move (`semantics` 7).
const FROZEN_FLOOR: Nanos = Nanos(2_000_000_000);

/// The start of every simulated run: a fixed day, so that the same seed gives the same bytes.
const SIMULATED_START: &str = "2026-01-01T00:00:00Z";

/// Why an order cannot be turned into a run.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A setting of the target.
    #[error("{0}")]
    Setting(String),
    /// The plan does not fit the target.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A cluster that lives outside of any run.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The target file, as given.
    pub path: String,
    /// What it says.
    pub file: TargetFile,
}

/// Everything about a run but its seed.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whether time is virtual.
    pub simulated: bool,
    /// The cluster outside of any run, if it is not the run's own.
    pub outside: Option<Outside>,
    /// What is written.
    pub workload: Workload,
    /// What goes wrong.
    pub nemesis: Nemesis,
    /// The target's settings.
    pub settings: BTreeMap<String, String>,
    /// How often and how long.
    pub timing: Timing,
    /// Whether the judge must find a row that is changed after the verdict.
    pub self_test: bool,
}

impl Order {
    /// The target's name.
    pub fn target(&self) -> &'static str {
        if self.simulated { SIMULATED } else { PROCESSES }
    }

    /// The cluster to be set up.
    pub fn cluster(&self) -> Result<specimen::Config, OrderError> {
        let schema = schema(&self.workload, &[]);
        config(&schema, self.workload.partitions, &self.settings).map_err(OrderError::Setting)
    }

    /// The facts of the run with this seed. `started` is the wall-clock time of a run in real time.
    pub fn facts(&self, seed: Seed, started: Option<String>) -> Result<Facts, OrderError> {
        let schema = schema(&self.workload, &[]);
        let cluster = self.cluster()?;
        let calibration = calibration(&schema);
        Ok(Facts {
            format: FORMAT,
            seed,
            target: self.target().to_owned(),
            target_version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.settings.clone(),
            simulated: self.simulated,
            steps: schedule(&self.nemesis, &cluster.servers, self.workload.partitions, seed)?,
            roster: cluster.servers,
            partitions: self.workload.partitions,
            workload: self.workload.clone(),
            nemesis: self.nemesis.clone(),
            calibration_ops: (calibration.before.len() + calibration.after.len()) as u64,
            schema,
            left_out: Vec::new(),
            frozen_floor: FROZEN_FLOOR,
            started: started.unwrap_or_else(|| SIMULATED_START.to_owned()),
        })
    }

    /// What a reader calls this order: workload, nemesis, target and what was set.
    pub fn title(&self) -> String {
        let set: Vec<String> = self.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let parts = [self.target(), &self.workload.name, &self.nemesis.name];
        parts.into_iter().map(str::to_owned).chain(set).collect::<Vec<_>>().join(" ")
    }
}
