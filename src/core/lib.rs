//! The pure core of dissent: from a seed to the ops and faults of a run, from what a run answers to what it
//! does next, and from what was recorded to a verdict.
//!
//! # What is absent here
//!
//! No socket, no file, no clock, no thread pool, no randomness but the seed's: functions over data. The crate
//! depends on nothing that could do IO, and `.clippy.toml` forbids what the standard library could.
//!
//! # From the ground up
//!
//! ```text
//! conductor   checker      decides what a run does next | judges what was recorded
//! generator                draws ops, victims and a schedule from the seed
//! history                  tables, ops, faults, rows, events, frontiers: the words of all others
//! seed
//! ```
//!
//! A checker of your own evidence is [`checker::judge::judge`] over an
//! [`Evidence`](history::evidence::Evidence).

pub mod checker;
pub mod conductor;
pub mod generator;
pub mod history;
#[cfg(test)]
mod test_data;

pub mod seed;
