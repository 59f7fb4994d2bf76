//! How the record of a run is stored on disk: frames, files, and the folder that holds them.

mod audit;
pub mod codec;
pub mod cure;
pub mod dump;
mod fast_scan;
mod files;
pub mod folder;
pub mod frame;
pub mod latest_run;
mod merge;
pub mod names;
mod order;
pub mod origin;
mod reads;
pub mod writer;
