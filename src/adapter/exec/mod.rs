//! The system `exec`: any store, in any language, by JSON lines over the standard input and output of an
//! adapter process. `PROTOCOL.md` is for whoever writes one, and `README.md` says how to begin.
//!
//! ```text
//! messages     the lines, as types
//! inbox        whose line is it?
//! process      one life of the adapter
//! connection   requests with time limits, over all its lives
//! store        StateStore
//! contents     what an audit reads
//! ```

mod connection;
mod contents;
mod inbox;
pub mod messages;
mod process;
mod store;
#[cfg(test)]
mod tests;

use crate::adapter::capabilities::Refusal;
use crate::adapter::contents::Contents;
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::adapter::state::{FaultSite, StateStore, StateSystem};
use crate::config::error::InvalidValue;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use connection::AdapterCommand;
use contents::ExecContents;
use dissent_core::history::fault::FaultKind;
use std::sync::Arc;
use std::time::Duration;

pub use store::ExecStore;

/// Its name in target files.
pub const NAME: &str = "exec";

/// Stores that an adapter process speaks for.
#[derive(Clone, Copy, Debug)]
pub struct Exec;

impl Exec {
    /// Starts the adapter of a target file.
    pub async fn open(self, file: &TargetFile) -> Result<ExecStore, TargetError> {
        let command = file.command.clone().unwrap_or_default();
        let patience = Duration::from_nanos(file.limits.query_timeout.0);
        let (folder, target) = (file.folder.clone(), file.name.clone());
        ExecStore::open(AdapterCommand { command, folder, target, patience }).await
    }
}

#[async_trait]
impl StateSystem for Exec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "any store, in any language, by JSON lines of an adapter process"
    }

    fn address_key(&self) -> &'static str {
        "command"
    }

    fn audit_needs(&self) -> &'static [&'static str] {
        &["what the adapter needs to answer `hello`, `rows`, `replica` and `upstream`"]
    }

    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue> {
        let wrong = |at: &str, problem: &str, help: &str| {
            let (at, problem, help) = (at.to_owned(), problem.to_owned(), help.to_owned());
            Err(InvalidValue { at, problem, help })
        };
        let has_command = file.command.as_ref().is_some_and(|command| !command.trim().is_empty());
        if !has_command {
            let help = "such as `command = \"python3 adapter.py\"`; it runs in the folder of this file";
            return wrong("command", "the command that starts the adapter is missing", help);
        }
        if !file.url.is_empty() {
            let help = "remove the line; the adapter finds its store by arguments or the environment";
            return wrong("url", "an adapter is reached by its command", help);
        }
        Ok(())
    }

    fn can(&self, _file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
        let reason = "an adapter only reads and writes; restart and pause need [commands]".to_owned();
        Err(Refusal { target: NAME.to_owned(), fault: kind, reason })
    }

    async fn connect(&self, file: &TargetFile) -> Result<Arc<dyn StateStore>, TargetError> {
        Ok(Arc::new(self.open(file).await?))
    }

    async fn contents(&self, file: &TargetFile, table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        Ok(Arc::new(ExecContents::open(self.open(file).await?, table).await?))
    }

    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
        let folder = std::env::current_dir().unwrap_or_default();
        let file = TargetFile { command: Some(wanted.url.clone()), folder, ..TargetFile::at(NAME, "") };
        let store = self.open(&file).await?;
        let replicas = store.replicas();
        let found =
            vec![format!("{}, {} replicas: {}", store.version(), replicas.len(), replicas.join(", "))];
        Ok(Discovery { found, version: store.version(), ..Discovery::default() })
    }

    async fn begin(&self, at: &FaultSite<'_>) -> Result<(), TargetError> {
        let cause = format!("an adapter has no faults, so no {}", at.fault.kind.name());
        Err(TargetError::Refused { at: connection::ADAPTER.to_owned(), cause })
    }

    /// There is nothing that `begin` could have left.
    async fn heal(&self, _at: &FaultSite<'_>) -> Result<(), TargetError> {
        Ok(())
    }
}
