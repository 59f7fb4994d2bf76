//! The `RunMeta` of a case, before its first line.

use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{Activity, FORMAT, RunMeta};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Provenance, Schema};
use dissent_core::history::time::Nanos;
use dissent_core::history::trust::TrustChecksums;
use dissent_core::history::workload::{Keys, Skew, Workload};
use dissent_core::seed::Seed;
use std::collections::BTreeMap;

const FROZEN_FLOOR: Nanos = Nanos(30_000_000_000);

/// Four replicas, one partition, one calibration op, no faults.
pub(crate) fn meta() -> RunMeta {
    let keys = Keys { live: 1, skew: Skew::Uniform, retire_after_segments: 1, retire_after_updates: 1 };
    RunMeta {
        activity: Activity::Run,
        format: FORMAT,
        seed: Seed(1),
        target: "case".to_owned(),
        target_version: "1".to_owned(),
        settings: BTreeMap::new(),
        command: Vec::new(),
        simulated: true,
        roster: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        partitions: 1,
        workload: Workload {
            name: "case".to_owned(),
            hunts: String::new(),
            partitions: 1,
            comparison: "cmp".to_owned(),
            rate_hz: 1,
            load: Nanos(1),
            segment_rows: 10,
            provenance: Provenance::Full,
            delete_percent: 0,
            tie_percent: 0,
            out_of_order_percent: 0,
            unknown_percent: 0,
            duplicate_percent: 0,
            guard_keys: 0,
            keys,
            columns: Vec::new(),
            boundaries: None,
            writes: None,
        },
        nemesis: Nemesis { name: "case".to_owned(), hunts: String::new(), ..Nemesis::none() },
        steps: Vec::new(),
        schema: Schema {
            table: "case".to_owned(),
            key: "key".to_owned(),
            comparison: "cmp".to_owned(),
            op: "op".to_owned(),
            columns: Vec::new(),
            provenance: Provenance::Full,
            guard_keys: 0,
            rules: Rules::default(),
        },
        target_file: None,
        left_out: Vec::new(),
        calibration_ops: 1,
        frontiers: Vec::new(),
        frozen_floor: FROZEN_FLOOR,
        trust_checksums: TrustChecksums::None,
        started: "2026-01-01T00:00:00Z".to_owned(),
    }
}
