//! Processes of the target that died by themselves. Nothing more can be learnt from such a run: it ends at
//! once and names the dead process.

use super::{Command, Conductor};
use crate::history::event::{Event, ProcessExit};
use crate::history::time::Nanos;

/// The name of the target as a whole, when nothing of it answers and nobody can say which process is gone.
const NOBODY_ANSWERS: &str = "the target";

impl Conductor {
    /// Ends the run if a process died that no fault of ours had taken down.
    ///
    /// ```text
    /// a restart is cured; the next sample was requested while its victim was down, and reports it dead
    /// ```
    pub(super) fn stop_for_deaths(&mut self, now: Nanos, deaths: Vec<ProcessExit>, out: &mut Vec<Command>) {
        let asked = self.sample_asked;
        if let Some(death) = deaths.into_iter().find(|death| !self.faults.silenced(&death.server, asked)) {
            self.cut_off(now, Event::ServerDied(death), out);
        }
    }

    /// A sample failed: a process has died, or the target may answer again. The run does not wait for ever.
    pub(super) fn sample_failed(
        &mut self,
        now: Nanos,
        error: String,
        deaths: Vec<ProcessExit>,
        out: &mut Vec<Command>,
    ) {
        let since = *self.blind_since.get_or_insert(self.sample_asked);
        self.stop_for_deaths(now, deaths, out);
        if self.interrupted {
            return;
        }
        let blind = now.0.saturating_sub(since.0);
        if blind >= self.timing.no_answer.0 {
            let words = format!("no answer for {} s: {error}", blind / 1_000_000_000);
            let death = ProcessExit { server: NOBODY_ANSWERS.to_owned(), words };
            self.cut_off(now, Event::ServerDied(death), out);
        } else {
            self.trouble("sample", error, out);
        }
    }
}
