//! From recorded evidence to a verdict. Pure: no IO, no clock, no randomness.
//!
//! [`judge::judge`] runs the checks in order, over `tables` of what happened. To compare rows, it walks along
//! the log and compares all copies at an offset with each other and with the fold of the log. Only rows that
//! are not plainly equal get a closer look.

pub mod comparison;
mod explanation;
mod findings;
pub mod judge;
pub mod key_view;
pub mod known_issues;
mod liveness;
mod oracle;
mod owed;
mod parallel;
pub mod positions;
mod safety;
pub mod self_test;
mod tables;
mod validity;
pub mod verdict;
mod verdict_builder;
