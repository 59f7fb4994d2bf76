//! Many runs: how they are done, and what is written of all of them together.

use super::runtime::{report_teardown, runtime};
use crate::exit::Exit;
use crate::report::html::sweep::page;
use crate::report::sweep::summary;
use crate::run::error::RunError;
use crate::run::hooks::with_hooks;
use crate::run::process_run::RunOutcome;
use crate::run::sweep::folder::SweepFolder;
use crate::run::sweep::{SweepOrder, SweepStop, Swept, sweep};
use dissent_core::campaign::document::{CampaignDocument, StoppedBy};
use dissent_core::campaign::run_result::RunId;
use dissent_store::writing::StoreError;

/// Does all parts, with the hooks of the cluster that they run on.
pub(super) fn run_order(order: SweepOrder, mut each: impl FnMut(&RunOutcome)) -> Result<Swept, RunError> {
    let runtime = runtime()?;
    let external = order.arms.iter().find(|arm| arm.target().external().is_some());
    let external = external.map(|arm| arm.specs[0].clone());
    let handle = Some(runtime.handle().clone());
    let each = |_: RunId, outcome: &RunOutcome| each(outcome);
    let Some(spec) = external else { return sweep(order, handle, each) };
    let work = async { tokio::task::block_in_place(|| sweep(order, handle, each)) };
    report_teardown(runtime.block_on(with_hooks(&spec, work))).and_then(|swept| swept)
}

/// Writes what all parts say together.
pub(super) fn write_pages(folder: &SweepFolder, campaign: &CampaignDocument) -> Result<(), StoreError> {
    folder.write_campaign(campaign)?;
    folder.write("report.html", &page(campaign, &folder.kept()))?;
    folder.write("summary.md", &summary(campaign))
}

/// What ended a sweep early, and the exit code that it calls for.
pub(super) fn stopped_by(stopped: Option<&SweepStop>) -> (Option<StoppedBy>, Exit) {
    match stopped {
        None => (None, Exit::Pass),
        Some(SweepStop::Goal) => (Some(StoppedBy::Goal), Exit::Pass),
        Some(SweepStop::TimeLimit) => (Some(StoppedBy::TimeLimit), Exit::Pass),
        Some(SweepStop::Signal(signal)) => {
            (Some(StoppedBy::Signal { name: signal.name().to_owned() }), signal.exit())
        }
        Some(SweepStop::Failed(_, error)) => {
            (Some(StoppedBy::Error { error: error.to_string() }), error.exit())
        }
    }
}
