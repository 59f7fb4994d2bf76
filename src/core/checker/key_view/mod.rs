//! One key on every replica, for `dissent raw`: the first question in an incident.

pub mod folded;
pub mod shard;
pub mod unfolded;
