//! Goal: no cut, no flipped byte and no misplaced frame goes unnoticed. Method: every cut, every flip and
//! every misplaced frame of a small file.

use dissent_core::history::time::Nanos;
use dissent_store::frame::{FRAME_AGE, FRAME_BYTES, FrameReader, FrameWriter, LINE_BYTES_MAX};
use dissent_store::frame_origin::{FileTag, RunHash};
use std::io::{self, Write};

/// Keeps writes apart, because a frame must be written in one.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of a run of this seed.
fn origin(seed: u64, file: &str) -> FileTag {
    let run_file = format!("{{\"facts\":{{\"seed\":{seed}}}}}");
    RunHash::of(run_file.as_bytes()).expect("JSON").file(file)
}

/// Writes the lines of each frame as a file.
fn written(frames: &[&[&str]]) -> Writes {
    written_as(frames, origin(1, "a"))
}

fn written_as(frames: &[&[&str]], origin: FileTag) -> Writes {
    let mut writer = FrameWriter::new(Writes::default(), origin).expect("writer");
    for lines in frames {
        for line in *lines {
            writer.line(Nanos(0), line).expect("line");
        }
        writer.flush().expect("flush");
    }
    writer.finish().expect("end")
}

/// The lines that can be read, and the flaw after them.
fn read(bytes: &[u8]) -> (Vec<String>, Option<String>) {
    let mut reader = FrameReader::new(bytes, Some(origin(1, "a"))).expect("reader");
    let mut lines = Vec::new();
    loop {
        match reader.next_line() {
            Ok(Some(line)) => lines.push(String::from_utf8(line.to_vec()).expect("text")),
            Ok(None) => return (lines, None),
            Err(broken) => {
                assert!(matches!(reader.next_line(), Ok(None)), "reads on after a flaw");
                return (lines, Some(broken.to_string()));
            }
        }
    }
}

const FRAMES: [&[&str]; 3] = [&["one", "two"], &["three"], &["four", "five", "six"]];
const LINES: [&str; 6] = ["\"one\"", "\"two\"", "\"three\"", "\"four\"", "\"five\"", "\"six\""];

#[test]
fn whole_file_is_read_without_a_flaw() {
    assert_eq!(read(&written(&FRAMES).0.concat()), (LINES.map(str::to_owned).to_vec(), None));
    assert_eq!(read(&written(&[]).0.concat()), (Vec::new(), None));
}

#[test]
fn every_cut_gives_the_whole_frames_before_it_and_a_flaw() {
    let writes = written(&FRAMES).0;
    let bytes = writes.concat();
    for cut in 0..bytes.len() {
        let mut whole = 0;
        let mut end = 0;
        for (write, lines) in writes.iter().zip(FRAMES) {
            end += write.len();
            whole += if end <= cut { lines.len() } else { 0 };
        }
        let (lines, flaw) = read(&bytes[..cut]);
        assert_eq!(lines, LINES[..whole], "cut at byte {cut}");
        assert!(flaw.is_some(), "cut at byte {cut} goes unnoticed");
    }
}

#[test]
fn every_flipped_byte_is_noticed_and_alters_no_line() {
    let bytes = written(&FRAMES).0.concat();
    for at in 0..bytes.len() {
        for flip in 1..=u8::MAX {
            let mut flipped = bytes.clone();
            flipped[at] ^= flip;
            let (lines, flaw) = read(&flipped);
            assert!(
                LINES[..].starts_with(&lines.iter().map(String::as_str).collect::<Vec<_>>()),
                "byte {at}"
            );
            assert!(flaw.is_some(), "byte {at} ^ {flip} goes unnoticed");
        }
    }
}

#[test]
fn a_frame_that_is_lost_doubled_moved_or_swapped_is_noticed() {
    let writes = written(&FRAMES).0;
    let file = |order: &[usize]| order.iter().flat_map(|&at| writes[at].clone()).collect::<Vec<u8>>();
    for order in [&[1, 2, 3][..], &[0, 2, 3], &[0, 0, 1, 2, 3], &[1, 0, 2, 3], &[0, 1, 3], &[0, 1, 2, 2, 3]] {
        let (lines, flaw) = read(&file(order));
        assert!(flaw.expect("a flaw").contains("its end mark does not match"), "{order:?}");
        assert!(LINES.map(str::to_owned).starts_with(&lines), "{order:?}: {lines:?}");
    }
    for (other, wanted) in [(origin(1, "b"), "another file of this run"), (origin(2, "a"), "another run")] {
        let others = written_as(&FRAMES, other).0;
        for at in 0..writes.len() {
            let mut swapped = writes.clone();
            swapped[at] = others[at].clone();
            let (lines, flaw) = read(&swapped.concat());
            assert!(flaw.expect("a flaw").contains(wanted), "frame {at}");
            assert!(lines.len() < LINES.len() || at == FRAMES.len(), "frame {at} is read");
        }
    }
}

#[test]
fn a_flaw_says_where_and_what() {
    let writes = written(&FRAMES).0;
    let (first, all) = (writes[0].len(), writes.concat());
    let unended = &all[..all.len() - 32];
    let marked = |frame: &[u8]| [&writes[0][..32], frame].concat();
    let unchecked = zstd::bulk::compress(b"1\n", 3).expect("frame");
    let mut checked = zstd::bulk::Compressor::new(3).expect("compressor");
    checked.set_parameter(zstd::stream::raw::CParameter::ChecksumFlag(true)).expect("flag");
    let part_line = checked.compress(b"1\n2").expect("frame");
    let bomb = checked.compress(&vec![b'\n'; 64 << 20]).expect("frame");
    let cases: [(&[u8], &str); 8] = [
        (b"", "byte 0: absent"),
        (b"{\"off\":1}\n", "byte 0: garbage"),
        (&all[..first + 7], &format!("byte {first}: torn")),
        (unended, &format!("byte {}: absent", unended.len())),
        (&marked(&unchecked), "byte 0: it has no checksum"),
        (&marked(&part_line), "byte 0: it ends inside a line"),
        (&marked(&bomb), "size is Some(67108864)"),
        (&[&all[..], b"more"].concat(), "more data follows the end"),
    ];
    for (bytes, wanted) in cases {
        let flaw = read(bytes).1.expect("a flaw");
        assert!(flaw.contains(wanted), "{flaw:?} does not say {wanted:?}");
    }
}

#[test]
fn a_frame_is_closed_when_it_is_full_or_old_and_goes_out_in_one_write() {
    let mut writer = FrameWriter::new(Writes::default(), origin(1, "a")).expect("writer");
    let start = Nanos(1_000);
    writer.line(start, &"young").expect("line");
    writer.tick(Nanos(start.0 + FRAME_AGE.0 - 1)).expect("tick");
    writer.line(Nanos(start.0 + FRAME_AGE.0 - 1), &"still young").expect("line");
    writer.tick(Nanos(start.0 + FRAME_AGE.0)).expect("tick");
    writer.tick(Nanos(start.0 + 9 * FRAME_AGE.0)).expect("an empty frame is not written");
    writer.line(Nanos(start.0 + 9 * FRAME_AGE.0), &"x".repeat(FRAME_BYTES)).expect("a frame's worth");
    writer.line(Nanos(start.0 + 9 * FRAME_AGE.0), &"open").expect("line");
    let writes = writer.finish().expect("end").0;
    let lines = writes.iter().map(|write| {
        let plain = zstd::decode_all(&write[..]).expect("a frame and its mark, or the last mark");
        plain.iter().filter(|byte| **byte == b'\n').count()
    });
    assert_eq!(lines.collect::<Vec<_>>(), [2, 1, 1, 0], "lines in each write");
}

#[test]
fn a_line_that_no_reader_would_take_is_refused_and_leaves_the_file_whole() {
    let mut writer = FrameWriter::new(Writes::default(), origin(1, "a")).expect("writer");
    let longest = "x".repeat(LINE_BYTES_MAX - 3);
    writer.line(Nanos(0), &"before").expect("line");
    let refused = writer.line(Nanos(0), &format!("{longest}y")).expect_err("too long");
    assert!(refused.to_string().contains("longer than"), "{refused}");
    writer.line(Nanos(0), &longest).expect("just short enough");
    let (lines, flaw) = read(&writer.finish().expect("end").0.concat());
    assert_eq!((lines.len(), flaw), (2, None));
}
