//! Two small systems, each with a published bug: [`segments`], a cluster that merges keyed partial updates,
//! and [`shard`], writers that keep the latest row of every key.
//!
//! Their state machines are pure: no socket, file or clock. They run as real processes over loopback HTTP
//! ([`serve`]) and in virtual time ([`segments::World`], [`shard::World`]).
//!
//! This crate knows nothing of the checker that is tested on it and shares no code with it.

mod error;
mod host;
pub mod segments;
pub mod serve;
pub mod shard;
mod value;
mod virtual_time;

pub use error::Error;
pub use host::{Host, HostFault};
pub use value::{Column, Entry, Merge, Type, Value};
