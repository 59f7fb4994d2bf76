//! Any bytes as a file of frames, of format 1 and of today's. What can be read is written again, and must
//! read the same to the end. And any bytes as a table within a frame: it is refused, or all its lines can be
//! read.

use super::schema;
use dissent_core::history::time::Nanos;
use dissent_store::cat;
use dissent_store::frame::{FrameReader, FrameWriter};
use dissent_store::frame_origin::{FileTag, RunHash};

/// The run that files written here belong to.
fn origin() -> FileTag {
    RunHash::of(b"{}").expect("JSON").file("file")
}

/// A reader never holds more than one frame: 17 MiB, whatever the bytes declare.
pub(crate) fn frames(bytes: &[u8]) {
    table(bytes);
    let (mut lines, _) = read(bytes, None);
    lines.extend(read(bytes, Some(origin())).0);
    let mut writer = FrameWriter::new(Vec::new(), origin()).expect("a writer");
    let mut kept = Vec::new();
    for line in &lines {
        // Only JSON is written.
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) {
            writer.line(Nanos(0), &value).expect("a line that was short enough to be read");
            kept.push(serde_json::to_vec(&value).expect("a value"));
        }
    }
    let again = read(&writer.finish().expect("in memory"), Some(origin()));
    assert_eq!(again, (kept, true));
}

/// The bytes as a table, if they begin like one, in the only frame of a file.
fn table(bytes: &[u8]) {
    if bytes.first() != Some(&1) {
        return;
    }
    let mut writer = FrameWriter::new(Vec::new(), origin()).expect("a writer");
    writer.frame(bytes, 1).expect("in memory");
    let file = writer.finish().expect("in memory");
    let mut lines = 0;
    let read = cat::lines(&schema(), &file[..], Some(origin()), &mut |line| {
        lines += 1;
        assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok(), "{}", line.escape_ascii());
        Ok(())
    });
    assert!(read.is_err() || lines == 1, "{lines} lines are not noticed");
}

/// The lines, and whether the file has an end.
fn read(bytes: &[u8], origin: Option<FileTag>) -> (Vec<Vec<u8>>, bool) {
    let mut reader = FrameReader::new(bytes, origin).expect("a reader");
    let mut lines = Vec::new();
    loop {
        match reader.next_line() {
            Ok(Some(line)) => lines.push(line.to_vec()),
            Ok(None) => break,
            Err(_) => {
                assert!(matches!(reader.next_line(), Ok(None)), "it reads on after a flaw");
                return (lines, false);
            }
        }
        assert_eq!(reader.lines(), lines.len() as u64);
    }
    (lines, true)
}
