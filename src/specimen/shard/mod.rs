//! `specimen-shard`: writers that keep the latest value of every key of an input log in one shared shard,
//! with a published bug.
//!
//! A service has the input log, the shard (compare-and-append), and the map from offsets to timestamps that
//! all writers share. Each writer reads the log and, as feedback, the shard, and appends what changes. The
//! model is Materialize's upsert-v2 (MaterializeInc/materialize 36860). Its writer keeps updates that another
//! writer has already written. That pins its output frontier below the shard's frontier, so it never appends
//! again, while it keeps reading and reports `running`. Each feature exists for a finding:
//!
//! - lag, delays, pause, restart, a second writer, read-only mode and promotion: the frozen frontier, latent
//!   and visible, and the variants that must not freeze;
//! - each writer's own frontier: a freeze that a healthy writer hides;
//! - contents with multiplicities: `v1-double-drain` writes wrong data while the frontier moves;
//! - bindings and reads as of a time: the contents of a frozen shard are correct.
//!
//! The input log has one partition, because no finding needs another.

mod config;
mod messages;
mod node_log;
mod operator;
mod persist;
mod remap;
mod rule;
mod service;
mod sink;
mod truth;
mod world;
mod writer;

pub use config::Config;
pub(crate) use messages::{Call, Reply};
pub use messages::{Mode, Queue};
pub use node_log::{NodeEvent, NodeEventKind, SERVICE};
pub use persist::Row;
pub use rule::{NAMES as RULES, Rule, UnknownRule};
pub(crate) use service::Service;
pub use truth::{ShardMove, Stranding, Truth};
pub use world::World;
pub use writer::Progress;
pub(crate) use writer::Writer;
