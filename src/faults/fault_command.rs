//! The commands of a target file that begin, cure and check a fault of the user's own.

use super::hook::{Hook, HookError};
use crate::config::fault_commands::FaultCommands;
use crate::target_error::TargetError;
use dissent_core::history::fault::{CommandLine, Fault, FaultKind, command_name};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The time limit for one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);

/// The commands of one fault.
pub struct FaultCommand<'c> {
    commands: &'c FaultCommands,
    /// The folder of the target file. If that is not on this host, they run in the current folder.
    folder: &'c Path,
    replica: &'c str,
    line: CommandLine,
}

impl<'c> FaultCommand<'c> {
    /// The commands that a target file has for this fault. Fails if it has none, or if the fault is of
    /// another kind.
    pub fn of(
        all: &'c BTreeMap<String, FaultCommands>,
        folder: &'c Path,
        fault: &'c Fault,
    ) -> Result<FaultCommand<'c>, TargetError> {
        let refused = |cause: String| TargetError::Refused { at: fault.replica.clone(), cause };
        let FaultKind::Command(line) = fault.kind else {
            return Err(refused(format!("{} is no command", fault.kind.name())));
        };
        let name = command_name(&line);
        let missing = || refused(format!("the target file has no table [fault.{name}]"));
        let commands = all.get(name).ok_or_else(missing)?;
        let folder = if folder.is_dir() { folder } else { Path::new("") };
        Ok(FaultCommand { commands, folder, replica: &fault.replica, line })
    }

    /// Begins the fault.
    pub async fn begin(&self) -> Result<(), TargetError> {
        self.run("begin", &self.commands.begin).await
    }

    /// Undoes the fault.
    pub async fn cure(&self) -> Result<(), TargetError> {
        self.run("cure", &self.commands.cure).await
    }

    /// The evidence that the fault has already ended, if the file has a command that looks.
    pub async fn ended_early(&self) -> Option<String> {
        let check = self.commands.check.as_ref()?;
        self.run("check", check).await.err().map(|error| error.to_string())
    }

    async fn run(&self, name: &'static str, command: &str) -> Result<(), TargetError> {
        // The words are plain, so the shell needs no quotes around them.
        let words = self.line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        let command = format!("set -- {words}\n{command}");
        let hook = Hook { name, command: &command, timeout: COMMAND_TIMEOUT };
        let run = hook.run_in(self.folder, &[("REPLICA", Path::new(self.replica))]).await;
        run.map_err(|HookError { name, problem }| {
            let cause = format!("`{name}` of the fault `{}` {problem}", command_name(&self.line));
            TargetError::Refused { at: self.replica.to_owned(), cause }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_get_the_replica_and_the_words_of_the_plan() {
        let dir = tempfile::tempdir().expect("a folder");
        let own = FaultCommands {
            begin: "echo \"$REPLICA $1 $2 $#\" > cut".to_owned(),
            cure: "rm -f cut".to_owned(),
            check: Some("test -e cut || { echo healed >&2; exit 1; }".to_owned()),
            time_to_live: dissent_core::history::time::Nanos(1),
        };
        let all = BTreeMap::from([("cut".to_owned(), own)]);
        let fault = |line: &str| Fault {
            kind: FaultKind::Command(line.parse().expect("it is short")),
            replica: "n1".to_owned(),
            partition: None,
            seq: None,
        };
        let cut = fault("cut n2 50%");
        let command = FaultCommand::of(&all, dir.path(), &cut).expect("the file has it");
        command.begin().await.expect("it begins");
        assert_eq!(std::fs::read_to_string(dir.path().join("cut")).expect("it ran there"), "n1 n2 50% 2\n");
        assert_eq!(command.ended_early().await, None);
        command.cure().await.expect("it is undone");
        let seen = command.ended_early().await.expect("it is gone");
        assert_eq!(seen, "n1 refused: `check` of the fault `cut` failed (exit status: 1): healed");
        let other = fault("fill");
        let missing = FaultCommand::of(&all, dir.path(), &other).err().expect("the file has none");
        assert_eq!(missing.to_string(), "n1 refused: the target file has no table [fault.fill]");
    }
}
