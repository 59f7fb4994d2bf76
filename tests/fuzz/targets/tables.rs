//! Any text as a workload and as a nemesis plan. The error of a wrong one names its place; a right one is
//! stored and read back the same, and a run can be planned from it.

use dissent::config::ConfigFile;
use dissent::config::load::parse;
use dissent_core::generator::calibration::calibration;
use dissent_core::generator::generate::Generator;
use dissent_core::generator::schedule::schedule;
use dissent_core::generator::table::schema;
use dissent_core::history::nemesis::{Nemesis, Select, StepSpec};
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use std::fmt::Debug;

/// If the text is valid, draws the first ops of the workload or the steps of the plan.
pub(crate) fn tables(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(workload) = document::<Workload>(text)
        && workload.keys.live <= 1_000
        && workload.partitions <= 16
    {
        let schema = schema(&workload, &[]);
        calibration(&schema);
        let generator = Generator::new(&workload, &schema, Seed(1));
        let width = schema.columns.len();
        assert!(generator.take(100).all(|op| op.cols.len() == width));
    }
    if let Some(nemesis) = document::<Nemesis>(text) {
        let roster = ["a", "b", "c"].map(str::to_owned);
        // A step may name a replica that is not there, or one that another step does not hit.
        let steps = schedule(&nemesis, &roster, 2, Seed(1));
        assert!(steps.is_ok_and(|steps| steps.len() >= nemesis.steps.len()) || names_a_replica(&nemesis));
    }
}

fn names_a_replica(nemesis: &Nemesis) -> bool {
    let named = |step: &StepSpec| {
        matches!(step.select, Select::Replica(_) | Select::Not(_)) || step.partition.is_some()
    };
    nemesis.steps.iter().any(named)
}

fn document<T: ConfigFile + Debug + PartialEq + serde::Serialize>(text: &str) -> Option<T> {
    match parse::<T>("mine.toml", text.to_owned()) {
        Ok(document) => {
            let json = serde_json::to_string(&document).expect("it is stored as JSON");
            assert_eq!(serde_json::from_str::<T>(&json).expect("it is read back"), document);
            Some(document)
        }
        Err(error) => {
            let told = format!("{:?}", miette::Report::new(error));
            assert!(told.contains("mine.toml"), "{told}");
            None
        }
    }
}
