//! A command of the target file, run before or after runs, or for a replica. It has a time limit and does not
//! receive the terminal's signals. If it fails, its name and the end of its standard error are reported.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How much of the end of a hook's standard error is reported.
const OUTPUT_BYTES_MAX: u64 = 600;

/// Interval between two checks whether a cluster is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Minimum time for one check, even if less time is left.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Why a hook failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hook `{name}` {problem}")]
pub struct HookError {
    /// Its name in the target file.
    pub name: &'static str,
    /// What went wrong, and the end of its standard error.
    pub problem: String,
}

/// A hook.
#[derive(Clone, Copy, Debug)]
pub struct Hook<'a> {
    /// Its name in the target file.
    pub name: &'static str,
    /// The argument of `sh -c`.
    pub command: &'a str,
    /// Time limit, after which it is killed.
    pub timeout: Duration,
}

impl Hook<'_> {
    fn error(&self, problem: impl Into<String>) -> HookError {
        HookError { name: self.name, problem: problem.into() }
    }

    /// Runs it once, in the current folder.
    pub async fn run(&self, environment: &[(&str, &Path)]) -> Result<(), HookError> {
        self.run_in(Path::new(""), environment).await
    }

    /// Runs it once, in this folder. An empty path stands for the current one.
    pub async fn run_in(&self, folder: &Path, environment: &[(&str, &Path)]) -> Result<(), HookError> {
        let cannot = |error: std::io::Error| self.error(format!("cannot run: {error}"));
        // No pipe: a background process that the hook starts would keep it open, or die when it closes.
        let said = rustix::fs::memfd_create(c"hook", rustix::fs::MemfdFlags::CLOEXEC);
        let mut said = File::from(said.map_err(|error| cannot(error.into()))?);
        let mut shell = Command::new("sh");
        shell.args(["-c", self.command]).envs(environment.iter().copied());
        if !folder.as_os_str().is_empty() {
            shell.current_dir(folder);
        }
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().map_err(cannot)?);
        // Ctrl-C must not reach the hook: what one hook starts, another stops.
        let mut group = ProcessGroup(shell.process_group(0).spawn().map_err(cannot)?);
        let status = timeout(self.timeout, group.0.wait()).await;
        let Ok(status) = status else {
            return Err(self.error(format!("did not end within {:?}{}", self.timeout, end_of(&mut said))));
        };
        match status.map_err(cannot)? {
            status if status.success() => Ok(()),
            status => Err(self.error(format!("failed ({status}){}", end_of(&mut said)))),
        }
    }

    /// Repeats it until it exits 0 or its time is over. The error is that of the last attempt.
    pub async fn until_it_works(&self) -> Result<(), HookError> {
        let until = Instant::now() + self.timeout;
        loop {
            let patience = until.saturating_duration_since(Instant::now()).max(ATTEMPT);
            let Err(failed) = (Hook { timeout: patience, ..*self }).run(&[]).await else { return Ok(()) };
            if Instant::now() + POLL_INTERVAL >= until {
                let problem = format!("did not exit 0 within {:?}: it {}", self.timeout, failed.problem);
                return Err(self.error(problem));
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

/// Kills a shell that is still running, with everything it started. Background processes of a shell that has
/// ended keep running.
struct ProcessGroup(Child);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let running = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = running.and_then(rustix::process::Pid::from_raw) {
            // It may have ended in the meantime.
            let _ended = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The end of the output, to append to a sentence.
fn end_of(said: &mut File) -> String {
    let length = said.metadata().map_or(0, |data| data.len());
    let mut bytes = Vec::new();
    let from = SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX));
    if said.seek(from).is_ok() {
        // Output that cannot be read is left out.
        drop(said.read_to_end(&mut bytes));
    }
    match String::from_utf8_lossy(&bytes).trim() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::process::{ProcessId, ProcessState};

    const LONG: Duration = Duration::from_secs(60);

    fn hook(command: &str) -> Hook<'_> {
        Hook { name: "up", command, timeout: LONG }
    }

    #[tokio::test]
    async fn a_hook_that_fails_is_told_by_name_with_the_end_of_what_it_said() {
        let error = hook("seq 1000 >&2; echo no quota >&2; exit 7").run(&[]).await.expect_err("it fails");
        let told = error.to_string();
        assert!(told.starts_with("the hook `up` failed (exit status: 7): "), "{told}");
        assert!(told.ends_with("1000\nno quota") && told.len() < 700, "{told}");
        assert!(hook("true").run(&[]).await.is_ok());
        assert!(hook("test \"$A\" = /b").run(&[("A", Path::new("/b"))]).await.is_ok());
    }

    #[tokio::test]
    async fn a_hook_that_does_not_end_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("a folder");
        let pid = dir.path().join("pid");
        let command = format!("sleep 1000 & echo $! > {0}.new && mv {0}.new {0}; wait", pid.display());
        let endless = tokio::spawn(async move { hook(&command).run(&[]).await });
        while !pid.exists() {
            sleep(Duration::from_millis(5)).await;
        }
        let child = std::fs::read_to_string(&pid).expect("a number").trim().to_owned();
        let child = ProcessId::of(child.parse().expect("a number")).expect("it runs");
        endless.abort();
        while child.state() != ProcessState::Gone {
            sleep(Duration::from_millis(5)).await;
        }
        let late = Hook { timeout: Duration::ZERO, ..hook("sleep 1000") };
        let told = late.run(&[]).await.expect_err("its time is over").to_string();
        assert!(told.contains("did not end within"), "{told}");
    }

    #[tokio::test]
    async fn what_a_hook_left_in_the_background_holds_nobody_up() {
        hook("sleep 5 &").run(&[]).await.expect("the shell has ended");
    }

    #[tokio::test]
    async fn readiness_is_waited_for_and_not_for_ever() {
        let dir = tempfile::tempdir().expect("a folder");
        let once = format!("test -e {0} || {{ touch {0}; exit 1; }}", dir.path().join("asked").display());
        hook(&once).until_it_works().await.expect("the second time");
        let never = Hook { name: "wait-ready", timeout: POLL_INTERVAL, ..hook("echo not yet >&2; false") };
        let told = never.until_it_works().await.expect_err("it never is").to_string();
        assert!(told.starts_with("the hook `wait-ready` did not exit 0 within"), "{told}");
        assert!(told.ends_with("not yet"), "{told}");
    }
}
