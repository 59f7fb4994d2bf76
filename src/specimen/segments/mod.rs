//! `specimen-segments`: a cluster that merges keyed partial updates, with a published bug.
//!
//! The cluster has a partitioned input log. A controller keeps the ideal state of every segment, sends
//! transition messages to every server, and picks the winner of each commit. Servers consume, merge, store
//! and serve raw rows. The model is Apache Pinot, where a one-shot readiness latch lets a server consume a
//! segment before the previous one is registered. Merges then run against nothing on that one server, and
//! every status says `running`.

mod commit;
mod config;
mod controller;
mod copy;
mod disk;
mod guard;
mod lifecycle;
mod messages;
mod server;
mod shared_work;
mod truth;
mod upsert;
mod world;

pub use config::{CAUSES, Cause, Config, KeptOrder};
pub(crate) use controller::Controller;
pub use controller::{Hold, Segment};
pub use copy::{CopyState, Cover, Coverage, Observed};
pub(crate) use disk::Disk;
pub use guard::{Guard, NAMES as GUARDS, UnknownGuard};
pub use lifecycle::{Event, Kind};
pub use messages::Transition;
pub(crate) use messages::{Call, Reply, SegmentId};
pub(crate) use server::{Action, Server};
pub(crate) use shared_work::SharedWork;
pub use truth::{Begun, BlindMerge, DroppedKeys, MergeTruth, ServerTruth, Visible, WrongRow};
pub use upsert::Flag;
pub use world::World;
