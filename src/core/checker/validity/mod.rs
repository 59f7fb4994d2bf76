//! Whether a run can prove anything: its assumptions hold, its log is complete, its fault was exercised.

pub(super) mod assumptions;
pub(super) mod exposure;
pub(super) mod input_log;
