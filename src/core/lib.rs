//! The pure core of dissent: from a seed to the ops and faults of a run, from the answers of a run to its
//! next commands, and from a record to a verdict.
//!
//! # What is absent here
//!
//! No socket, no file, no clock, no thread pool, no randomness but the seed's: functions over data. The crate
//! depends on nothing that could do IO, and `.clippy.toml` forbids what the standard library could do.
//!
//! # From the bottom up
//!
//! ```text
//! shrink       from a run that failed to a small one with the same finding
//! campaign     many runs: their parts, and what they say together
//! checker      judges what was recorded
//! conductor    decides what a run does next
//! generator    draws ops, victims and a schedule from the seed
//! history      schemas, ops, faults, rows, events, frontiers: the vocabulary of the rest
//! seed
//! ```
//!
//! To check your own records, implement [`RunRecord`](history::run_record::RunRecord) and call
//! [`checker::judge::judge`].

pub mod campaign;
pub mod checker;
pub mod conductor;
pub mod generator;
pub mod history;
pub mod nearest;
#[cfg(test)]
mod test_data;

pub mod seed;
pub mod shrink;
