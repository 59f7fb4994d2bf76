//! The commands of a target file that act on the process of one replica.

use super::hook::{Hook, HookError};
use crate::config::target::Commands;
use crate::target_error::TargetError;
use std::path::Path;
use std::time::Duration;

/// The time limit for a command, unless it starts a replica.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for starting a replica, and for the replica to be back after that.
pub const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A command that acts on the process of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaCommand {
    /// Stops the process, so that it can be resumed.
    Pause,
    /// Resumes the process.
    Resume,
    /// Kills the process.
    Kill,
    /// Starts the process again.
    Start,
}

impl ReplicaCommand {
    /// Its name in the target file.
    pub fn name(self) -> &'static str {
        match self {
            ReplicaCommand::Pause => "pause",
            ReplicaCommand::Resume => "resume",
            ReplicaCommand::Kill => "kill",
            ReplicaCommand::Start => "start",
        }
    }

    /// Its text in the target file.
    fn text(self, commands: &Commands) -> Option<&str> {
        let text = match self {
            ReplicaCommand::Pause => &commands.pause,
            ReplicaCommand::Resume => &commands.resume,
            ReplicaCommand::Kill => &commands.kill,
            ReplicaCommand::Start => &commands.start,
        };
        text.as_deref()
    }

    fn timeout(self) -> Duration {
        match self {
            ReplicaCommand::Start => START_TIMEOUT,
            ReplicaCommand::Pause | ReplicaCommand::Resume | ReplicaCommand::Kill => COMMAND_TIMEOUT,
        }
    }

    /// Runs it for a replica, in the folder of the target file. If that is unknown, or not on this host, it
    /// runs in the current folder.
    pub async fn run(self, commands: &Commands, folder: &Path, replica: &str) -> Result<(), TargetError> {
        let (name, timeout) = (self.name(), self.timeout());
        let refused = |cause: String| TargetError::Refused { at: replica.to_owned(), cause };
        let Some(command) = self.text(commands) else {
            return Err(refused(format!("the target file has no command `{name}`")));
        };
        let folder = if folder.is_dir() { folder } else { Path::new("") };
        let run = Hook { name, command, timeout }.run_in(folder, &[("REPLICA", Path::new(replica))]).await;
        run.map_err(|HookError { name, problem }| refused(format!("`{name}` {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_runs_in_the_folder_of_its_file_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let kill = Some("touch \"$REPLICA\"; exit 3".to_owned());
        let commands = Commands { kill, ..Commands::default() };
        let failed = ReplicaCommand::Kill.run(&commands, dir.path(), "r1").await.expect_err("it fails");
        assert!(dir.path().join("r1").exists());
        assert_eq!(failed.to_string(), "r1 refused: `kill` failed (exit status: 3)");
        let missing = ReplicaCommand::Start.run(&commands, dir.path(), "r1").await.expect_err("none");
        assert_eq!(missing.to_string(), "r1 refused: the target file has no command `start`");
    }
}
