//! Any state store as one of the supported systems.

use super::injection::StateInjection;
use super::{ReplicaState, StateStore, StateSystem, cluster};
use crate::adapter::capabilities::{Cluster, Defaults, Refusal};
use crate::adapter::contents::Contents;
use crate::adapter::diagnosis::{Diagnosis, ReplicaStatus};
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest, OwnText, quoted};
use crate::adapter::lock_folder::LockFolder;
use crate::adapter::system::System;
use crate::config::error::InvalidValue;
use crate::config::target::{Commands, TargetFile, check_url};
use crate::target_error::{Holder, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::Permission;
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use std::sync::Arc;

/// A state store as a system. It adds the lock and the marks in a folder, and restarts and pauses by the
/// commands of the target file.
pub struct StateAdapter(pub &'static dyn StateSystem);

impl StateAdapter {
    fn injection<'c>(&self, cure: &'c Cure) -> Result<StateInjection<'c>, TargetError> {
        StateInjection::new(self.0, cure)
    }
}

#[async_trait]
impl System for StateAdapter {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn address_key(&self) -> &'static str {
        self.0.address_key()
    }

    fn check_address(&self, address: &str) -> Result<(), InvalidValue> {
        match self.address_key() {
            "command" => {
                InvalidValue::unless(!address.is_empty(), "command", "it is empty", "such as ./adapter")
            }
            key => check_url(key, address),
        }
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        let (name, key) = (self.name(), self.address_key());
        let is_given = if key == "command" { file.command.is_some() } else { !file.url.is_empty() };
        let problem = format!("{name} is reached by its `{key}`");
        InvalidValue::unless(is_given, "system", &problem, &format!("add the line `{key} = \"..\"`"))?;
        let problem = format!("the table of {name} follows from the workload");
        InvalidValue::unless(file.table.config.is_empty(), "table", &problem, "remove the options")?;
        self.0.check(file)
    }

    fn can(&self, file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
        let Commands { pause, resume, kill, start } = &file.commands;
        let no_commands = |names: &str| format!("its target file has no commands {names}");
        let reason = match kind {
            FaultKind::Restart if kill.is_none() || start.is_none() => no_commands("`kill` and `start`"),
            FaultKind::Pause if pause.is_none() || resume.is_none() => no_commands("`pause` and `resume`"),
            FaultKind::Command(_) => match file.missing_fault(kind) {
                Some(reason) => reason,
                None => return Ok(()),
            },
            FaultKind::Restart | FaultKind::Pause => return Ok(()),
            _ => return self.0.can(file, kind),
        };
        Err(Refusal { target: self.name().to_owned(), fault: kind, reason })
    }

    fn state_system(&self) -> Option<&'static dyn StateSystem> {
        Some(self.0)
    }

    fn has_no_log(&self) -> bool {
        true
    }

    fn defaults(&self) -> Defaults {
        DEFAULTS
    }

    fn permissions(&self) -> &'static [(Permission, &'static str)] {
        PERMISSIONS
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        self.0.audit_needs()
    }

    fn workload(&self) -> &'static str {
        self.0.workload()
    }

    fn own_text(&self, discovery: &Discovery) -> OwnText {
        OwnText { keys: String::new(), log_in: LOG_IN, tables: servers(discovery), options: OPTIONS }
    }

    async fn diagnose(&self, file: &TargetFile) -> Diagnosis {
        let folder = LockFolder::beside(file);
        let mut diagnosis = Diagnosis { system: self.name().to_owned(), ..Diagnosis::default() };
        diagnosis.note_refusals(|kind| self.can(file, kind));
        let address =
            if self.address_key() == "command" { file.command.as_deref() } else { Some(&*file.url) };
        let reached = (self.name(), address.unwrap_or_default(), true);
        if let Some(store) = diagnosis.ask(reached, self.0.connect(file)).await {
            note_store(&mut diagnosis, file, &*store).await;
        }
        match folder.holder() {
            Ok(holder) => (diagnosis.free, diagnosis.holder) = (holder.is_none(), holder),
            Err(error) => diagnosis.unknown.push(format!("the run that uses it: {error}")),
        }
        match folder.marks() {
            Ok(marks) => diagnosis.marks = marks,
            Err(error) => diagnosis.unknown.push(format!("faults of earlier runs: {error}")),
        }
        diagnosis.lock_folder = Some(folder.path().to_owned());
        diagnosis
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        self.0.contents(file, table).await
    }

    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        self.0.discover(wanted).await
    }

    async fn reach(&self, file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError> {
        cluster::reach(self.0, file).await
    }

    async fn marks(&self, file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
        LockFolder::beside(file).marks()
    }

    fn is_of(&self, cure: &Cure) -> bool {
        cure.undo["system"] == self.name()
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        self.injection(cure)?.begin().await
    }

    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        self.injection(cure)?.ended_early().await
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        self.injection(cure)?.heal().await
    }

    async fn holder(&self, cure: &Cure) -> Result<Option<Holder>, TargetError> {
        self.injection(cure)?.holder()
    }
}

/// Notes what the cluster and each of its replicas tell.
async fn note_store(diagnosis: &mut Diagnosis, file: &TargetFile, store: &dyn StateStore) {
    diagnosis.version = Some(store.version());
    diagnosis.lacks = store.lacks().to_vec();
    for name in store.replicas() {
        let at = file.servers.get(&name).unwrap_or(&name);
        let state = diagnosis.ask((&name, at, true), store.replica(&name)).await;
        let host = state.is_some().then(|| name.clone());
        if let (Some(ReplicaState { status, .. }), Some(asked)) = (state, diagnosis.asked.last_mut()) {
            asked.status = Some(status);
        }
        diagnosis.replicas.push(ReplicaStatus { name, host });
    }
    match store.leftovers().await {
        Ok(leftovers) => diagnosis.leftovers = leftovers,
        Err(error) => diagnosis.unknown.push(format!("tables of earlier runs: {error}")),
    }
}

/// The addresses of the replicas that were found.
fn servers(discovery: &Discovery) -> String {
    if discovery.servers.is_empty() {
        return "\n# [servers]            # addresses of replicas by name\n".to_owned();
    }
    let servers = discovery.servers.iter();
    let lines = servers.map(|(name, address)| format!("{} = {}\n", quoted(name), quoted(address)));
    let note = match discovery.guessed {
        "" => "addresses of replicas by name".to_owned(),
        guessed => format!("correct these: {guessed} is a guess"),
    };
    format!("\n[servers]              # {note}\n") + &lines.collect::<String>()
}

/// The defaults for a run on a state store.
const DEFAULTS: Defaults =
    Defaults { sample_every: Nanos(250_000_000), quiesce: Nanos(30_000_000_000), ..Defaults::SHARED };

const PERMISSIONS: &[(Permission, &str)] = &[
    (Permission::Writes, "create tables, write to them, and drop them"),
    (Permission::Holds, "lock the run's table, keep snapshots open, skip transactions"),
    (Permission::Pause, "stop replicas and resume them"),
    (Permission::Restart, "kill replicas and start them again"),
    (Permission::Commands, "begin and cure the faults under [fault]"),
];

const LOG_IN: &str = "
# [credentials]        # never write a secret into this file
# user = \"dissent\"
# password-env = \"DISSENT_PASSWORD\"     # or password-file
";

const OPTIONS: &str = "
# [commands]           # run by `sh -c` in the folder of this file; $REPLICA is the replica
# pause = \"ssh \\\"$REPLICA\\\" pkill -STOP NAME\"
# resume = \"ssh \\\"$REPLICA\\\" pkill -CONT NAME\"
# kill = \"ssh \\\"$REPLICA\\\" pkill -KILL NAME\"
# start = \"ssh \\\"$REPLICA\\\" systemctl start NAME\"

# [hooks]              # run by `sh -c`, before and after runs
# up = \"docker compose up --detach\"
# ready-within = \"2min\"
# down = \"docker compose down --volumes\"
";
