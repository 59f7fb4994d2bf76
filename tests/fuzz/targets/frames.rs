//! Any bytes as a file of frames, of format 1 and of today's. What can be read is written again, and must
//! read the same to the end.

use dissent_core::history::time::Nanos;
use dissent_store::frame::{FrameReader, FrameWriter};
use dissent_store::frame_origin::{FileTag, RunHash};

/// The run that files written here belong to.
fn origin() -> FileTag {
    RunHash::of(b"{}").expect("JSON").file("file")
}

/// A reader never holds more than one frame: 17 MiB, whatever the bytes declare.
pub(crate) fn frames(bytes: &[u8]) {
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
