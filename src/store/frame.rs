//! Files of lines in independent zstd frames: what is on disk survives kill -9 up to the last closed frame.
//!
//! A frame holds whole lines, declares its size and carries a checksum of its content (RFC 8878). Before it
//! lies a mark, a skippable frame that says which run's file it belongs to and how many lines come before it:
//! no frame can be lost, moved or swapped for another's. An ended file closes with such a mark, too, so that
//! a cut between two frames shows. Files of format 1 have the last mark alone, which counts lines:
//!
//! ```text
//! the log's file held three frames; the run was killed after the first was written
//! the events say that op 900 was acknowledged at offset 900
//! the file reads cleanly to offset 499
//! without the count, op 900 would be called a lost acknowledgement
//! ```
//!
//! `zstd -dc` reads such a file. There is no clock here: the caller says what time it is.

use super::names::RUN_FILE;
use super::origin::Origin;
use dissent_core::history::time::Nanos;
use memchr::memchr;
use serde::Serialize;
use std::io::{self, ErrorKind, Read, Write};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter, zstd_sys};

/// A frame is closed when it holds this many plain bytes ..
pub const FRAME_BYTES: usize = 1 << 20;
/// .. or when its first line is this old.
pub const FRAME_AGE: Nanos = Nanos(250_000_000);
/// The longest line, with its end, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// The largest frame that a writer can make: one byte short of closing, then the longest line.
const FRAME_BYTES_MAX: usize = FRAME_BYTES + LINE_BYTES_MAX;
/// On lines such as ours the lowest level packs as small as zstd's own choice (3), in half of the time.
const LEVEL: i32 = 1;

const FRAME_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// The flags of a frame's fifth byte, but for those of its size: a checksum follows; no dictionary, nothing
/// that is reserved.
const FLAGS_MASK: u8 = 0b1_1111;
const FLAGS: u8 = 0b0_0100;
const HEADER_BYTES_MAX: usize = 18;

const END_MAGIC: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
const MARK_MAGIC: [u8; 4] = 0x184d_2a51_u32.to_le_bytes();
/// Its magic number and its size, then the run, the file and the lines before it.
const MARK_BYTES: usize = 32;
/// So much is read at a time: a packed frame is seldom larger.
const READ_BYTES: usize = 256 << 10;

/// Writes lines; each closed frame goes out in one write.
#[must_use = "lines of the open frame are on disk only after `finish`"]
pub struct FrameWriter<W> {
    to: W,
    origin: Origin,
    packer: Compressor<'static>,
    open: Vec<u8>,
    opened: Nanos,
    lines: u64,
    /// Those in closed frames.
    closed: u64,
}

impl<W: Write> FrameWriter<W> {
    /// A writer at the start of an empty file.
    pub fn new(to: W, origin: Origin) -> io::Result<Self> {
        let mut packer = Compressor::new(LEVEL)?;
        packer.set_parameter(CParameter::ChecksumFlag(true))?;
        packer.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self { to, origin, packer, open: Vec::new(), opened: Nanos(0), lines: 0, closed: 0 })
    }

    /// Adds one line of JSON, and closes the frame if it is now full or old.
    pub fn line(&mut self, now: Nanos, line: &impl Serialize) -> io::Result<()> {
        self.add(now, |open| serde_json::to_writer(open, line))
    }

    /// As `line`, for one that is written already, without its end.
    pub fn text(&mut self, now: Nanos, line: &[u8]) -> io::Result<()> {
        self.add(now, |open| {
            open.extend_from_slice(line);
            Ok(())
        })
    }

    fn add(
        &mut self,
        now: Nanos,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> io::Result<()> {
        let start = self.open.len();
        if start == 0 {
            self.opened = now;
        }
        let written = write(&mut self.open);
        self.open.push(b'\n');
        let bytes = self.open.len() - start;
        if written.is_err() || bytes > LINE_BYTES_MAX {
            self.open.truncate(start);
            written?;
            let what = format!("a line of {bytes} bytes is longer than {LINE_BYTES_MAX}");
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        self.lines += 1;
        if self.open.len() >= FRAME_BYTES {
            return self.flush();
        }
        self.tick(now)
    }

    /// Closes the frame if its first line is old enough.
    pub fn tick(&mut self, now: Nanos) -> io::Result<()> {
        if now.0.saturating_sub(self.opened.0) >= FRAME_AGE.0 { self.flush() } else { Ok(()) }
    }

    /// Closes the frame, however young, if it holds anything.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut packed = mark(MARK_MAGIC, Some(self.origin), self.closed);
        packed.extend(self.packer.compress(&self.open)?);
        self.open.clear();
        self.closed = self.lines;
        self.to.write_all(&packed)
    }

    /// Closes the last frame and ends the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.to.write_all(&mark(END_MAGIC, Some(self.origin), self.lines))?;
        Ok(self.to)
    }
}

/// A mark after so many lines; of an origin only since format 2.
fn mark(magic: [u8; 4], origin: Option<Origin>, lines: u64) -> Vec<u8> {
    let origin = origin.into_iter().flat_map(|Origin { run, file }| [run, file]);
    let numbers: Vec<u8> = origin.chain([lines]).flat_map(u64::to_le_bytes).collect();
    let size = (numbers.len() as u32).to_le_bytes();
    [&magic[..], &size[..], &numbers[..]].concat()
}

/// What is wrong with what lies where this mark is due.
fn flaw_of_mark(found: &[u8], due: &[u8], lines: u64) -> Option<Flaw> {
    match found.iter().zip(due).position(|(found, due)| found != due) {
        None => (found.len() < due.len()).then_some(Flaw::Torn),
        Some(..8) => Some(Flaw::Garbage),
        Some(8..16) if due.len() == MARK_BYTES => Some(Flaw::OtherRun),
        Some(16..24) => Some(Flaw::OtherFile),
        Some(_) => Some(Flaw::WrongMark { lines }),
    }
}

/// Why a file could not be read on, and where.
#[derive(Debug, thiserror::Error)]
#[error("frame at byte {byte}: {flaw}")]
pub struct BrokenFrame {
    /// Where the frame begins that could not be read.
    pub byte: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// Bytes are missing at its end.
    #[error("torn: the file ends inside it")]
    Torn,
    /// The file ends after a whole frame, but was not ended.
    #[error("absent: the file has no end mark, so its writer was stopped or its tail is lost")]
    NotEnded,
    /// Something else than a frame.
    #[error("garbage: no frame begins here")]
    Garbage,
    /// A frame that nothing can vouch for.
    #[error("it has no checksum, or a flag that dissent never sets")]
    Flags,
    /// A frame that no writer of ours makes.
    #[error("its uncompressed size is {declared:?}; it must be known, and at most {FRAME_BYTES_MAX}")]
    Size {
        /// The plain bytes that it declares.
        declared: Option<u64>,
    },
    /// zstd refuses it: a wrong checksum among other things.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// Its last line is not whole.
    #[error("it ends inside a line")]
    PartLine,
    /// Another run wrote it, or this run before its facts were changed.
    #[error("it belongs to another run, or {RUN_FILE} was changed")]
    OtherRun,
    /// Another file of this run holds it by right.
    #[error("it belongs to another file of this run")]
    OtherFile,
    /// A mark does not fit what came before it.
    #[error("its end mark does not match the {lines} lines before it, or more data follows the end")]
    WrongMark {
        /// The lines that were read.
        lines: u64,
    },
    /// A file cannot be read.
    #[error("unreadable: {0}")]
    Io(#[from] io::Error),
}

/// Reads lines, and stops for good at the first flaw. Memory is bounded whatever the file holds.
pub struct FrameReader<R> {
    from: R,
    origin: Option<Origin>,
    input: Vec<u8>,
    used: usize,
    frame_at: u64,
    unpacker: Decompressor<'static>,
    plain: Vec<u8>,
    /// Where the last line begins and ends, without its end.
    line: (usize, usize),
    taken: usize,
    lines: u64,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// A reader at the start of a file of this origin; of none: of format 1.
    pub fn new(from: R, origin: Option<Origin>) -> io::Result<Self> {
        Ok(Self {
            from,
            origin,
            input: Vec::new(),
            used: 0,
            frame_at: 0,
            unpacker: Decompressor::new()?,
            plain: Vec::new(),
            line: (0, 0),
            taken: 0,
            lines: 0,
            ended: false,
        })
    }

    /// The number of lines handed out so far: that of the last line, counted from 1.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The next line without its end; `None` after the last line, and after a flaw.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, BrokenFrame> {
        if self.taken == self.plain.len() && !self.ended {
            let byte = self.frame_at;
            if let Err(flaw) = self.next_frame() {
                self.ended = true;
                self.plain.clear();
                (self.taken, self.line) = (0, (0, 0));
                return Err(BrokenFrame { byte, flaw });
            }
        }
        let Some(length) = memchr(b'\n', &self.plain[self.taken..]) else {
            return Ok(None);
        };
        self.line = (self.taken, self.taken + length);
        self.taken += length + 1;
        self.lines += 1;
        Ok(Some(self.line()))
    }

    /// The line that was handed out last; of no meaning before the first and after the last.
    pub fn line(&self) -> &[u8] {
        &self.plain[self.line.0..self.line.1]
    }

    /// Unpacks the next frame whole, so that no line is handed out before its checksum was seen.
    fn next_frame(&mut self) -> Result<(), Flaw> {
        self.plain.clear();
        (self.taken, self.line) = (0, (0, 0));
        let (lines, origin) = (self.lines, self.origin);
        let head = self.fill(MARK_BYTES + HEADER_BYTES_MAX)?;
        if head.starts_with(&END_MAGIC) {
            let end = mark(END_MAGIC, origin, lines);
            let more = (head.len() > end.len()).then_some(Flaw::WrongMark { lines });
            let flaw = flaw_of_mark(head, &end, lines).or(more);
            self.ended = flaw.is_none();
            return flaw.map_or(Ok(()), Err);
        }
        let marked = if origin.is_some() && !head.is_empty() { MARK_BYTES } else { 0 };
        let due = mark(MARK_MAGIC, origin, lines);
        if let Some(flaw) = flaw_of_mark(head, &due[..marked], lines) {
            return Err(flaw);
        }
        let size = match &head[marked..] {
            [] if marked > 0 => return Err(Flaw::Torn),
            head => declared_size(head)?,
        };
        self.used += marked;
        let packed = self.fill_frame()?;
        self.plain.reserve(size);
        let frame = &self.input[self.used..self.used + packed];
        let unpacked = self.unpacker.decompress_to_buffer(frame, &mut self.plain);
        unpacked.map_err(|error| Flaw::Corrupt(error.to_string()))?;
        self.used += packed;
        self.frame_at += (marked + packed) as u64;
        if self.plain.last() == Some(&b'\n') { Ok(()) } else { Err(Flaw::PartLine) }
    }

    /// Reads until the next frame waits whole; gives its size on disk.
    fn fill_frame(&mut self) -> Result<usize, Flaw> {
        let most = zstd_safe::compress_bound(FRAME_BYTES_MAX);
        let mut wanted = 1;
        loop {
            let input = self.fill(wanted)?;
            match zstd_safe::find_frame_compressed_size(input) {
                Ok(packed) => return Ok(packed),
                Err(code) if !is_cut_short(code) => {
                    return Err(Flaw::Corrupt(zstd_safe::get_error_name(code).to_owned()));
                }
                Err(_) if input.len() < wanted => return Err(Flaw::Torn),
                Err(_) if input.len() > most => {
                    return Err(Flaw::Corrupt(format!("longer than {most} bytes")));
                }
                Err(_) => wanted = input.len() + 1,
            }
        }
    }

    /// Reads until at least `wanted` bytes wait, or the file ends; gives those that wait.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.input.len() - self.used < wanted {
            self.input.drain(..self.used);
            self.used = 0;
            if self.from.by_ref().take(READ_BYTES as u64).read_to_end(&mut self.input)? == 0 {
                break;
            }
        }
        Ok(&self.input[self.used..])
    }
}

/// Whether zstd says that a frame goes on beyond the bytes that it was shown.
fn is_cut_short(code: zstd_safe::ErrorCode) -> bool {
    code.wrapping_neg() == zstd_sys::ZSTD_ErrorCode::ZSTD_error_srcSize_wrong as usize
}

/// The plain bytes that a frame declares, once its header was found to be one of ours.
fn declared_size(head: &[u8]) -> Result<usize, Flaw> {
    if head.is_empty() {
        return Err(Flaw::NotEnded);
    }
    if head.len() <= FRAME_MAGIC.len() {
        return Err(Flaw::Torn);
    }
    if !head.starts_with(&FRAME_MAGIC) {
        return Err(Flaw::Garbage);
    }
    if head[FRAME_MAGIC.len()] & FLAGS_MASK != FLAGS {
        return Err(Flaw::Flags);
    }
    match zstd_safe::get_frame_content_size(head) {
        Ok(Some(size @ 1..)) if size <= FRAME_BYTES_MAX as u64 => Ok(size as usize),
        Ok(declared) => Err(Flaw::Size { declared }),
        Err(_) => Err(Flaw::Torn),
    }
}
