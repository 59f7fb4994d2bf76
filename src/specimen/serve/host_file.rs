//! The file in which a replica's process finds what is wrong with its machine. The supervisor writes it; the
//! process looks at it all the time, so that a change is in force at once, and also after a restart.

use super::process::clock;
use crate::error::Error;
use crate::host::{Direction, Host, Link};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A process looks at the file again after this long.
const READ_EVERY: Duration = Duration::from_millis(10);

/// Writes the file at once, so that no reader sees half of it.
pub(super) fn write(path: &Path, host: &Host) -> Result<(), Error> {
    let failed = |source| Error::Io { what: format!("write {}", path.display()), source };
    let draft = path.with_extension("draft");
    let text = serde_json::to_vec(host).map_err(|error| failed(error.into()))?;
    std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, path)).map_err(failed)
}

/// A process's view of its machine.
pub(super) struct HostFile {
    path: PathBuf,
    rng: Mutex<ChaCha8Rng>,
    /// The path of its messages, on a clock that nobody sets.
    link: Mutex<Link>,
    began: Instant,
    /// What was read last, and when.
    last: Mutex<Option<(Instant, Host)>>,
}

impl HostFile {
    pub(super) fn at(path: &Path) -> Self {
        let (rng, last) = (Mutex::new(ChaCha8Rng::seed_from_u64(0)), Mutex::default());
        HostFile { path: path.to_owned(), rng, link: Mutex::default(), began: Instant::now(), last }
    }

    /// Without a readable file nothing is wrong.
    pub(super) fn host(&self) -> Host {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, host) = match last.take().filter(|(at, _)| at.elapsed() < READ_EVERY) {
            Some(recent) => last.insert(recent),
            None => {
                let text = std::fs::read(&self.path).unwrap_or_default();
                last.insert((Instant::now(), serde_json::from_slice(&text).unwrap_or_default()))
            }
        };
        host.clone()
    }

    /// What the wall clock of this machine shows, in nanoseconds since 1970.
    pub(super) fn clock(&self) -> u64 {
        self.host().clock(clock())
    }

    /// How many times as long the process takes: 1 at full speed.
    pub(super) fn times(&self) -> u64 {
        self.host().times()
    }

    /// Delays a message as the network does. False if it is lost.
    pub(super) async fn passes(&self, way: Direction) -> bool {
        let host = self.host();
        let below = |bound| self.rng.lock().unwrap_or_else(PoisonError::into_inner).next_u64() % bound;
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let travel = || {
            let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
            host.travel(way, now, &mut link, below)
        };
        let Some(longer) = travel() else { return false };
        if longer > 0 {
            tokio::time::sleep(Duration::from_nanos(longer)).await;
        }
        true
    }
}
