//! Workloads, plans and metadata of runs, for this crate's own tests.

use crate::generator::calibration::CALIBRATION_OPS;
use crate::generator::schedule::schedule;
use crate::generator::table::schema;
use crate::history::frontier::{Frontier, FrontierKind};
use crate::history::nemesis::Nemesis;
use crate::history::run_record::{Activity, FORMAT, RunMeta};
use crate::history::time::Nanos;
use crate::history::trust::TrustChecksums;
use crate::history::workload::Workload;
use crate::seed::Seed;
use std::collections::BTreeMap;

/// A workload of the catalogue.
pub(crate) fn workload(name: &str) -> Workload {
    let text = match name {
        "partial-upsert" => include_str!("../../workloads/partial-upsert.toml"),
        "upsert-feed" => include_str!("../../workloads/upsert-feed.toml"),
        name => panic!("no workload is called {name} here"),
    };
    let workload: Workload = toml::from_str(text).expect("a workload");
    Workload { name: name.to_owned(), ..workload }
}

/// A nemesis plan of the catalogue.
pub(crate) fn nemesis(name: &str) -> Nemesis {
    let text = match name {
        "late-transition" => include_str!("../../nemesis/late-transition.toml"),
        "none" => include_str!("../../nemesis/none.toml"),
        "restart-one" => include_str!("../../nemesis/restart-one.toml"),
        name => panic!("no nemesis plan is called {name} here"),
    };
    let nemesis: Nemesis = toml::from_str(text).expect("a nemesis plan");
    Nemesis { name: name.to_owned(), ..nemesis }
}

/// The metadata of a run on these replicas, with a load of one second.
pub(crate) fn meta(workload: &Workload, nemesis: &Nemesis, roster: &[&str]) -> RunMeta {
    let roster: Vec<String> = roster.iter().map(|name| (*name).to_owned()).collect();
    let workload = Workload { load: Nanos(1_000_000_000), ..workload.clone() };
    RunMeta {
        activity: Activity::Run,
        format: FORMAT,
        seed: Seed(1),
        target: "example".to_owned(),
        target_file: None,
        target_version: "1".to_owned(),
        settings: BTreeMap::new(),
        command: Vec::new(),
        simulated: true,
        partitions: workload.partitions,
        steps: schedule(nemesis, &roster, workload.partitions, Seed(1)).expect("a schedule"),
        schema: schema(&workload, &[]),
        workload,
        nemesis: nemesis.clone(),
        roster,
        left_out: Vec::new(),
        calibration_ops: CALIBRATION_OPS,
        frozen_floor: Nanos(2_000_000_000),
        trust_checksums: TrustChecksums::None,
        frontiers: Vec::new(),
        started: "2026-01-01T00:00:00Z".to_owned(),
    }
}

/// The frontiers of writers that feed one shard, and of the shard.
pub(crate) fn frontiers(writers: &[&str]) -> Vec<Frontier> {
    let shard = Frontier::of_shard("shard");
    let own = writers.iter().map(|writer| Frontier {
        object: (*writer).to_owned(),
        kind: FrontierKind::WriterOutput,
        replica: Some((*writer).to_owned()),
        durable: false,
        feeds: Some("shard".to_owned()),
        group: "writers".to_owned(),
        combines: None,
        ..shard.clone()
    });
    own.chain([shard.clone()]).collect()
}
