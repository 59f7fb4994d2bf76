//! What can be wrong with a file of frames.

use super::names::RUN_FILE;
use super::table::Garbled;
use std::io;

/// Why a file could not be read further, and where.
#[derive(Debug, thiserror::Error)]
#[error("frame at byte {byte}: {flaw}")]
pub struct BrokenFrame {
    /// The position of the unreadable frame in the file.
    pub byte: u64,
    /// What is wrong with the frame.
    pub flaw: Flaw,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The file ends inside a frame.
    #[error("torn: the file ends inside it")]
    Torn,
    /// The file ends after a whole frame, but has no end mark.
    #[error("absent: the file has no end mark, so its writer was stopped or its tail is lost")]
    NotEnded,
    /// The bytes are not a frame.
    #[error("garbage: no frame begins here")]
    Garbage,
    /// The frame has no checksum, so its content cannot be verified.
    #[error("it has no checksum, or a flag that dissent never sets")]
    Flags,
    /// The frame has a size that no writer of dissent makes.
    #[error("its uncompressed size is {declared:?}; it must be known, and at most {most}")]
    Size {
        /// The declared uncompressed size, if the frame declares one.
        declared: Option<u64>,
        /// The largest size that a writer makes.
        most: usize,
    },
    /// zstd rejects the frame, for example because of a wrong checksum.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The frame holds a table that cannot be read.
    #[error(transparent)]
    Table(#[from] Garbled),
    /// The frame holds a table where only lines are written.
    #[error("it holds a table, not lines")]
    NotLines,
    /// The last line of the frame is not complete.
    #[error("it ends inside a line")]
    PartLine,
    /// Another run wrote the frame, or `run.json` was changed later.
    #[error("it belongs to another run, or {RUN_FILE} was changed")]
    OtherRun,
    /// The frame belongs to another file of this run.
    #[error("it belongs to another file of this run")]
    OtherFile,
    /// The frame holds other lines than those that are referred to.
    #[error("it holds other lines than those that a read refers to")]
    OtherLines,
    /// A mark does not match the lines before it.
    #[error("its end mark does not match the {lines} lines before it, or more data follows the end")]
    WrongMark {
        /// The number of lines read before the mark.
        lines: u64,
    },
    /// Reading the file failed.
    #[error("unreadable: {0}")]
    Io(#[from] io::Error),
}
