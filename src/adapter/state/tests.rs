//! Faults, diagnosis and target files of a state store that is a few files in a folder.

use super::injection::{StateFaults, StateUndo};
use super::muted::MutedReplicas;
use super::system::StateAdapter;
use super::{FaultSite, ReplicaState, StateRow, StateStore, StateSystem};
use crate::adapter::capabilities::{Leftover, Refusal, RowSink};
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::adapter::leased_injector::InjectorBackend;
use crate::adapter::lock_folder::LockFolder;
use crate::adapter::system::System;
use crate::adapter::target_text::target_file;
use crate::config::error::InvalidValue;
use crate::config::fault_commands::FaultCommands;
use crate::config::load::parse;
use crate::config::target::{Commands, TargetFile};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::schema::rules::Retention;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A system that keeps a file per replica with its incarnation, and a file per lock.
struct Files;

/// The folder of the files.
struct FilesStore(PathBuf);

fn lock(at: &FaultSite<'_>) -> PathBuf {
    at.file.folder.join(format!("{}.{}.{}", at.table, at.fault.replica, at.mark))
}

fn unreachable(at: &str, cause: impl ToString) -> TargetError {
    TargetError::Unreachable { at: at.to_owned(), cause: cause.to_string() }
}

#[async_trait]
impl StateSystem for Files {
    fn name(&self) -> &'static str {
        "files"
    }
    fn audit_needs(&self) -> &'static [&'static str] {
        &[]
    }
    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        InvalidValue::unless(file.url.starts_with("files://"), "url", "it is none", "such as files://x")
    }
    fn can(&self, _file: &TargetFile, fault: FaultKind) -> Result<(), Refusal> {
        let (target, reason) = (self.name().to_owned(), "it has only locks".to_owned());
        if fault == FaultKind::LockTable { Ok(()) } else { Err(Refusal { target, fault, reason }) }
    }
    async fn connect(&self, file: &TargetFile) -> Result<Arc<dyn StateStore>, TargetError> {
        Ok(Arc::new(FilesStore(file.folder.clone())))
    }
    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        let servers = vec![("r1".to_owned(), wanted.url.clone())];
        Ok(Discovery { servers, ..Discovery::default() })
    }
    async fn begin(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        std::fs::write(lock(at), "").map_err(|error| unreachable(at.table, error))
    }
    async fn heal(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        std::fs::remove_file(lock(at)).map_err(|error| unreachable(at.table, error))
    }
}

#[async_trait]
impl StateStore for FilesStore {
    fn version(&self) -> String {
        "7".to_owned()
    }
    fn replicas(&self) -> Vec<String> {
        vec!["r1".to_owned(), "r2".to_owned()]
    }
    fn lacks(&self) -> &'static [Merge] {
        &[]
    }
    fn retains(&self) -> Retention {
        Retention::default()
    }
    fn deletes(&self) -> bool {
        true
    }
    fn frozen_floor(&self) -> Nanos {
        Nanos(0)
    }
    async fn make_table(&self, _run: &str, _schema: &Schema) -> Result<(), TargetError> {
        Ok(())
    }
    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        Ok(vec![Leftover { table: "t0".to_owned(), run: None }])
    }
    async fn remove(&self, _table: &str) -> Result<(), TargetError> {
        Ok(())
    }
    async fn write(&self, _schema: &Schema, _op: &Op) -> OpOutcome {
        OpOutcome::Unknown
    }
    async fn upstream(&self) -> Result<Option<u64>, TargetError> {
        Ok(None)
    }
    async fn replica(&self, replica: &str) -> Result<ReplicaState, TargetError> {
        let text =
            std::fs::read_to_string(self.0.join(replica)).map_err(|error| unreachable(replica, error))?;
        let incarnation = text.trim().parse().map_err(|error| unreachable(replica, error))?;
        Ok(ReplicaState { incarnation, status: "streaming".to_owned(), leads: None, position: None })
    }
    async fn rows(
        &self,
        _schema: &Schema,
        _replica: &str,
        _out: RowSink<'_, StateRow>,
    ) -> Result<(), TargetError> {
        Ok(())
    }
}

const SYSTEM: StateAdapter = StateAdapter(&Files);

/// A fault of the target file below, and words for it.
fn command(line: &str) -> FaultKind {
    FaultKind::Command(line.parse().expect("it is short"))
}

/// A target file in a folder. Its commands remove and write the file of a replica.
fn file(dir: &Path) -> TargetFile {
    std::fs::write(dir.join("r1"), "1").expect("written");
    let commands = Commands {
        pause: Some("mv \"$REPLICA\" paused".to_owned()),
        resume: Some("mv paused \"$REPLICA\"".to_owned()),
        kill: Some("rm \"$REPLICA\"".to_owned()),
        start: Some("echo 2 > \"$REPLICA\"".to_owned()),
    };
    let hide = FaultCommands {
        begin: "mv \"$REPLICA\" \"$1\"".to_owned(),
        cure: "test -e \"$REPLICA\" || mv \"$1\" \"$REPLICA\"".to_owned(),
        check: Some("test -e \"$1\"".to_owned()),
        time_to_live: Nanos(60_000_000_000),
    };
    let faults = [("hide".to_owned(), hide)].into();
    let (name, folder) = ("mine".to_owned(), dir.to_owned());
    TargetFile { name, folder, commands, faults, ..TargetFile::at("files", "files://x") }
}

fn faults(file: &TargetFile) -> StateFaults {
    let store = Arc::new(FilesStore(file.folder.clone()));
    let (table, muted) = ("t".to_owned(), Arc::<MutedReplicas>::default());
    StateFaults { system: &Files, store, file: file.clone(), table, muted }
}

async fn cure(file: &TargetFile, kind: FaultKind) -> Cure {
    let fault = Fault { kind, replica: "r1".to_owned(), partition: None, seq: None };
    let undo = faults(file).undo(&fault).await.expect("it answers");
    let undo = serde_json::to_value(undo).expect("it is data");
    Cure { step: "a".to_owned(), fault, mark: "r@1".to_owned(), undo }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_fault_is_marked_while_it_is_in_force_and_leaves_nothing() {
    for (kind, during) in [
        (FaultKind::Restart, &["mine.dissent"][..]),
        (FaultKind::Pause, &["mine.dissent", "paused"]),
        (FaultKind::LockTable, &["mine.dissent", "r1", "t.r1.dissent-"]),
        (command("hide far"), &["far", "mine.dissent"]),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let file = file(dir.path());
        let cure = cure(&file, kind).await;
        assert!(SYSTEM.is_of(&cure));
        SYSTEM.begin(&cure).await.expect("it begins");
        let found = names(dir.path());
        let is_so = found.iter().zip(during).all(|(name, begin)| name.starts_with(begin));
        assert!(is_so && found.len() == during.len(), "{kind:?}: {found:?}");
        assert_eq!(SYSTEM.marks(&file).await.expect("they read"), std::slice::from_ref(&cure));
        assert_eq!(SYSTEM.ended_early(&cure).await.expect("it reads"), None);
        SYSTEM.heal(&cure).await.expect("it is healed");
        SYSTEM.heal(&cure).await.expect("it was healed before");
        assert_eq!(names(dir.path()), ["mine.dissent", "r1"]);
        assert!(SYSTEM.ended_early(&cure).await.expect("it reads").is_some());
    }
}

/// What a cure holds is enough, also for a process that knows no target file.
#[tokio::test]
async fn a_cure_is_data_and_names_the_life_that_a_restart_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = file(dir.path());
    let undo: StateUndo =
        serde_json::from_value(cure(&file, FaultKind::Restart).await.undo).expect("it is read back");
    assert_eq!((undo.incarnation, undo.folder.as_path()), (Some(1), dir.path()));
    assert_eq!(TargetFile { folder: undo.folder, ..undo.file }, file);
}

#[tokio::test]
async fn a_silent_replica_is_not_asked() {
    let dir = tempfile::tempdir().expect("a folder");
    let faults = faults(&file(dir.path()));
    faults.silence("r1");
    let refused = faults.muted.check("r1").expect_err("it is muted").to_string();
    assert_eq!(refused, "no answer from r1: a fault of this run keeps it silent");
    assert!(faults.muted.check("r2").is_ok());
    faults.unsilence("r1").await;
    assert!(faults.muted.check("r1").is_ok());
}

#[tokio::test]
async fn a_diagnosis_tells_each_replica_and_where_the_lock_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = file(dir.path());
    LockFolder::beside(&file).take("r@1").await.expect("free");
    let diagnosis = SYSTEM.diagnose(&file).await;
    let asked =
        diagnosis.asked.iter().map(|it| (it.who.as_str(), it.status.as_deref(), it.problem.is_some()));
    let expected = [("files", None, false), ("r1", Some("streaming"), false), ("r2", None, true)];
    assert_eq!(asked.collect::<Vec<_>>(), expected);
    assert_eq!((diagnosis.alive(), diagnosis.free, diagnosis.leftovers.len()), (1, false, 1));
    assert_eq!(diagnosis.holder.expect("it is held").run, "r@1");
    assert_eq!(diagnosis.lock_folder.expect("it is there"), dir.path().join("mine.dissent"));
    let can = [FaultKind::Restart, FaultKind::Pause, FaultKind::LockTable, command("")];
    assert!(diagnosis.cannot.iter().all(|cannot| !can.contains(&cannot.fault)));
    assert_eq!(diagnosis.cannot.len(), FaultKind::ALL.len() - can.len());
}

#[tokio::test]
async fn what_is_generated_is_a_target_file_of_the_system() {
    let (system, url) = ("files".to_owned(), "files://x".to_owned());
    let wanted = DiscoveryRequest { system, url, table: None, credentials: None, ca: None };
    let discovery = SYSTEM.discover(&wanted).await.expect("it answers");
    let text = target_file(&SYSTEM, &discovery, &wanted);
    let file: TargetFile = parse("mine.toml", text).expect("it is right");
    assert_eq!(file.servers["r1"], "files://x");
    SYSTEM.check(&file).expect("it is right");
    let none = TargetFile::at("files", "");
    assert_eq!(SYSTEM.check(&none).expect_err("no address").problem, "files is reached by its `url`");
    assert!(SYSTEM.can(&none, FaultKind::Restart).is_err());
    let refused = SYSTEM.can(&none, command("hide far")).expect_err("no such fault").to_string();
    assert_eq!(refused, "files does not support command: its target file has no table [fault.hide]");
}
