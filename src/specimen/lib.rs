//! Two small systems, each with a published bug. `specimen-shard` has its own module, [`shard`]; all else is
//! `specimen-segments`: a cluster that merges keyed partial updates.
//!
//! An input log in partitions; a controller with the ideal state of every segment, a queue of orders to
//! every server, and commits with a winner; servers that consume, merge, keep and serve raw rows. After
//! Apache Pinot, on which a one-shot readiness latch lets a segment be consumed before the one before it
//! is registered: merges then run against nothing, on one server, and every status says `running`.
//!
//! The state machines (`controller.rs`, `server.rs`) are pure: no socket, file or clock. They run as real
//! processes over loopback HTTP ([`serve`]) and in virtual time ([`World`]).
//!
//! This crate knows nothing of the checker that is tested on it, and shares no code with it.

mod commit;
mod config;
mod controller;
mod copy;
mod disk;
mod event_queue;
mod guard;
mod lifecycle;
mod messages;
pub mod serve;
mod server;
pub mod shard;
mod upsert;
mod value;
mod world;

pub use config::{Config, Error};
pub use controller::{Hold, Segment};
pub use copy::{CopyState, Cover, Coverage, Observed};
pub use guard::{Guard, NAMES as GUARDS, UnknownGuard};
pub use lifecycle::{Event, Kind};
pub use messages::Transition;
pub use upsert::Flag;
pub use value::{Column, Entry, Merge, Text, Type, Value};
pub use world::World;
