//! Which faults overlapped which events, over all arms with the same target.

use dissent_core::campaign::coverage::CoverageRow;
use dissent_core::campaign::document::CampaignDocument;
use std::collections::BTreeMap;

/// Cells that were never met, as far as a line names them.
const NAMED_MAX: usize = 6;

/// The coverage of one target.
pub(super) struct TargetCoverage {
    /// The target, as on the command line.
    pub(super) target: String,
    /// One row for each fault.
    pub(super) rows: Vec<CoverageRow>,
}

impl TargetCoverage {
    /// The coverage of each target that had a fault.
    pub(super) fn of_all(campaign: &CampaignDocument) -> Vec<TargetCoverage> {
        let mut targets: BTreeMap<&str, BTreeMap<&str, CoverageRow>> = BTreeMap::new();
        for arm in &campaign.arms {
            let target = arm.command.split(' ').next().unwrap_or_default();
            for row in &arm.coverage {
                let empty = || CoverageRow { fault: row.fault.clone(), ..CoverageRow::default() };
                let all = targets.entry(target).or_default().entry(&row.fault).or_insert_with(empty);
                all.runs += row.runs;
                row.cells.iter().for_each(|(cell, runs)| *all.cells.entry(cell.clone()).or_default() += runs);
            }
        }
        let each = targets.into_iter();
        each.map(|(target, rows)| TargetCoverage {
            target: target.into(),
            rows: rows.into_values().collect(),
        })
        .collect()
    }

    /// How many cells were met, of how many, and which never were.
    pub(super) fn words(&self) -> String {
        let cells = self.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (&row.fault, cell)));
        let all = cells.clone().count();
        let never: Vec<String> = cells
            .filter(|(_, (_, runs))| **runs == 0)
            .map(|(fault, (cell, _))| format!("{fault} x {cell}"))
            .collect();
        let met = all - never.len();
        let named = never[..never.len().min(NAMED_MAX)].join(", ");
        let never = match never.len() {
            0 => String::new(),
            1..=NAMED_MAX => format!(", never: {named}"),
            more => format!(", never: {named} and {} more", more - NAMED_MAX),
        };
        format!("coverage of {}: {met} of {all} cells of fault x event{never}", self.target)
    }
}
