//! `specimen-segments`: a cluster that merges keyed partial updates, with a published bug.
//!
//! An input log in partitions; a controller with the ideal state of every segment, a queue of orders to
//! every server, and commits with a winner; servers that consume, merge, keep and serve raw rows. After
//! Apache Pinot, on which a one-shot readiness latch lets a segment be consumed before the one before it
//! is registered: merges then run against nothing, on one server, and every status says `running`.

mod commit;
mod config;
mod controller;
mod copy;
mod disk;
mod guard;
mod lifecycle;
mod messages;
mod server;
mod upsert;
mod world;

pub use config::Config;
pub(crate) use controller::Controller;
pub use controller::{Hold, Segment};
pub use copy::{CopyState, Cover, Coverage, Observed};
pub(crate) use disk::Disk;
pub use guard::{Guard, NAMES as GUARDS, UnknownGuard};
pub use lifecycle::{Event, Kind};
pub use messages::Transition;
pub(crate) use messages::{Call, Reply, SegmentId};
pub(crate) use server::{Action, Server};
pub use upsert::Flag;
pub use world::World;
