//! From recorded evidence to a verdict. Pure: no IO, no clock, no randomness.
//!
//! [`judge::judge`] runs the checks in order. What binds them is how rows are compared: a *stage* says which
//! copy of a segment each replica showed at each capture, a *walk* goes along the log and lines up all rows
//! of one offset with what the log folds to, and only what is not plainly equal is looked at closely.

mod absence;
mod acks;
mod ages;
mod align;
pub mod as_shown;
mod assumptions;
mod calibrate;
mod canary;
mod cells;
mod contents;
mod course;
mod current;
mod deviation;
mod exposure;
mod finding;
mod fingerprint;
mod forgotten;
mod group;
mod history;
pub mod in_shard;
pub mod judge;
pub mod known;
pub mod known_issue;
mod lanes;
mod ledger;
mod log;
mod merge;
mod missing;
mod owed;
mod peers;
mod progress;
mod roots;
mod rows;
mod segments;
pub mod self_test;
mod sequence;
pub mod side_by_side;
mod stage;
pub mod verdict;
mod witness;
