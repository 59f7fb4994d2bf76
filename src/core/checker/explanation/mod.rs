//! Why the roots of a finding came to be (`RULES.md` 9): from the events that nodes logged to the break of
//! an order, the guard that let it happen, and how far the wrong copies spread.
//!
//! It starts from a wrong row and asks what must have happened before that row was merged. Whether that
//! was so is read from the replica's own program order. The clocks of two nodes are never compared.

mod causes;
mod dropped_keys;
mod event_graph;
pub(crate) mod explainer;
mod guard;
pub(crate) mod node_events;
mod observed;
mod ordering_break;
mod prediction;
mod setup;
pub(crate) mod spread;
pub(crate) mod stuck_consumer;
mod timeline;
