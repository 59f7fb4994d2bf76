//! What of the target is gone unasked. Nothing more can be learnt from such a run: it ends at once, and says
//! who is gone.

use super::{Command, Conductor};
use crate::history::event::{Death, Event};
use crate::history::time::Nanos;

/// What stands for the target when nothing of it answers, and nobody can say who is gone.
const NOBODY_ANSWERS: &str = "the target";

impl Conductor {
    /// Ends the run if any of those that are gone was not sent away by us.
    ///
    /// ```text
    /// a restart is cured; the look that comes now was begun while its victim was down, and finds it dead
    /// ```
    pub(super) fn stop_for_deaths(&mut self, now: Nanos, deaths: Vec<Death>, out: &mut Vec<Command>) {
        let asked = self.sample_asked;
        if let Some(death) = deaths.into_iter().find(|death| !self.faults.silenced(&death.server, asked)) {
            self.cut_off(now, Event::ServerDied(death), out);
        }
    }

    /// The cluster could not be looked at: somebody is gone, or it may answer again; not for ever.
    pub(super) fn could_not_look(
        &mut self,
        now: Nanos,
        error: String,
        deaths: Vec<Death>,
        out: &mut Vec<Command>,
    ) {
        let since = *self.blind_since.get_or_insert(self.sample_asked);
        self.stop_for_deaths(now, deaths, out);
        if self.interrupted {
            return;
        }
        let blind = now.0.saturating_sub(since.0);
        if blind >= self.timing.blind.0 {
            let words = format!("no answer for {} s: {error}", blind / 1_000_000_000);
            let death = Death { server: NOBODY_ANSWERS.to_owned(), words };
            self.cut_off(now, Event::ServerDied(death), out);
        } else {
            self.trouble("sample", error, out);
        }
    }
}
