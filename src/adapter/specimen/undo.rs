//! The data that undoes a fault on the specimen.

use crate::adapter::http::{HttpClient, send};
use crate::faults::process::ProcessId;
use crate::target_error::TargetError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The timeout for starting a process, which takes longer than other requests.
pub(super) const START: Duration = Duration::from_secs(20);

/// The data that undoes a fault, as read before the fault began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::adapter) struct SpecimenUndo {
    /// The supervisor's URL.
    pub(super) at: String,
    /// The supervisor's process. If it is gone, so are the whole cluster and the fault.
    pub(super) supervisor: ProcessId,
    /// The service's URL. Another one belongs to another table, without this fault.
    pub(super) service: String,
    /// The replica's process, for faults on a process.
    pub(super) process: Option<ProcessId>,
    /// The request that restarts the replica as it was.
    pub(super) start: Value,
}

/// Posts a request and ignores the body of the answer.
pub(super) async fn post(http: &HttpClient, url: &str, body: Value) -> Result<(), TargetError> {
    send(url, http.post(url, &body)).await.map(drop)
}
