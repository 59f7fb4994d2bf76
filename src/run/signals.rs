//! The signals that end a run: politely, after its cures.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a run after its cures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The terminal went away.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// A polite kill.
    Terminate,
}

impl Cut {
    pub(super) fn name(self) -> &'static str {
        match self {
            Cut::Hangup => "SIGHUP",
            Cut::Interrupt => "SIGINT",
            Cut::Terminate => "SIGTERM",
        }
    }
}

/// The signals as a stream of [`Cut`]s.
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

    pub(super) async fn next(&mut self) -> Cut {
        tokio::select! {
            _ = self.hangup.recv() => Cut::Hangup,
            _ = self.interrupt.recv() => Cut::Interrupt,
            _ = self.terminate.recv() => Cut::Terminate,
        }
    }
}
