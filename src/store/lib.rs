//! How the record of a run is stored on disk: frames, files, and the folder that holds them.

mod audit;
mod block_flags;
mod block_rows;
pub mod codec;
mod content;
mod content_reader;
pub mod cure;
pub mod dump;
mod fast_scan;
mod files;
pub mod frame;
pub mod frame_origin;
pub mod latest_run;
mod line_order;
mod merged_stream;
pub mod names;
mod read_writer;
mod reads;
pub mod run_reader;
pub mod run_writer;
pub mod writing;
