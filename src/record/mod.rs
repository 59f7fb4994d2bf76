//! The record of a run: what happened, what was read, and the folder that it lies in.

mod audit;
pub mod codec;
pub mod contents;
pub mod cure;
pub mod dump;
pub mod event;
pub mod evidence;
pub mod folder;
pub mod frame;
pub mod frontier;
pub mod latest;
mod merge;
pub mod names;
mod order;
pub mod origin;
mod reads;
pub mod row;
mod scan;
pub mod store;
