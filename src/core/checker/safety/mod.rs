//! Whether rows are right: replicas compared with each other, and with the fold of the log.

pub(super) mod absence;
pub(super) mod calibration;
pub(super) mod compare_partition;
pub(super) mod current_rows;
pub(super) mod expired_states;
mod flag_changes;
pub(super) mod lineage;
pub(super) mod lost_acks;
pub(super) mod merge_functions;
pub(super) mod mismatch;
pub(super) mod missing_ops;
pub(super) mod newest_rows;
pub(super) mod offset_view;
pub(super) mod peer_vote;
pub(super) mod rows;
pub(super) mod scan;
pub(super) mod stale;
mod undecided;
