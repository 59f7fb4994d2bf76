//! The signals that end a run gracefully, after healing.

use super::error::RunError;
use crate::exit::StopSignal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The signals as a stream of [`StopSignal`]s.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.hangup.recv() => StopSignal::Hangup,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

/// A thread that waits for a signal until this value is dropped. It is for work that is not async.
pub(super) struct SignalWatch {
    /// Dropping the sender ends the thread.
    _stop: oneshot::Sender<()>,
}

impl SignalWatch {
    /// Starts the thread, which calls `on_signal` with the first signal.
    pub(super) fn begin(on_signal: impl FnOnce(StopSignal) + Send + 'static) -> std::io::Result<SignalWatch> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let signal = runtime.block_on(async {
                tokio::select! {
                    signal = signals.next() => Some(signal),
                    _ = stopped => None,
                }
            });
            signal.map(on_signal)
        });
        Ok(SignalWatch { _stop: stop })
    }
}

/// Waits for the first signal from now on.
pub async fn signalled() -> std::io::Result<StopSignal> {
    Ok(Signals::listen()?.next().await)
}

/// Does work that a signal may interrupt, because there is nothing to heal yet.
pub(super) async fn interruptible<T, E: Into<RunError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, RunError> {
    let listening = Signals::listen();
    let mut signals =
        listening.map_err(|source| RunError::Surroundings { what: "listen for signals", source })?;
    tokio::select! {
        signal = signals.next() => Err(RunError::StopSignal { signal, meanwhile: "the target was set up" }),
        done = work => done.map_err(Into::into),
    }
}
