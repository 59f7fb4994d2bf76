//! The signals that end a run: politely, after its cures.

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

/// A thread that waits for a signal until this is dropped: for work that is not done by futures.
pub(super) struct SignalWatch {
    /// Its end is the thread's.
    _over: oneshot::Sender<()>,
}

impl SignalWatch {
    /// Waits from now on; tells of the first signal.
    pub(super) fn begin(tell: impl FnOnce(StopSignal) + Send + 'static) -> std::io::Result<SignalWatch> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        let (over, is_over) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let cut = runtime.block_on(async {
                tokio::select! {
                    cut = signals.next() => Some(cut),
                    _ = is_over => None,
                }
            });
            cut.map(tell)
        });
        Ok(SignalWatch { _over: over })
    }
}

/// The first signal that comes from now on.
pub async fn signalled() -> std::io::Result<StopSignal> {
    Ok(Signals::listen()?.next().await)
}

/// Does what a signal may cut off, as long as there is nothing to cure.
pub(super) async fn interruptible<T, E: Into<RunError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, RunError> {
    let listening = Signals::listen();
    let mut signals =
        listening.map_err(|source| RunError::Surroundings { what: "listen for signals", source })?;
    tokio::select! {
        cut = signals.next() => Err(RunError::StopSignal(cut)),
        done = work => done.map_err(Into::into),
    }
}
