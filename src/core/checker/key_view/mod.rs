//! One key on every replica, for `dissent raw`: the first question in an incident.

pub mod shard;
pub mod with_model;
pub mod without_model;
