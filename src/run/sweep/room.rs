//! How much room on the disk a sweep takes, told before it starts.

use super::Arm;
use crate::run::kept_runs::KEPT_MAX;
use crate::run::run_spec::RunSpec;
use std::path::Path;

/// What a kept run takes whatever it writes: its report, its verdict, its facts. In bytes.
const OF_RUN: u64 = 300_000;
/// What it takes for each op: its log entry, and its rows as they were read again and again. In bytes.
const OF_OP: u64 = 500;
/// The kinds of findings of an arm of which runs are kept. Few arms have more.
const KINDS: u32 = 4;

/// The room that a sweep takes at most, as far as can be told before it starts, and the room that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The folders of runs that stay if every run fails.
    pub folders: u64,
    /// About how many bytes they take.
    pub bytes: u64,
    /// The bytes that are free. None if the file system does not tell.
    pub free: Option<u64>,
}

impl Room {
    /// The room for so many runs of each arm below a folder.
    pub fn of(arms: &[Arm], runs: u32, folder: &Path) -> Room {
        let kept = |arm: &Arm| match arm.target().is_simulated() {
            true => u64::from(runs.min(KEPT_MAX * KINDS)),
            false => u64::from(runs),
        };
        let of_arm = |arm: &Arm| kept(arm) * arm.specs.iter().map(of_run).max().unwrap_or(OF_RUN);
        Room {
            folders: arms.iter().map(kept).sum(),
            bytes: arms.iter().map(of_arm).sum(),
            free: free(folder),
        }
    }

    /// Whether it is too little.
    pub fn is_short(&self) -> bool {
        self.free.is_some_and(|free| free < self.bytes)
    }
}

/// About how many bytes a run writes.
fn of_run(spec: &RunSpec) -> u64 {
    let seconds = spec.workload.load.0 / 1_000_000_000;
    OF_RUN + u64::from(spec.workload.rate_hz) * seconds.max(1) * OF_OP
}

fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_short_if_less_is_free_than_may_be_needed() {
        let room = |free| Room { folders: 1, bytes: 10, free };
        assert_eq!([room(Some(9)), room(Some(10)), room(None)].map(|it| it.is_short()), [true, false, false]);
        let temp = tempfile::tempdir().expect("a folder");
        assert!(free(temp.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free(&temp.path().join("gone")), None);
    }
}
