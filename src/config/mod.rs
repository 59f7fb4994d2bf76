//! Files that a user writes: workloads and nemesis plans, from the embedded catalogue or from a path, and
//! `--set key=value` on top. A file is data only, and a wrong one is answered with its place in the text.

pub mod access;
pub mod catalogue;
mod document;
pub mod error;
pub mod known;
pub mod limits;
pub mod load;
pub mod nemesis;
pub mod settings;
mod source;
pub mod table;
pub mod target;
pub mod workload;

pub use document::Document;
