//! The events of a run, collected once into tables that the checks read.

pub(super) mod acks;
pub(super) mod canaries;
pub(super) mod copies;
pub(super) mod entry_ages;
pub(super) mod event_sequence;
pub(super) mod frontier_samples;
pub(super) mod history;
pub(super) mod log_index;
pub(super) mod named_row;
pub(super) mod packed_column;
mod packed_log;
pub(super) mod reads;
pub(super) mod segments;
pub(super) mod shard_log;
pub(super) mod shard_snapshots;
pub(super) mod shared_reads;
pub(super) mod undecided_rows;
