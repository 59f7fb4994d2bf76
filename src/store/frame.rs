//! Files of lines in independent zstd frames. After kill -9 the file is intact up to the last closed frame.
//!
//! A frame holds whole lines, as JSON or as a table, declares its size and has a checksum of its content
//! (RFC 8878). A mark, which
//! is a skippable frame, precedes it. It names the run and the file that the frame belongs to, and the number
//! of lines before it. So a frame that is lost, moved or swapped is noticed. A finished file ends with such a
//! mark too, so a cut between two frames is noticed. Files of format 1 have only the last mark, with the line
//! count:
//!
//! ```text
//! the log's file held three frames; the run was killed after the first was written
//! the events say that op 900 was acknowledged at offset 900
//! the file reads cleanly to offset 499
//! without the count, op 900 would be called a lost acknowledgement
//! ```
//!
//! `dissent cat` prints the lines of such a file; so does `zstd -dc`, if it holds no table. This module reads
//! no clock: the caller passes the time.

pub use super::flaw::{BrokenFrame, Flaw};
use super::frame_origin::FileTag;
use super::table::{self, is_table};
use dissent_core::history::time::Nanos;
use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter, zstd_sys};

/// A frame is closed when it holds this many uncompressed bytes.
pub const FRAME_BYTES: usize = 1 << 20;
/// A frame is closed when its first line is this old.
pub const FRAME_AGE: Nanos = Nanos(250_000_000);
/// The maximum length of a line including its newline, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// The largest frame that a writer can make: one byte short of closing, plus the longest line.
const FRAME_BYTES_MAX: usize = FRAME_BYTES + LINE_BYTES_MAX;
/// For lines like these, the lowest level compresses as well as zstd's default (3), in half the time.
const LEVEL: i32 = 1;

const FRAME_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// The flags in a frame's fifth byte, except for those of its size. Only the checksum flag may be set: no
/// dictionary and no reserved flag.
const FLAGS_MASK: u8 = 0b1_1111;
const FLAGS: u8 = 0b0_0100;
const HEADER_BYTES_MAX: usize = 18;

const END_MAGIC: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
const MARK_MAGIC: [u8; 4] = 0x184d_2a51_u32.to_le_bytes();
/// The magic number and the size, then the run, the file and the number of lines before the mark.
const MARK_BYTES: usize = 32;
/// The bytes read at a time. A compressed frame is seldom larger.
const READ_BYTES: usize = 256 << 10;

/// Where a frame lies in its file, and what it must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FramePlace {
    /// Its position, in bytes.
    pub(super) at: u64,
    /// The number of lines before it.
    pub(super) after: u64,
    /// The checksum of its lines (RFC 8878).
    pub(super) sum: u32,
}

/// Writes lines. Each closed frame is written in one call.
#[must_use = "lines of the open frame are on disk only after `finish`"]
pub struct FrameWriter<W> {
    to: W,
    origin: FileTag,
    packer: Compressor<'static>,
    open: Vec<u8>,
    opened: Nanos,
    lines: u64,
    /// The number of lines in closed frames.
    closed: u64,
    /// The size of the closed frames on disk, with their marks.
    bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Starts a writer for an empty file.
    pub fn new(to: W, origin: FileTag) -> io::Result<Self> {
        let mut packer = Compressor::new(LEVEL)?;
        packer.set_parameter(CParameter::ChecksumFlag(true))?;
        packer.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self { to, origin, packer, open: Vec::new(), opened: Nanos(0), lines: 0, closed: 0, bytes: 0 })
    }

    /// Adds one line of JSON. Closes the frame if it is full or old enough. Fails if the line is longer than
    /// [`LINE_BYTES_MAX`].
    pub fn line(&mut self, now: Nanos, line: &impl Serialize) -> io::Result<()> {
        self.add(now, |open| serde_json::to_writer(open, line))
    }

    /// Like [`FrameWriter::line`], for a line that is already encoded, without its newline.
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
        if self.open.is_empty() {
            self.opened = now;
        }
        push_line(&mut self.open, write)?;
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

    /// Closes the frame at any age, unless it is empty.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.open);
        let written = self.close(&lines);
        self.open = lines;
        self.open.clear();
        written.map(drop)
    }

    /// Like [`FrameWriter::frame`]. Returns the place of the frame.
    pub(super) fn block(&mut self, lines: &[u8], count: u64) -> io::Result<FramePlace> {
        self.flush()?;
        let (at, after) = (self.bytes, self.closed);
        self.lines += count;
        Ok(FramePlace { at, after, sum: self.close(lines)? })
    }

    /// Writes a table of so many lines, or whole lines, as a frame of its own.
    pub fn frame(&mut self, lines: &[u8], count: u64) -> io::Result<()> {
        self.block(lines, count).map(drop)
    }

    /// Writes a frame of these lines, which are the last ones counted, and returns its checksum.
    fn close(&mut self, lines: &[u8]) -> io::Result<u32> {
        let mut packed = mark(MARK_MAGIC, Some(self.origin), self.closed);
        packed.extend(self.packer.compress(lines)?);
        self.closed = self.lines;
        self.bytes += packed.len() as u64;
        self.to.write_all(&packed)?;
        Ok(checksum(&packed))
    }

    /// Closes the last frame and writes the end mark.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.to.write_all(&mark(END_MAGIC, Some(self.origin), self.lines))?;
        Ok(self.to)
    }
}

/// Adds a line and its newline. Adds nothing if it cannot be written, or is longer than [`LINE_BYTES_MAX`].
pub(super) fn push_line(
    lines: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> io::Result<()> {
    let start = lines.len();
    let written = write(lines);
    lines.push(b'\n');
    let bytes = lines.len() - start;
    if written.is_err() || bytes > LINE_BYTES_MAX {
        lines.truncate(start);
        written?;
        let what = format!("a line of {bytes} bytes is longer than {LINE_BYTES_MAX}");
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    Ok(())
}

/// A mark after this many lines. Format 1 has no origin.
fn mark(magic: [u8; 4], origin: Option<FileTag>, lines: u64) -> Vec<u8> {
    let origin = origin.into_iter().flat_map(|FileTag { run, file }| [run, file]);
    let numbers: Vec<u8> = origin.chain([lines]).flat_map(u64::to_le_bytes).collect();
    let size = (numbers.len() as u32).to_le_bytes();
    [&magic[..], &size[..], &numbers[..]].concat()
}

/// The flaw in the bytes at the place of this mark.
fn mark_flaw(found: &[u8], due: &[u8], lines: u64) -> Option<Flaw> {
    match found.iter().zip(due).position(|(found, due)| found != due) {
        None => (found.len() < due.len()).then_some(Flaw::Torn),
        Some(..8) => Some(Flaw::Garbage),
        Some(8..16) if due.len() == MARK_BYTES => Some(Flaw::OtherRun),
        Some(16..24) => Some(Flaw::OtherFile),
        Some(_) => Some(Flaw::WrongMark { lines }),
    }
}

/// Reads lines and stops at the first flaw. Memory use is bounded for any input.
pub struct FrameReader<R> {
    from: R,
    origin: Option<FileTag>,
    input: Vec<u8>,
    used: usize,
    frame_at: u64,
    unpacker: Decompressor<'static>,
    plain: Vec<u8>,
    /// The start and the end of the last line, without its newline.
    line: (usize, usize),
    taken: usize,
    /// The number of lines of the table that was unpacked last; none if lines were.
    table: Option<u64>,
    /// The checksum of the frame that was unpacked last.
    sum: u32,
    lines: u64,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// Starts a reader for a file of this origin. None means format 1.
    pub fn new(from: R, origin: Option<FileTag>) -> io::Result<Self> {
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
            table: None,
            sum: 0,
            lines: 0,
            ended: false,
        })
    }

    /// The number of lines returned so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The next line without its newline. `None` after the last line and after a flaw.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, BrokenFrame> {
        let byte = self.frame_at;
        self.advance()?;
        if self.has_table() {
            return Err(self.give_up(byte, Flaw::NotLines));
        }
        let Some(length) = memchr(b'\n', &self.plain[self.taken..]) else {
            return Ok(None);
        };
        self.line = (self.taken, self.taken + length);
        self.taken += length + 1;
        self.lines += 1;
        Ok(Some(self.line()))
    }

    /// Takes the next frame as a whole if it holds a table, which is then in [`FrameReader::plain`]. False if
    /// lines are next, or nothing.
    pub(super) fn next_table(&mut self) -> Result<bool, BrokenFrame> {
        self.advance()?;
        let has_table = self.has_table();
        if has_table {
            self.taken = self.plain.len();
            self.lines += self.table.unwrap_or(0);
        }
        Ok(has_table)
    }

    /// The content of the current frame.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Whether the current frame holds a table that was not taken yet.
    fn has_table(&self) -> bool {
        self.table.is_some() && self.taken < self.plain.len()
    }

    /// Unpacks the next frame if all of the current one was taken.
    fn advance(&mut self) -> Result<(), BrokenFrame> {
        let byte = self.frame_at;
        if self.taken < self.plain.len() || self.ended {
            return Ok(());
        }
        self.next_frame().map_err(|flaw| self.give_up(byte, flaw))
    }

    /// Nothing is read beyond a flaw.
    fn give_up(&mut self, byte: u64, flaw: Flaw) -> BrokenFrame {
        self.ended = true;
        self.plain.clear();
        (self.taken, self.line) = (0, (0, 0));
        BrokenFrame { byte, flaw }
    }

    /// The line that was returned last. Meaningless before the first line and after the last.
    pub fn line(&self) -> &[u8] {
        &self.plain[self.line.0..self.line.1]
    }

    /// Unpacks the next frame as a whole, so that no line is returned before its checksum is verified.
    fn next_frame(&mut self) -> Result<(), Flaw> {
        self.plain.clear();
        (self.taken, self.line) = (0, (0, 0));
        let (lines, origin) = (self.lines, self.origin);
        let head = self.fill(MARK_BYTES + HEADER_BYTES_MAX)?;
        if head.starts_with(&END_MAGIC) {
            let end = mark(END_MAGIC, origin, lines);
            let more = (head.len() > end.len()).then_some(Flaw::WrongMark { lines });
            let flaw = mark_flaw(head, &end, lines).or(more);
            self.ended = flaw.is_none();
            return flaw.map_or(Ok(()), Err);
        }
        let marked = if origin.is_some() && !head.is_empty() { MARK_BYTES } else { 0 };
        let due = mark(MARK_MAGIC, origin, lines);
        if let Some(flaw) = mark_flaw(head, &due[..marked], lines) {
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
        self.sum = checksum(frame);
        self.used += packed;
        self.frame_at += (marked + packed) as u64;
        self.table = None;
        if is_table(&self.plain) {
            let (_, lines, _) = table::open(&self.plain)?;
            self.table = Some(lines as u64);
            return Ok(());
        }
        if self.plain.last() == Some(&b'\n') { Ok(()) } else { Err(Flaw::PartLine) }
    }

    /// Reads until the next frame is complete, and returns its size on disk.
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

    /// Reads until at least `wanted` bytes are available or the file ends, and returns the available bytes.
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

impl<R: Read + Seek> FrameReader<R> {
    /// The content of the frame at a place, wherever the reader is. Behind it is [`FrameReader::position`].
    pub(super) fn block_at(&mut self, place: FramePlace) -> Result<&[u8], Flaw> {
        self.seek((place.at, place.after))?;
        self.next_frame()?;
        if self.sum != place.sum {
            return Err(Flaw::OtherLines);
        }
        self.lines += self.table.unwrap_or_else(|| memchr_iter(b'\n', &self.plain).count() as u64);
        self.taken = self.plain.len();
        Ok(&self.plain)
    }

    /// The place of the next frame: its byte, and the number of lines before it.
    pub(super) fn position(&self) -> (u64, u64) {
        (self.frame_at, self.lines)
    }

    /// The file must end at this position.
    pub(super) fn end_at(&mut self, position: (u64, u64)) -> Result<(), Flaw> {
        self.seek(position)?;
        self.next_frame()?;
        if self.ended { Ok(()) } else { Err(Flaw::WrongMark { lines: self.lines }) }
    }

    fn seek(&mut self, position: (u64, u64)) -> io::Result<()> {
        if self.position() != position {
            self.from.seek(SeekFrom::Start(position.0))?;
            self.input.clear();
            ((self.frame_at, self.lines), self.used, self.ended) = (position, 0, false);
        }
        Ok(())
    }
}

/// The checksum at the end of a frame.
fn checksum(frame: &[u8]) -> u32 {
    frame.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Whether the error means that the frame continues beyond the given bytes.
fn is_cut_short(code: zstd_safe::ErrorCode) -> bool {
    code.wrapping_neg() == zstd_sys::ZSTD_ErrorCode::ZSTD_error_srcSize_wrong as usize
}

/// The uncompressed size that a frame declares. Fails if the header is not one that dissent writes.
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
        Ok(declared) => Err(Flaw::Size { declared, most: FRAME_BYTES_MAX }),
        Err(_) => Err(Flaw::Torn),
    }
}
