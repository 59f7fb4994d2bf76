//! Goal: whatever lines are written, a cut or a flipped bit never adds, changes or hides one unnoticed.
//! Method: random files, with a random cut and a random flip in each. A flip that zstd does not notice (a
//! frame has bits that mean nothing) must leave every line as it was.

use crate::draw::{Draw, holds};
use dissent_core::history::time::Nanos;
use dissent_store::frame::{FRAME_AGE, FrameReader, FrameWriter};
use dissent_store::frame_origin::{FileTag, RunHash};

const CASES: u64 = 100;

/// The run that every file here belongs to.
fn origin() -> FileTag {
    RunHash::of(b"{}").expect("JSON").file("file")
}

/// Lines and the file that holds them.
fn written(draw: &mut Draw) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut writer = FrameWriter::new(Vec::new(), origin()).expect("a writer");
    let mut now = Nanos(0);
    let mut lines = Vec::new();
    for _ in 0..draw.below(40) {
        let length = if draw.once_in(60) { draw.below(1 << 21) } else { draw.below(200) };
        let line: String = match draw.below(3) {
            0 => "\n\"\\\0é".chars().cycle().take(length).collect(),
            1 => (0..length.min(500)).map(|_| char::from(draw.below(128) as u8)).collect(),
            _ => "x".repeat(length),
        };
        now = Nanos(now.0 + draw.below(FRAME_AGE.0 as usize) as u64);
        writer.line(now, &line).expect("a line");
        lines.push(serde_json::to_vec(&line).expect("JSON"));
        if draw.once_in(5) {
            writer.flush().expect("in memory");
        }
    }
    (lines, writer.finish().expect("in memory"))
}

/// The lines that can be read, and whether the file was found whole.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut reader = FrameReader::new(bytes, Some(origin())).expect("a reader");
    let mut lines = Vec::new();
    loop {
        match reader.next_line() {
            Ok(Some(line)) => lines.push(line.to_vec()),
            Ok(None) => return (lines, true),
            Err(_) => return (lines, false),
        }
    }
}

#[test]
fn what_is_written_is_read() {
    holds(CASES, |draw| {
        let (lines, file) = written(draw);
        assert!(read(&file) == (lines, true));
    });
}

#[test]
fn a_cut_leaves_a_beginning_and_is_noticed() {
    holds(CASES, |draw| {
        let (lines, file) = written(draw);
        let (kept, is_whole) = read(&file[..draw.below(file.len())]);
        assert!(!is_whole && lines.starts_with(&kept));
    });
}

#[test]
fn a_flipped_bit_leaves_a_beginning_and_is_noticed_or_means_nothing() {
    holds(CASES, |draw| {
        let (lines, mut file) = written(draw);
        let at = draw.below(file.len());
        file[at] ^= 1 << draw.below(8);
        let (kept, is_whole) = read(&file);
        assert!(lines.starts_with(&kept) && (!is_whole || kept == lines), "byte {at} of {}", file.len());
    });
}
