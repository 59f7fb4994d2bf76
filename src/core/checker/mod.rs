//! From recorded evidence to a verdict. Pure: no IO, no clock, no randomness.
//!
//! [`judge::judge`] runs the checks in order, over [`tables`] of what happened. Rows are compared by a walk
//! along the log that lines up all copies of one offset with what the log folds to; only what is not plainly
//! equal is looked at closely.

mod findings;
pub mod judge;
pub mod key_view;
pub mod known_issues;
mod liveness;
mod owed;
mod parallel;
mod safety;
pub mod self_test;
mod tables;
mod validity;
pub mod verdict;
mod verdict_builder;
