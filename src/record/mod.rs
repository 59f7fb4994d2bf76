//! The record of a run: what happened, what was read, and the folder that it lies in.

mod audit;
pub mod codec;
pub mod cure;
pub mod dump;
pub mod folder;
pub mod frame;
pub mod latest;
mod merge;
pub mod names;
mod order;
pub mod origin;
mod reads;
mod scan;
pub mod store;
