//! Dumps of tables that a user brings, one of each replica, and how they are compared.
//!
//! ```text
//! source      bytes of a file, a folder or a pipe, decompressed
//! csv, jsonl  rows of cells
//! digests     first pass: one digest for each bucket of keys; equal buckets are done
//! columns     those that are compared, and those that options name
//! log         events of keys, folded to the rows that are expected
//! collect     second pass: the rows of the other buckets, in memory or sorted into parts on disk
//! compare     the rows of each key side by side, to the checker
//! ```
//!
//! Memory does not grow with the dumps: digests are of a fixed number of buckets, and rows that do not fit
//! are written to parts on disk, which are compared one after the other.

pub mod cells;
pub mod collect;
mod columns;
pub mod compare;
mod csv;
pub mod digests;
pub mod error;
mod json_lines;
mod layout;
mod log;
mod part_files;
mod reading;
pub mod rows;
pub mod source;
pub mod spec;
