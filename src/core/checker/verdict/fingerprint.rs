//! A finding's fingerprint: anomaly and root cause, and nothing that changes with the race (`RULES.md` 10).

use crate::checker::verdict::{FindingKind, FreezeVisibility};
use serde::Serialize;

/// The fingerprint of a finding, such as `wrong-value/whole-segment`.
pub(crate) fn fingerprint(kind: &FindingKind) -> String {
    match kind {
        FindingKind::Divergence(divergence) => {
            format!("{}/{}", name(&divergence.what), name(&divergence.root_cause))
        }
        FindingKind::Frozen(frozen) => match frozen.grade {
            FreezeVisibility::Visible => format!("frozen/{}", name(&frozen.kind)),
            grade @ FreezeVisibility::Latent => format!("frozen/{}/{}", name(&frozen.kind), name(&grade)),
        },
        FindingKind::Regressed(regressed) => format!("regressed/{}", name(&regressed.kind)),
        FindingKind::Ahead(ahead) => format!("ahead/{}", name(&ahead.kind)),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    }
}

/// The name of an enum's variant in the verdict's file.
pub(crate) fn name(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
