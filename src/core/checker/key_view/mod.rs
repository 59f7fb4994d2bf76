//! One key on every replica, for `dissent raw`: the first question of an incident.

pub mod folded;
pub mod shard;
pub mod unfolded;
