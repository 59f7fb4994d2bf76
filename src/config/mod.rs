//! a
pub mod nemesis;
pub mod workload;
