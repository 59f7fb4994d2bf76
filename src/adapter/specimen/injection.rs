//! One fault on the specimen, begun and undone from its cure alone: in a watchdog or by `dissent heal`,
//! without the run folder. Healing twice is harmless, and nothing is undone that was not begun.

use super::cluster::{self, Overview};
use super::undo::{START, SpecimenUndo, post};
use super::writer_faults;
use crate::adapter::http::{HttpClient, parse, send};
use crate::adapter::leased_injector::parse_undo;
use crate::faults::process::{ProcessId, ProcessState};
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::fault::{FaultKind, Transition};
use dissent_simulator::host_fault::host_fault;
use dissent_store::cure::Cure;
use serde_json::{Value, json};
use specimen::HostFault;
use std::collections::BTreeMap;
use std::time::Duration;

/// The timeout of a request. It is short because healing is retried and must not wait for a dead process.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The id of a fault at the target.
fn id(cure: &Cure) -> String {
    format!("{}/{}", cure.mark, cure.step)
}

/// Marks the fault at the target and begins it. Returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    let (http, undo, fault) =
        (HttpClient::with_timeout(REQUEST_TIMEOUT)?, parse_undo::<SpecimenUndo>(cure)?, &cure.fault);
    post(&http, &format!("{}/mark", undo.at), json!({ "id": id(cure), "mark": cure })).await?;
    match fault.kind {
        FaultKind::HoldMessage(transition) => {
            let hold = json!({
                "id": id(cure),
                "server": fault.replica,
                "partition": fault.partition,
                "seq": fault.seq,
                "transition": transition_name(transition),
            });
            post(&http, &format!("{}/admin/hold", undo.service), hold).await
        }
        FaultKind::Restart => signalled(cure, &undo, ProcessId::kill, ProcessState::Gone).await,
        FaultKind::Pause => signalled(cure, &undo, ProcessId::stop, ProcessState::Stopped).await,
        FaultKind::CommitWinner => {
            let winner = json!({ "partition": fault.partition, "server": fault.replica });
            post(&http, &format!("{}/admin/commit-winner", undo.service), winner).await
        }
        kind if kind.is_of_writers() => writer_faults::begin(&http, &undo, fault).await,
        kind => match host_fault(kind) {
            Some(wrong) => set_host(&http, cure, &undo, Some(wrong)).await,
            None => Err(refused(cure, format!("{} cannot be done here", kind.name()))),
        },
    }
}

/// The evidence that the fault has already ended. None if it is still in force.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    let (http, undo) = (HttpClient::with_timeout(REQUEST_TIMEOUT)?, parse_undo::<SpecimenUndo>(cure)?);
    if !marks(&undo.at).await?.iter().any(|mark| id(mark) == id(cure)) {
        return Ok(Some("its mark is gone, so somebody else has undone it".to_owned()));
    }
    let overview = Overview::ask(&http, &undo.at).await?;
    let gone = match (cure.fault.kind, undo.process) {
        _ if overview.service().is_ok_and(|service| service != undo.service) => {
            Some("there is another table")
        }
        (FaultKind::HoldMessage(_), _) => (!is_held(&http, cure, &undo).await?).then_some("the hold is gone"),
        (FaultKind::Restart, _) => {
            overview.replica_process(&cure.fault.replica).is_ok().then_some("somebody else started it again")
        }
        (FaultKind::Pause, Some(process)) => {
            (process.state() != ProcessState::Stopped).then_some("its process is no longer stopped")
        }
        (kind, _) if host_fault(kind).is_some() => {
            (!is_on_host(&http, cure, &undo).await?).then_some("somebody else has undone it")
        }
        _ => None,
    };
    Ok(gone.map(str::to_owned))
}

/// Changes what is wrong with the replica's machine under the name of this fault.
async fn set_host(
    http: &HttpClient,
    cure: &Cure,
    undo: &SpecimenUndo,
    wrong: Option<HostFault>,
) -> Result<(), TargetError> {
    let change = json!({ "replica": cure.fault.replica, "id": id(cure), "fault": wrong });
    post(http, &format!("{}/host", undo.at), change).await
}

/// Whether the fault is on the replica's machine.
async fn is_on_host(http: &HttpClient, cure: &Cure, undo: &SpecimenUndo) -> Result<bool, TargetError> {
    let url = format!("{}/hosts", undo.at);
    let hosts: BTreeMap<String, BTreeMap<String, Value>> = parse(&url, &send(&url, http.get(&url)).await?)?;
    Ok(hosts.get(&cure.fault.replica).is_some_and(|host| host.contains_key(&id(cure))))
}

/// Whether the controller still has the hold.
async fn is_held(http: &HttpClient, cure: &Cure, undo: &SpecimenUndo) -> Result<bool, TargetError> {
    let url = format!("{}/admin/holds", undo.service);
    let holds: Vec<Value> = parse(&url, &send(&url, http.get(&url)).await?)?;
    Ok(holds.iter().any(|hold| hold["id"] == id(cure).as_str()))
}

/// Heals the fault, verifies that, and removes the mark. Without a mark there is nothing to undo, and a
/// similar state belongs to another fault.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    let undo = parse_undo::<SpecimenUndo>(cure)?;
    if marks(&undo.at).await.is_ok_and(|marks| !marks.iter().any(|mark| id(mark) == id(cure))) {
        return Ok(());
    }
    if let (FaultKind::Pause, Some(process)) = (cure.fault.kind, undo.process) {
        process.resume().map_err(|error| refused(cure, format!("SIGCONT: {error}")))?;
        reach(cure, process, |state| state != ProcessState::Stopped).await?;
    }
    match heal_cluster(cure, &undo).await {
        Err(_) if undo.supervisor.state() == ProcessState::Gone => Ok(()),
        healed => healed,
    }
}

async fn heal_cluster(cure: &Cure, undo: &SpecimenUndo) -> Result<(), TargetError> {
    let http = HttpClient::with_timeout(REQUEST_TIMEOUT)?;
    let overview = Overview::ask(&http, &undo.at).await?;
    let same_table = overview.service().is_ok_and(|service| service == undo.service);
    match cure.fault.kind {
        FaultKind::HoldMessage(_) if same_table => {
            post(&http, &format!("{}/admin/release", undo.service), json!({ "id": id(cure) })).await?;
            if is_held(&http, cure, undo).await? {
                return Err(refused(cure, "the hold was released and is still there".to_owned()));
            }
        }
        FaultKind::Restart => {
            let url = format!("{}/start", undo.at);
            send(&url, http.post(&url, &undo.start).timeout(START)).await?;
            Overview::ask(&http, &undo.at).await?.replica_process(&cure.fault.replica)?;
        }
        FaultKind::CommitWinner if same_table => {
            let any = json!({ "partition": cure.fault.partition, "server": null });
            post(&http, &format!("{}/admin/commit-winner", undo.service), any).await?;
        }
        kind if host_fault(kind).is_some() => set_host(&http, cure, undo, None).await?,
        kind if kind.is_of_writers() && same_table => {
            writer_faults::heal(&http, undo, &cure.fault, &overview).await?;
        }
        _ => {}
    }
    post(&http, &format!("{}/unmark", undo.at), json!({ "id": id(cure) })).await
}

/// The run that holds the lock of a fault's target.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    cluster::holder(&HttpClient::with_timeout(REQUEST_TIMEOUT)?, &parse_undo::<SpecimenUndo>(cure)?.at).await
}

/// The marks that runs have left at the target with this URL. Each mark is a cure.
pub async fn marks(at: &str) -> Result<Vec<Cure>, TargetError> {
    let url = format!("{}/marks", at.trim_end_matches('/'));
    let http = HttpClient::with_timeout(REQUEST_TIMEOUT)?;
    let marks: BTreeMap<String, Cure> = parse(&url, &send(&url, http.get(&url)).await?)?;
    Ok(marks.into_values().collect())
}

fn transition_name(transition: Transition) -> &'static str {
    match transition {
        Transition::OfflineToConsuming => "offline-to-consuming",
        Transition::ConsumingToOnline => "consuming-to-online",
    }
}

fn refused(cure: &Cure, cause: String) -> TargetError {
    TargetError::Refused { at: cure.fault.replica.clone(), cause }
}

/// Sends a signal to the process that the cure names, and to no other, and waits until it is in this state.
async fn signalled(
    cure: &Cure,
    undo: &SpecimenUndo,
    send: fn(ProcessId) -> std::io::Result<()>,
    wanted: ProcessState,
) -> Result<(), TargetError> {
    let process = undo.process.ok_or_else(|| refused(cure, "its cure names no process".to_owned()))?;
    if process.state() == ProcessState::Gone {
        return Err(refused(cure, format!("process {} has ended in the meantime", process.pid)));
    }
    send(process).map_err(|error| refused(cure, format!("signal to process {}: {error}", process.pid)))?;
    reach(cure, process, |state| state == wanted).await
}

/// Waits until a signal has had its effect.
async fn reach(
    cure: &Cure,
    process: ProcessId,
    is: impl Fn(ProcessState) -> bool,
) -> Result<(), TargetError> {
    for _ in 0..200 {
        if is(process.state()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(refused(cure, format!("process {} does not react to the signal", process.pid)))
}
