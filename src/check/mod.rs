//! a
pub mod verdict;
