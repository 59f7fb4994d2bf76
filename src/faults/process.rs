//! A process of this machine, identified by its number and its start time (proc(5)), so that a late cure does
//! not hit a later process with the same number.

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// The identity of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs or waits.
    Running,
    /// It was stopped by a signal.
    Stopped,
    /// It has ended.
    Gone,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> std::io::Result<ProcessId> {
        let (_, started) = read(pid)?;
        Ok(ProcessId { pid, started })
    }

    /// What it is doing now.
    pub fn state(self) -> ProcessState {
        match read(self.pid) {
            Ok((letter, started)) if started == self.started => match letter {
                'T' | 't' => ProcessState::Stopped,
                // A zombie only waits to be noticed by whoever started it.
                'Z' | 'X' => ProcessState::Gone,
                _ => ProcessState::Running,
            },
            Ok(_) | Err(_) => ProcessState::Gone,
        }
    }

    /// SIGSTOP.
    pub fn stop(self) -> std::io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(self) -> std::io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL.
    pub fn kill(self) -> std::io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Sends a signal; one that is gone needs none.
    fn signal(self, signal: Signal) -> std::io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.filter(|_| self.state() != ProcessState::Gone) {
            Some(pid) => kill_process(pid, signal).map_err(std::io::Error::from),
            None => Ok(()),
        }
    }
}

/// The state's letter and the time of the start. The name before them may hold anything, also `)`.
fn read(pid: u32) -> std::io::Result<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let fields = fields.unwrap_or_default();
    let letter = fields.first().and_then(|field| field.chars().next());
    let started = fields.get(19).and_then(|field| field.parse().ok());
    letter.zip(started).ok_or_else(|| std::io::Error::other(format!("/proc/{pid}/stat: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_with_its_number() {
        let me = ProcessId::of(std::process::id()).expect("I am there");
        assert_eq!(me.state(), ProcessState::Running);
        let earlier = ProcessId { started: me.started - 1, ..me };
        assert_eq!(earlier.state(), ProcessState::Gone);
        earlier.kill().expect("nobody is hit");
    }

    #[test]
    fn a_child_stops_goes_on_and_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let id = ProcessId::of(child.id()).expect("it runs");
        let reaches = |state| {
            for _ in 0..2_000 {
                if id.state() == state {
                    return true;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            false
        };
        id.stop().expect("it is ours");
        assert!(reaches(ProcessState::Stopped));
        id.resume().expect("it is ours");
        assert!(reaches(ProcessState::Running));
        id.kill().expect("it is ours");
        assert!(reaches(ProcessState::Gone), "a zombie counts as gone");
        child.wait().expect("it ended");
        assert_eq!(id.state(), ProcessState::Gone);
    }
}
