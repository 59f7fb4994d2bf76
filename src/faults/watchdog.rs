//! The watchdog: a separate process that holds one fault, so that the fault ends even if the tool is killed,
//! stopped or loses its terminal.
//!
//! Its arguments are the mark (the whole cure) and the maximum duration of the fault. It prints `holding` and
//! waits for `begin` on its standard input; then it prints `in force` or `failed: ..`. It undoes the fault on
//! `cure`, when its standard input closes, or when the lease expires, whichever comes first. Then it prints
//! `cured`, `ended early: ..` if the fault was already over, or `failed: ..`. The same process begins and
//! cures, so that the cure can never overtake the begin. Otherwise:
//!
//! ```text
//! the tool asks the target for a hold and is killed; its watchdog sees the pipe close and releases the hold
//! the target answers the watchdog first: nothing to release. Then it takes the hold, and keeps it for ever
//! ```

use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, timeout_at};

/// Order to begin the fault.
pub(super) const BEGIN: &str = "begin";
/// Order to undo the fault.
pub(super) const CURE: &str = "cure";
/// Answer: started, and waiting.
pub(super) const HOLDING: &str = "holding";
/// Answer: the fault is in force.
pub(super) const IN_FORCE: &str = "in force";
/// Answer: the fault is undone.
pub(super) const CURED: &str = "cured";
/// Answer, followed by a reason: the fault was undone before the order, or was already over.
pub(super) const ENDED_EARLY: &str = "ended early: ";
/// Answer, followed by a reason: the fault could not be started, or not undone.
pub(super) const FAILED: &str = "failed: ";

/// A cure that takes longer is reported as failed; the watchdog keeps trying.
pub(super) const CURE_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval between two attempts to cure.
const PAUSE: Duration = Duration::from_millis(100);

/// How a watchdog ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogExit {
    /// No fault was started, or it is undone.
    Cured,
    /// The lease expired, and the cure never worked.
    Left,
}

/// Keeps one fault, from `begin` on standard input to its cure. `seen_over` checks whether it is over.
pub async fn watch<B, S, C, E>(
    lease: Duration,
    begin: impl FnOnce() -> B,
    seen_over: impl FnOnce() -> S,
    cure: impl Fn() -> C,
) -> WatchdogExit
where
    B: Future<Output = Result<(), E>>,
    S: Future<Output = Option<String>>,
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    // Fails for the leader of a session, which does not get the terminal's signals anyway.
    let _session = rustix::process::setsid();
    let until = Instant::now() + lease;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    say(HOLDING).await;
    match timeout_at(until, orders.next_line()).await {
        Ok(Ok(Some(order))) if order == BEGIN => {}
        _ => return WatchdogExit::Cured,
    }
    match begin().await {
        Ok(()) => {
            say(IN_FORCE).await;
            // Any order, closed input and the end of the lease all mean the same.
            let over = match timeout_at(until, orders.next_line()).await {
                Err(_) => Some("its lease expired".to_owned()),
                Ok(_) => seen_over().await,
            };
            heal(until, cure, |outcome| match (outcome, &over) {
                (Ok(()), None) => CURED.to_owned(),
                (Ok(()), Some(seen)) => format!("{ENDED_EARLY}{seen}"),
                (Err(error), _) => format!("{FAILED}{error}"),
            })
            .await
        }
        // It may have started partly.
        Err(refused) => {
            heal(until, cure, |outcome| match outcome {
                Ok(()) => format!("{FAILED}{refused}"),
                Err(error) => format!("{FAILED}{refused}; and it cannot be undone: {error}"),
            })
            .await
        }
    }
}

/// Tries to cure until it works or the lease expires. Reports once it works, or after [`CURE_TIMEOUT`].
async fn heal<C, E>(
    until: Instant,
    cure: impl Fn() -> C,
    words: impl Fn(Result<(), &E>) -> String,
) -> WatchdogExit
where
    C: Future<Output = Result<(), E>>,
{
    let patience = Instant::now() + CURE_TIMEOUT;
    let until = until.max(patience);
    let mut told = false;
    loop {
        let Err(error) = cure().await else {
            if !told {
                say(&words(Ok(()))).await;
            }
            return WatchdogExit::Cured;
        };
        let now = Instant::now();
        if now >= patience && !told {
            say(&words(Err(&error))).await;
            told = true;
        }
        if now >= until {
            return WatchdogExit::Left;
        }
        sleep(PAUSE).await;
    }
}

/// Prints a line to the tool. If that is gone, nobody needs it.
async fn say(line: &str) {
    let mut out = tokio::io::stdout();
    let line = format!("{}\n", line.replace('\n', " "));
    if out.write_all(line.as_bytes()).await.is_ok() {
        drop(out.flush().await);
    }
}
