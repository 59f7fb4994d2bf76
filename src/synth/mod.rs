//! Generates run folders of any size from a seed, with a planted fault: the ground truth of tests and
//! benchmarks. The ordinary writer writes the folder, so `dissent check` treats it as a real run.
//!
//! This module shares no merge function with the judge. It works as a stream: memory holds the state of the
//! keys and one segment per partition. Every segment is committed and then captured on every replica.

mod plant;
mod spec;
mod writer;

pub use plant::Plant;
pub use spec::{SynthError, SynthSpec};

use crate::config::error::ConfigError;
use crate::config::load::load;
use dissent_core::generator::calibration::{CALIBRATION_OPS, calibration};
use dissent_core::generator::generate::Generator;
use dissent_core::generator::table::schema;
use dissent_core::history::event::{CaptureReason, Phase};
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{Activity, FORMAT, RunMeta};
use dissent_core::history::schema::{Provenance, Type};
use dissent_core::history::time::Nanos;
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::{Skew, Workload};
use dissent_store::run_writer::RunWriter;
use std::collections::BTreeMap;
use std::path::Path;
use writer::Writer;

/// The maximum number of entries of a segment, over all partitions.
const EPOCH_ROWS_MAX: u64 = 100_000;
/// The minimum number of segments per partition, besides those of the calibration.
const EPOCHS_MIN: u64 = 4;
/// The number of rows per key of a partition, up to [`KEYS_MAX`] keys. Beyond that, memory does not grow with
/// rows.
const ROWS_A_KEY: u64 = 100;
const KEYS_MAX: u64 = 5_000;
const KEYS_MIN: u64 = 16;

/// Generates a run and writes it to a folder, which must not exist.
pub fn synthesize(spec: &SynthSpec, dir: &Path) -> Result<(), SynthError> {
    if let Some(wanted) = spec.plant.wants_other(spec.replicas) {
        return Err(SynthError::Replicas { plant: spec.plant, wanted });
    }
    let meta = meta(spec)?;
    let load = spec.rows.saturating_sub(CALIBRATION_OPS);
    let epoch_rows = load.div_ceil(EPOCHS_MIN).clamp(1, EPOCH_ROWS_MAX);
    let mut generator = Generator::new(&meta.workload, &meta.schema, spec.seed);
    let set = calibration(&meta.schema);
    let folder = RunWriter::create(dir, meta.clone(), None)?;
    let mut writer = Writer::new(folder, meta, spec);
    writer.begin()?;
    writer.epoch(set.before.into_iter(), CaptureReason::Boundary)?;
    writer.epoch(set.after.into_iter(), CaptureReason::Boundary)?;
    writer.phase(Phase::Load)?;
    let mut left = load;
    while left > 0 {
        let ops = left.min(epoch_rows);
        left -= ops;
        let reason = if left == 0 { CaptureReason::Final } else { CaptureReason::Boundary };
        writer.epoch(generator.by_ref().take(ops as usize), reason)?;
    }
    writer.finish()
}

/// Columns of constant size and keys that never retire, so a run of any length can be judged.
fn meta(spec: &SynthSpec) -> Result<RunMeta, ConfigError> {
    let mut workload: Workload = load("steady")?;
    let nemesis: Nemesis = load("none")?;
    workload.name = "synth".to_owned();
    workload.columns.retain(|column| matches!(column.ty, Type::Long | Type::String));
    workload.provenance = Provenance::Digest;
    workload.rate_hz = 100_000;
    workload.segment_rows = EPOCH_ROWS_MAX / u64::from(workload.partitions);
    let keys = &mut workload.keys;
    keys.live = (spec.rows / ROWS_A_KEY).clamp(KEYS_MIN, KEYS_MAX) as u32;
    (keys.skew, keys.retire_after_segments, keys.retire_after_updates) = (Skew::Uniform, u32::MAX, u32::MAX);
    Ok(RunMeta {
        activity: Activity::Run,
        format: FORMAT,
        seed: spec.seed,
        target: "synth".to_owned(),
        target_version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: BTreeMap::from([("plant".to_owned(), spec.plant.to_string())]),
        command: Vec::new(),
        simulated: true,
        roster: (0..spec.replicas).map(|n| format!("server-{n}")).collect(),
        partitions: workload.partitions,
        schema: schema(&workload, &[]),
        workload,
        nemesis,
        steps: Vec::new(),
        target_file: None,
        left_out: Vec::new(),
        calibration_ops: CALIBRATION_OPS,
        frontiers: Vec::new(),
        frozen_floor: Nanos(1_000_000_000),
        trust_checksums: TrustChecksums::None,
        started: "2000-01-01T00:00:00Z".to_owned(),
    })
}
