//! Follows a node's log, if the target file gives its path. It continues where it stopped, through rotation
//! and truncation.

use super::node_log::{NodeEvent, NodeLog};
use serde_json::Map;
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use tokio::fs::{File, metadata};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// The maximum number of bytes per poll. The rest is read by the next poll.
const POLL_BYTES_MAX: u64 = 4 << 20;

/// The maximum length of a line. Longer lines are irrelevant and skipped.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A log that is being followed.
pub(super) struct Tail {
    path: PathBuf,
    /// The open file and its inode. A renamed file is read to its end.
    file: Option<(File, u64)>,
    /// The position up to which the file was read.
    at: u64,
    /// The start of a line whose end is not written yet.
    rest: Vec<u8>,
    /// Whether the current line began before the part that was read.
    in_mid_line: bool,
}

impl Tail {
    pub(super) fn of(path: PathBuf) -> Tail {
        Tail { path, file: None, at: 0, rest: Vec::new(), in_mid_line: false }
    }

    /// The lines since the last poll. The first poll looks back a bounded distance.
    pub(super) async fn lines(&mut self) -> std::io::Result<Vec<String>> {
        let mut lines = Vec::new();
        if self.file.is_none() {
            let length = self.open().await?;
            self.at = length.saturating_sub(POLL_BYTES_MAX);
            self.in_mid_line = self.at > 0;
        }
        let is_read = self.read(&mut lines).await?;
        if is_read && self.was_rotated().await {
            self.open().await?;
            self.read(&mut lines).await?;
        }
        Ok(lines)
    }

    /// Opens the file at the path from its start, and returns its length.
    async fn open(&mut self) -> std::io::Result<u64> {
        let file = File::open(&self.path).await?;
        let known = file.metadata().await?;
        self.file = Some((file, known.ino()));
        (self.at, self.in_mid_line) = (0, false);
        self.rest.clear();
        Ok(known.len())
    }

    /// Whether the path now names another file, or the file was truncated: the log was rotated.
    async fn was_rotated(&self) -> bool {
        let Ok(known) = metadata(&self.path).await else { return false };
        let ours = self.file.as_ref().map(|(_, number)| *number);
        ours != Some(known.ino()) || known.len() < self.at
    }

    /// Reads on and returns whether the end was reached.
    async fn read(&mut self, lines: &mut Vec<String>) -> std::io::Result<bool> {
        let Some((file, _)) = &mut self.file else { return Ok(true) };
        file.seek(SeekFrom::Start(self.at)).await?;
        let mut bytes = Vec::new();
        file.take(POLL_BYTES_MAX).read_to_end(&mut bytes).await?;
        self.at += bytes.len() as u64;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            if !self.in_mid_line {
                self.rest.extend_from_slice(piece);
            }
            if whole && !self.in_mid_line && self.rest.len() <= LINE_BYTES_MAX {
                lines.push(String::from_utf8_lossy(&self.rest).trim_end().to_owned());
            }
            if whole || self.rest.len() > LINE_BYTES_MAX {
                self.rest.clear();
                self.in_mid_line = !whole;
            }
        }
        Ok((bytes.len() as u64) < POLL_BYTES_MAX)
    }
}

/// The events of a log that is being followed.
pub(super) struct FollowedLog {
    tail: Tail,
    log: NodeLog,
    /// Why it could not be read at the last poll.
    error: Option<String>,
}

impl FollowedLog {
    pub(super) fn of(path: PathBuf, log: NodeLog) -> FollowedLog {
        FollowedLog { tail: Tail::of(path), log, error: None }
    }

    /// The events since the last poll. That the log cannot be read is an event too, once for each reason.
    pub(super) async fn events(&mut self) -> Vec<NodeEvent> {
        let mut events = Vec::new();
        match self.tail.lines().await {
            Ok(lines) => {
                self.error = None;
                lines.iter().for_each(|line| self.log.read(line, &mut events));
            }
            Err(error) => {
                let error = error.to_string();
                if self.error.as_ref() != Some(&error) {
                    events.push(lost(&error));
                }
                self.error = Some(error);
            }
        }
        events
    }

    /// Whether it could be read at the last poll.
    pub(super) fn is_readable(&self) -> bool {
        self.error.is_none()
    }
}

fn lost(error: &str) -> NodeEvent {
    let detail = Map::from_iter([("by".to_owned(), "log".into()), ("error".to_owned(), error.into())]);
    NodeEvent { incarnation: 0, kind: "log-lost", node_ms: 0, segment: None, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// What can happen to a log: each step has the bytes written and the expected lines.
    #[tokio::test]
    async fn a_log_is_followed_through_all_that_may_become_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.log");
        let mut tail = Tail::of(path.clone());
        assert!(tail.lines().await.is_err(), "it is not there yet");
        let append = |bytes: &[u8]| {
            let mut file = std::fs::File::options().append(true).create(true).open(&path).expect("a log");
            file.write_all(bytes).expect("written");
        };
        append(b"one\ntwo\nthr");
        assert_eq!(tail.lines().await.expect("lines"), ["one", "two"]);
        append(b"ee\r\n\xff\n");
        assert_eq!(tail.lines().await.expect("lines"), ["three", "\u{fffd}"]);
        append(b"last\n");
        std::fs::rename(&path, folder.path().join("server.log.1")).expect("renamed");
        assert_eq!(tail.lines().await.expect("lines"), ["last"], "nothing has taken its place yet");
        append(b"new\n");
        assert_eq!(tail.lines().await.expect("lines"), ["new"], "a log that was rotated");
        std::fs::write(&path, b"x\n").expect("written");
        assert_eq!(tail.lines().await.expect("lines"), ["x"], "a log that was cut short");
        append(&[b'y'; 2 * LINE_BYTES_MAX]);
        append(b"\nz\n");
        assert_eq!(tail.lines().await.expect("lines"), ["z"], "a line without end is none");
    }

    #[tokio::test]
    async fn a_long_log_is_read_from_near_its_end_and_in_pieces() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.log");
        let line = [&b"a line that is 32 bytes long: 1"[..], b"\n"].concat();
        let lines = POLL_BYTES_MAX as usize / line.len();
        std::fs::write(&path, line.repeat(3 * lines)).expect("written");
        let mut tail = Tail::of(path.clone());
        assert!((lines - 1..=lines).contains(&tail.lines().await.expect("lines").len()));
        let mut file = std::fs::File::options().append(true).open(&path).expect("a log");
        file.write_all(&line.repeat(2 * lines)).expect("written");
        let mut count = 0;
        while count < 2 * lines {
            let more = tail.lines().await.expect("lines").len();
            assert!((1..=lines).contains(&more));
            count += more;
        }
    }
}
