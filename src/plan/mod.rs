//! a
pub mod schedule;
