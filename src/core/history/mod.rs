//! The ground floor: what a run is made of, and what is on record of it. Every other folder speaks in these
//! words; this one knows of none of them but [`crate::history::schema`].

pub mod check_name;
pub mod duration;
pub mod event;
pub mod fault;
pub mod frontier;
pub mod nemesis;
pub mod row;
pub mod run_record;
pub mod schema;
pub mod shard_snapshot;
pub mod time;
pub mod workload;
