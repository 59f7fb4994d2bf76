//! Shrinking: from a run that failed to the smallest schedule and workload that show the same finding.
//!
//! What is tried, and in which order, is decided here. A try itself is a run, which the caller makes.

pub mod candidate;
pub mod finding_class;
mod minimal;
pub mod recorded;
pub mod repeats;
pub mod search;
mod simplify;
