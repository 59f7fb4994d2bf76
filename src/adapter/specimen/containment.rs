//! How to contain a wrong copy on the embedded cluster of segments, with its own endpoints.

use crate::adapter::containment::{Affected, Containment, ContainmentStep};

/// The commands for these segments and replicas.
pub(in crate::adapter) fn containment(affected: &Affected<'_>) -> Containment {
    let rows = affected.segments.iter().flat_map(|segment| {
        affected.wrong.iter().chain(affected.right).map(move |server| {
            ContainmentStep::new(
                format!("the raw rows of {segment} on {server}"),
                format!("curl -s \"http://${}/rows?segment={segment}&from=0\"", variable(server)),
            )
        })
    });
    Containment {
        isolate: Vec::new(),
        preserve: rows.collect(),
        read_key: Vec::new(),
        not_yet: vec![
            "do not force a commit: a wrong copy can win it, and every server then fetches that copy"
                .to_owned(),
            "do not restart a server: the open segment and the event log are in its memory only".to_owned(),
        ],
    }
}

/// A server's address as a variable of a shell.
fn variable(server: &str) -> String {
    server.to_uppercase().replace(|it: char| !it.is_ascii_alphanumeric(), "_")
}
