//! The specification of a run, which a seed turns into one run.

use super::fitting::{plans_for, waits_for_segments};
use super::target::RunTarget;
use crate::adapter::specimen::{FROZEN_FLOOR, SpecimenKind, segments_settings, shard_settings};
use crate::adapter::{BOUNDARIES, Refusal};
use crate::target_error::TargetError;
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::conductor::{CommitPolicy, Timing};
use dissent_core::generator::calibration::calibration;
use dissent_core::generator::plan_error::PlanError;
use dissent_core::generator::schedule::schedule;
use dissent_core::generator::swarm::drawn;
use dissent_core::generator::table::schema;
use dissent_core::history::fault::{FaultKind, VictimRole};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{Activity, FORMAT, RunMeta};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use dissent_simulator::Simulated;
use std::collections::BTreeMap;

/// The start time of every simulated run. It is fixed, so the same seed gives the same bytes.
const SIMULATED_START: &str = "2026-01-01T00:00:00Z";

/// Why a specification cannot be turned into a run.
#[derive(Debug, thiserror::Error)]
pub enum RunSpecError {
    /// A setting of the target is unknown or has a bad value.
    #[error("{0}")]
    Setting(String),
    /// The target's version cannot merge a column that the workload needs.
    #[error(
        "column `{column}` merges by {merge:?}, which this version of the target does not have: make it \
         `optional = true`, or choose another workload"
    )]
    Lacks {
        /// The name of the column.
        column: String,
        /// The column's merge function.
        merge: Merge,
    },
    /// The workload has several partitions, but the target has one log.
    #[error("{target} has one input log: use a workload with `partitions = 1`, or --set partitions=1")]
    OnePartition {
        /// The name of the target.
        target: String,
    },
    /// The workload deletes keys, but the target's adapter writes no tombstones.
    #[error(
        "workload `{workload}` deletes keys, and {target} is not written deletions: --set delete-percent=0, \
         or remove each [[write]] with `delete`"
    )]
    Deletes {
        /// The name of the workload.
        workload: String,
        /// The name of the target.
        target: String,
    },
    /// The workload makes writes conditional, but the target cannot do that.
    #[error(
        "workload `{workload}` makes each write conditional on other keys, which {target} cannot do: --set \
         guard-keys=0"
    )]
    Guards {
        /// The name of the workload.
        workload: String,
        /// The name of the target.
        target: String,
    },
    /// The workload writes events out of order, but the target applies writes as they come.
    #[error(
        "workload `{workload}` writes events out of order, and {target} orders writes by their arrival, not \
         by a comparison column: --set out-of-order-percent=0"
    )]
    OutOfOrder {
        /// The name of the workload.
        workload: String,
        /// The name of the target.
        target: String,
    },
    /// The workload sends ops twice, but the target has no log that tells how often one was applied.
    #[error(
        "workload `{workload}` sends writes twice, and {target} has no log that shows which were applied \
         twice: --set duplicate-percent=0"
    )]
    Duplicates {
        /// The name of the workload.
        workload: String,
        /// The name of the target.
        target: String,
    },
    /// The plan waits for segments, but the target has none.
    #[error("step `{step}` waits for segments, and {target} has none: choose a plan such as {others}")]
    Segments {
        /// The name of the step.
        step: String,
        /// The name of the target.
        target: String,
        /// Plans of the catalogue that fit.
        others: String,
    },
    /// The plan selects by something that no replica of the target is.
    #[error("step `{step}` selects {selects}, and {target} has none: select `one`, or a `replica`")]
    NoRole {
        /// The name of the step.
        step: String,
        /// What it selects.
        selects: &'static str,
        /// The name of the target.
        target: String,
    },
    /// The replicas are unknown before the run.
    #[error("--plan-only: not possible for {target}: the replicas are chosen when a run creates its table")]
    NoRoster {
        /// The target file.
        target: String,
    },
    /// The target does not support a fault of the plan.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The plan does not fit the target.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A target that has its table.
#[derive(Clone, Debug)]
pub struct PreparedTarget {
    /// The version that the target reports.
    pub version: String,
    /// The names of its replicas, in order.
    pub roster: Vec<String>,
    /// The servers that have nothing of the table and could take over, in order.
    pub spares: Vec<String>,
    /// The schema of the table.
    pub schema: Schema,
    /// The frontiers that the target declares.
    pub frontiers: Vec<Frontier>,
    /// The columns of the workload that the table does not have.
    pub left_out: Vec<String>,
    /// The minimum time without progress that counts as frozen.
    pub frozen_floor: Nanos,
}

/// Everything about a run except its seed, resolved from the command line, the files and the defaults.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Where the run takes place.
    pub target: RunTarget,
    /// The ops to write.
    pub workload: Workload,
    /// The plan of faults.
    pub nemesis: Nemesis,
    /// The target's settings.
    pub settings: BTreeMap<String, String>,
    /// The arguments that repeat the run, without the seed.
    pub command: Vec<String>,
    /// Intervals and time limits.
    pub timing: Timing,
    /// Which committed copies are counted by their checksum.
    pub trust_checksums: TrustChecksums,
    /// Findings that do not fail a build.
    pub known: Option<KnownIssues>,
    /// Whether the judge must find a row that is changed after the verdict.
    pub self_test: bool,
    /// Whether the table stays at a cluster that outlives the run.
    pub keeps_table: bool,
}

/// The value of the setting `boundaries` for segments that end by their number of rows.
pub const ROW_THRESHOLD: &str = "row-threshold";

/// The values of the setting `boundaries`.
pub const BOUNDARY_KINDS: [&str; 3] = ["standing-still", "under-load", ROW_THRESHOLD];

/// Boundaries by number of rows. The limit is far enough above the rows after which a boundary is due, so
/// that no segment ends by itself. It is near enough that the missing rows can be written at once.
pub fn by_rows(workload: &Workload) -> CommitPolicy {
    CommitPolicy::RowThreshold { rows: 4 * workload.segment_rows }
}

/// The kind of fault that `--probe-restart` needs. None if that probe is not requested.
pub fn probe(is_asked_for: bool) -> Option<FaultKind> {
    is_asked_for.then_some(FaultKind::Restart)
}

impl RunSpec {
    /// The table of the workload, without optional columns whose merge function the target lacks.
    pub fn schema(
        &self,
        lacks: &[Merge],
        table: Option<String>,
    ) -> Result<(Schema, Vec<String>), RunSpecError> {
        let is_of_shard = self.target.has_shard();
        let has_own_log = self.rules()?.has_own_log() || self.target.has_no_log();
        if is_of_shard || has_own_log {
            self.fits_one_log()?;
        }
        self.check_order(has_own_log)?;
        let needed = self.workload.columns.iter().filter(|column| lacks.contains(&column.merge));
        let (left_out, required): (Vec<_>, Vec<_>) = needed.partition(|column| column.optional);
        if let Some(column) = required.first() {
            return Err(RunSpecError::Lacks { column: column.name.clone(), merge: column.merge });
        }
        if !self.target.has_no_log() {
            self.check_writes(self.target.specimen().is_some(), false)?;
        }
        let left_out: Vec<String> = left_out.into_iter().map(|column| column.name.clone()).collect();
        let mut schema = schema(&self.workload, &left_out);
        if let Some(column) = schema.columns.iter().find(|column| lacks.contains(&column.merge)) {
            return Err(RunSpecError::Lacks { column: column.name.clone(), merge: column.merge });
        }
        schema.table = table.unwrap_or(schema.table);
        schema.rules = self.rules()?;
        Ok((schema, left_out))
    }

    /// Refuses a workload that deletes keys, or makes writes conditional, on a target that cannot do that.
    pub fn check_writes(&self, deletes: bool, guards: bool) -> Result<(), RunSpecError> {
        let (workload, target) = (self.workload.name.clone(), self.target.name().to_owned());
        match self.workload.guard_keys {
            _ if self.workload.deletes() && !deletes => Err(RunSpecError::Deletes { workload, target }),
            1.. if !guards => Err(RunSpecError::Guards { workload, target }),
            _ => Ok(()),
        }
    }

    /// Refuses a workload whose outcome the model could not know, as the target applies what comes.
    fn check_order(&self, has_own_log: bool) -> Result<(), RunSpecError> {
        let (workload, target) = (self.workload.name.clone(), self.target.name().to_owned());
        let is_by_arrival = self.target.has_shard() || self.target.has_no_log();
        match self.workload {
            Workload { out_of_order_percent: 1.., .. } if is_by_arrival => {
                Err(RunSpecError::OutOfOrder { workload, target })
            }
            _ if self.workload.duplicates() && has_own_log => {
                Err(RunSpecError::Duplicates { workload, target })
            }
            _ => Ok(()),
        }
    }

    /// The specification for a target that does not end segments on request. Unless the user chose otherwise,
    /// segments then end by their number of rows.
    pub fn with_boundaries_of(mut self, refusal: Option<TargetError>) -> Result<RunSpec, TargetError> {
        match (refusal, self.timing.boundaries) {
            (None, _) | (_, CommitPolicy::RowThreshold { .. }) => Ok(self),
            (Some(refusal), _) if self.settings.contains_key(BOUNDARIES) => Err(refusal),
            (Some(_), _) => {
                self.timing.boundaries = by_rows(&self.workload);
                self.settings.insert(BOUNDARIES.to_owned(), ROW_THRESHOLD.to_owned());
                Ok(self)
            }
        }
    }

    /// The number of rows at which a segment of the table ends. None if segments end on request.
    pub fn full_rows(&self) -> Option<u64> {
        match self.timing.boundaries {
            CommitPolicy::RowThreshold { rows } => Some(rows),
            CommitPolicy::UnderLoad { .. } | CommitPolicy::StandingStill => None,
        }
    }

    /// The built-in cluster whose replicas are known before the run.
    fn specimen(&self) -> Result<SpecimenKind, RunSpecError> {
        let path = || self.target.external().map_or(String::new(), |external| external.path.clone());
        self.target.specimen().ok_or_else(|| RunSpecError::NoRoster { target: path() })
    }

    fn segments(&self) -> Result<specimen::segments::Config, RunSpecError> {
        let schema = schema(&self.workload, &[]);
        let config = segments_settings::config(&schema, self.workload.partitions, &self.settings);
        config.map_err(RunSpecError::Setting)
    }

    fn writers(&self) -> Result<specimen::shard::Config, RunSpecError> {
        let (schema, _) = self.schema(self.target.lacks(), None)?;
        shard_settings::config(&schema, &self.settings).map_err(RunSpecError::Setting)
    }

    /// The configuration of the built-in cluster that the run simulates.
    pub fn simulation(&self) -> Result<Simulated, RunSpecError> {
        Ok(match self.specimen()? {
            SpecimenKind::Segments => Simulated::Segments {
                config: self.segments()?,
                timeouts: segments_settings::timeouts(&self.settings).map_err(RunSpecError::Setting)?,
            },
            SpecimenKind::Shard => Simulated::Shard(self.writers()?),
        })
    }

    /// The kinds of all faults that the run may inject: those of the plan and that of the probe.
    pub fn faults(&self) -> impl Iterator<Item = FaultKind> {
        self.nemesis.faults().chain(probe(self.timing.probe_restart))
    }

    /// The rules of the table of a built-in cluster. Any other cluster declares its own.
    fn rules(&self) -> Result<Rules, RunSpecError> {
        match self.target.specimen() {
            Some(SpecimenKind::Segments) => {
                segments_settings::rules(&self.settings).map_err(RunSpecError::Setting)
            }
            Some(SpecimenKind::Shard) | None => Ok(Rules::default()),
        }
    }

    /// Refuses a step that would wait for ever for a replica with its role.
    fn check_roles(&self) -> Result<(), RunSpecError> {
        let mut roles = self.nemesis.steps.iter().filter_map(|step| Some((step, step.select.role()?)));
        let Some((step, role)) = roles.find(|(_, role)| !self.target.may_have(role)) else { return Ok(()) };
        let selects = match role {
            VictimRole::Leader => "the leader",
            VictimRole::HolderOf(_) | VictimRole::VictimOf(_) => "a holder of a segment",
        };
        Err(RunSpecError::NoRole { step: step.id.clone(), selects, target: self.target.name().to_owned() })
    }

    fn fits_one_log(&self) -> Result<(), RunSpecError> {
        let target = || self.target.name().to_owned();
        if self.workload.partitions != 1 {
            return Err(RunSpecError::OnePartition { target: target() });
        }
        let counts_rows = !self.target.has_shard();
        match self.nemesis.steps.iter().find(|step| waits_for_segments(step, counts_rows)) {
            Some(step) => {
                let (step, others) = (step.id.clone(), plans_for(&self.target).join(", "));
                Err(RunSpecError::Segments { step, target: target(), others })
            }
            None => Ok(()),
        }
    }

    /// Refuses what is known to fail before the run begins: bad settings, steps that wait for something that
    /// never comes, and faults that the target does not support.
    pub fn check(&self) -> Result<(), RunSpecError> {
        self.schema(self.target.lacks(), None)?;
        if self.target.external().is_none() {
            self.simulation()?;
        }
        if !self.target.is_simulated() && self.target.specimen() == Some(SpecimenKind::Segments) {
            segments_settings::refuse_simulated_only(&self.settings).map_err(RunSpecError::Setting)?;
        }
        self.check_roles()?;
        Ok(self.faults().try_for_each(|kind| self.target.can(kind))?)
    }

    /// The metadata of the run with this seed on a built-in cluster. `started` is the wall-clock time of a
    /// run in real time.
    pub fn meta(&self, seed: Seed, started: Option<String>) -> Result<RunMeta, RunSpecError> {
        let kind = self.specimen()?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (spares, frozen_floor) = (Vec::new(), FROZEN_FLOOR);
        let roster = match kind {
            SpecimenKind::Segments => self.segments()?.servers,
            SpecimenKind::Shard => self.writers()?.writers,
        };
        let frontiers = kind.frontiers(&roster, &self.settings);
        let (schema, left_out) = self.schema(kind.lacks(), None)?;
        let info = PreparedTarget { version, roster, spares, schema, frontiers, left_out, frozen_floor };
        self.meta_at(seed, started, info)
    }

    /// The metadata of the run with this seed at a target that has its table.
    pub fn meta_at(
        &self,
        seed: Seed,
        started: Option<String>,
        target: PreparedTarget,
    ) -> Result<RunMeta, RunSpecError> {
        let PreparedTarget { version, mut roster, spares, schema, frontiers, left_out, frozen_floor } =
            target;
        let calibration = calibration(&schema);
        let nemesis = drawn(&self.nemesis, seed);
        let steps = schedule(&nemesis, &roster, self.workload.partitions, seed)?;
        // A server that takes over is watched from the start. No fault hits it that is drawn before the run.
        if steps.iter().any(|step| step.kind == FaultKind::Rebalance) {
            roster.extend(spares.into_iter().take(1));
        }
        Ok(RunMeta {
            activity: Activity::Run,
            format: FORMAT,
            seed,
            target: self.target.name().to_owned(),
            target_file: self.target.external().map(|external| external.path.clone()),
            target_version: version,
            settings: self.settings.clone(),
            command: self.command.clone(),
            simulated: self.target.is_simulated(),
            steps,
            roster,
            partitions: self.workload.partitions,
            workload: self.workload.clone(),
            nemesis,
            calibration_ops: (calibration.before.len() + calibration.after.len()) as u64,
            schema,
            left_out,
            frontiers,
            frozen_floor,
            // A simulated replica has no checksums: reading it costs nothing.
            trust_checksums: match self.target.is_simulated() {
                true => TrustChecksums::None,
                false => self.trust_checksums,
            },
            started: started.unwrap_or_else(|| SIMULATED_START.to_owned()),
        })
    }

    /// The title of the run for readers: workload, nemesis, target and settings.
    pub fn title(&self) -> String {
        let set: Vec<String> = self.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let parts = [self.target.name(), &self.workload.name, &self.nemesis.name];
        parts.into_iter().map(str::to_owned).chain(set).collect::<Vec<_>>().join(" ")
    }
}
