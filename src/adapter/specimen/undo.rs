//! What is needed to undo a fault on the specimen.

use crate::adapter::http::{HttpClient, send};
use crate::faults::process::ProcessId;
use crate::target_error::TargetError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Starting a process takes longer.
pub(super) const START: Duration = Duration::from_secs(20);

/// What is needed to undo, as read before the fault began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::adapter) struct SpecimenUndo {
    /// The supervisor's URL.
    pub(super) at: String,
    /// Its process. When it is gone the whole cluster is, and with it whatever was done to it.
    pub(super) supervisor: ProcessId,
    /// The service's URL: another one has another table, and nothing of ours.
    pub(super) service: String,
    /// The victim's process, where the fault is done to that.
    pub(super) process: Option<ProcessId>,
    /// What the supervisor is told to start the victim again as it was.
    pub(super) start: Value,
}

/// Posts a request whose answer says nothing.
pub(super) async fn post(http: &HttpClient, url: &str, body: Value) -> Result<(), TargetError> {
    send(url, http.post(url, &body)).await.map(drop)
}
