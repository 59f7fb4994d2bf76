//! The watchdog: a process of its own that holds one fault, so that the fault ends even when the tool that
//! wished for it is killed, stopped or cut off from its terminal.
//!
//! Its arguments are the mark: the whole cure, and for how long the fault may last. It says `holding` and
//! begins nothing until its standard input says `begin`; then it says `in force`, or `failed: ..`. It cures
//! at `cure`, when its standard input closes, or when the lease is over, whichever comes first, and says
//! `cured`, `ended early: ..` if the fault was over before, or `failed: ..`. One process begins and cures, so
//! the cure can never overtake the beginning:
//!
//! ```text
//! the tool asks the target for a hold and is killed; its watchdog sees the pipe close and releases the hold
//! the target answers the watchdog first: nothing to release. Then it takes the hold, and keeps it for ever
//! ```

use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, timeout_at};

/// What a watchdog hears.
pub(super) const BEGIN: &str = "begin";
/// What a watchdog hears.
pub(super) const CURE: &str = "cure";
/// What a watchdog says.
pub(super) const HOLDING: &str = "holding";
/// What a watchdog says.
pub(super) const IN_FORCE: &str = "in force";
/// What a watchdog says.
pub(super) const CURED: &str = "cured";
/// What a watchdog says of a fault that it cured before it was told to, or found over, before what it saw.
pub(super) const ENDED_EARLY: &str = "ended early: ";
/// What a watchdog says, before the reason.
pub(super) const FAILED: &str = "failed: ";

/// A cure that has not worked after this long is reported as failed; the watchdog goes on trying.
pub(super) const CURE_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two attempts of a cure.
const PAUSE: Duration = Duration::from_millis(100);

/// How a watchdog ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogExit {
    /// Nothing was ever begun, or it is cured.
    Cured,
    /// The lease is over, and the cure never worked.
    Left,
}

/// Keeps one fault, from the standard input's `begin` to its cure; `seen_over` looks whether it is over
/// before that.
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
    // Already the leader of a session, or not: what counts is that no terminal's signals come here.
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
            // Any order, the end of them, or of the time: all mean the same.
            let over = match timeout_at(until, orders.next_line()).await {
                Err(_) => Some("its lease ran out".to_owned()),
                Ok(_) => seen_over().await,
            };
            heal(until, cure, |outcome| match (outcome, &over) {
                (Ok(()), None) => CURED.to_owned(),
                (Ok(()), Some(seen)) => format!("{ENDED_EARLY}{seen}"),
                (Err(error), _) => format!("{FAILED}{error}"),
            })
            .await
        }
        // It may be half begun.
        Err(refused) => {
            heal(until, cure, |outcome| match outcome {
                Ok(()) => format!("{FAILED}{refused}"),
                Err(error) => format!("{FAILED}{refused}; and it cannot be undone: {error}"),
            })
            .await
        }
    }
}

/// Cures until it has worked or the lease is over; tells how it went once it has worked, or after
/// [`PATIENCE`].
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

/// A line to the tool; when that is gone, nobody needs it.
async fn say(line: &str) {
    let mut out = tokio::io::stdout();
    let line = format!("{}\n", line.replace('\n', " "));
    if out.write_all(line.as_bytes()).await.is_ok() {
        drop(out.flush().await);
    }
}
