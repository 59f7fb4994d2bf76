//! Whether a run passed, failed or proves nothing.

use super::{Status, Verdict, VerdictOutcome};
use crate::history::check_name::CheckName;

/// The word that a verdict begins with (`RULES.md` 10). `found` is whether there are findings that count.
pub(crate) fn outcome(verdict: &Verdict, required: &[CheckName], found: bool) -> VerdictOutcome {
    let Verdict { checks, doubts, compared, progress, .. } = verdict;
    let blind = checks.iter().any(|check| check.status == Status::Unknown && required.contains(&check.name));
    // No rows were compared, and no declared frontier was sampled.
    let saw_nothing = compared.rows == 0 && progress.looks == 0;
    if found {
        VerdictOutcome::Fail
    } else if !doubts.is_empty() || blind || saw_nothing {
        VerdictOutcome::Inconclusive
    } else {
        VerdictOutcome::Pass
    }
}
