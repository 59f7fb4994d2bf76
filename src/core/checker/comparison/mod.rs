//! Compares the contents of replicas key by key, without a record of what was written
//! (`RULES.md` 1, 2, 4, 5).
//!
//! Somebody brings the rows, or an audit reads them. What is not known is said: without positions a
//! difference may be lag, with two replicas nobody is outvoted, and without a referee replicas that agree
//! may agree on wrong rows.

mod basis;
mod beginning;
mod calibration;
mod classify;
mod findings;
mod fold;
mod judge;
mod rows;
mod version;

pub use basis::Basis;
pub use fold::KeyFold;
pub use judge::Comparer;
pub use rows::{ExpectedState, KeyRows, ReplicaRow};
pub use version::version_order;
