//! A finding's fingerprint: anomaly and root cause, and nothing that changes with the race (`RULES.md` 10).

use crate::checker::verdict::{FindingKind, FreezeVisibility};
use crate::history::stored_name::stored_name;

/// The fingerprint of a finding, such as `wrong-value/whole-segment`.
pub(crate) fn fingerprint(kind: &FindingKind) -> String {
    match kind {
        FindingKind::Divergence(divergence) => {
            format!("{}/{}", stored_name(&divergence.what), stored_name(&divergence.root_cause))
        }
        FindingKind::Frozen(frozen) => match frozen.grade {
            FreezeVisibility::Visible => format!("frozen/{}", stored_name(&frozen.kind)),
            grade @ FreezeVisibility::Latent => {
                format!("frozen/{}/{}", stored_name(&frozen.kind), stored_name(&grade))
            }
        },
        FindingKind::Regressed(regressed) => format!("regressed/{}", stored_name(&regressed.kind)),
        FindingKind::Ahead(ahead) => format!("ahead/{}", stored_name(&ahead.kind)),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    }
}
