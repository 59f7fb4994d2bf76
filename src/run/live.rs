//! Who watches a run while it lasts.

use crate::record::event::Event;
use crate::record::row::Nanos;

/// Sees every event at once, before it is judged.
pub trait Live: Send {
    /// Something happened at this time of the run.
    fn event(&mut self, now: Nanos, event: &Event);
}

/// Nobody watches.
pub struct Unwatched;

impl Live for Unwatched {
    fn event(&mut self, _now: Nanos, _event: &Event) {}
}
