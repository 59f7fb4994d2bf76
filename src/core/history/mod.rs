//! The data model: what a run is made of and what is recorded of it. Every other module uses these types;
//! this one depends on none of the others.

pub mod canonical;
pub mod check_name;
pub mod completions;
pub mod delivery;
pub mod duration;
pub mod event;
pub mod fault;
pub mod fault_catalogue;
pub mod frontier;
pub mod given_load;
pub mod lifecycle;
pub mod nemesis;
pub mod row;
pub mod run_record;
pub mod schema;
pub mod scratch;
pub mod shard_snapshot;
pub mod stored_name;
pub mod time;
pub mod trust;
pub mod workload;
