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
//! conductor   checker      decides what a run does next | judges what was recorded
//! generator                draws ops, victims and a schedule from the seed
//! history                  tables, ops, faults, rows, events, frontiers: the data model of all others
//! seed
//! ```
//!
//! To check evidence of your own, call [`checker::judge::judge`] with a
//! [`RunRecord`](history::run_record::RunRecord).

pub mod checker;
pub mod conductor;
pub mod generator;
pub mod history;
#[cfg(test)]
mod test_data;

pub mod seed;
