//! One life of an adapter process. Nobody has to end it: when dissent drops its ends of the pipes, whether it
//! wants to or is killed, the adapter sees the end of its input, and a guard kills its group a second later.
//!
//! ```text
//! guard (leads the group): reads its input to the end, waits, kills the group
//! sh -c COMMAND (same group): reads requests, writes answers
//! ```

use super::inbox::{Inbox, NoAnswer, Ticket, quoted};
use super::messages::{ExecCall, ExecRequest};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The length of the longest line, in bytes.
const LINE_BYTES_MAX: usize = 16 << 20;

/// What the guard does. An adapter has a second to end by itself.
const GUARD: &str = "read -r _; sleep 1; kill -KILL 0";

/// How long the rest of the output of an adapter that has ended is waited for.
const DRAIN: Duration = Duration::from_millis(300);

/// How many lines of standard error are kept, and how much of each.
const WORDS_LINES: usize = 5;
const WORDS_BYTES: usize = 200;

/// A running adapter.
#[derive(Debug)]
pub(super) struct AdapterProcess {
    inbox: Arc<Inbox>,
    requests: UnboundedSender<(u64, String)>,
    _guard: ChildStdin,
}

/// The last lines of standard error.
type Words = Arc<Mutex<VecDeque<String>>>;

impl AdapterProcess {
    /// Starts it.
    pub(super) fn start(command: &str, folder: &Path) -> io::Result<AdapterProcess> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = guard.process_group(0).spawn()?;
        let guarded = pipe(guard.stdin.take())?;
        let group = guard.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(folder).process_group(group);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn()?;
        let (stdin, stdout) = (pipe(child.stdin.take())?, pipe(child.stdout.take())?);
        let stderr = pipe(child.stderr.take())?;
        let inbox = Arc::new(Inbox::default());
        let (requests, lines) = unbounded_channel();
        tokio::spawn(send_all(stdin, lines, Arc::clone(&inbox)));
        let words = Words::default();
        let listener = tokio::spawn(keep_words(BufReader::new(stderr), Arc::clone(&words)));
        let life = Life { child, guard, inbox: Arc::clone(&inbox), words, listener };
        tokio::spawn(life.watch(BufReader::new(stdout)));
        Ok(AdapterProcess { inbox, requests, _guard: guarded })
    }

    /// Sends a request. Its answer comes to the ticket.
    pub(super) fn send(&self, call: ExecCall<'_>) -> Result<Ticket, NoAnswer> {
        let many = matches!(call, ExecCall::Rows { .. });
        let ticket = self.inbox.open(many)?;
        let request = ExecRequest { id: ticket.id, call };
        let line = serde_json::to_string(&request).map_err(|error| NoAnswer::Refused(error.to_string()))?;
        // If it is dead, the ticket says so.
        drop(self.requests.send((ticket.id, line + "\n")));
        Ok(ticket)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.inbox.is_dead()
    }

    /// The number of answers that came too late.
    pub(super) fn late(&self) -> u64 {
        self.inbox.late()
    }
}

fn pipe<P>(end: Option<P>) -> io::Result<P> {
    end.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
}

/// Writes whole lines, so that a request that is given up does not leave half of one. One that nobody waits
/// for any more is not sent at all.
async fn send_all(mut to: ChildStdin, mut lines: UnboundedReceiver<(u64, String)>, inbox: Arc<Inbox>) {
    while let Some((id, line)) = lines.recv().await {
        if inbox.awaits(id) && to.write_all(line.as_bytes()).await.is_err() {
            // It no longer reads. Whoever waits hears it when it ends, or by a timeout.
            return;
        }
    }
}

/// What must be seen to the end of an adapter.
struct Life {
    child: Child,
    guard: Child,
    inbox: Arc<Inbox>,
    words: Words,
    listener: JoinHandle<()>,
}

impl Life {
    /// Hands out its lines until it ends. Then kills what it has left, and tells whoever waits.
    async fn watch(mut self, stdout: impl AsyncBufRead + Unpin) {
        let mut reading = pin!(receive_all(stdout, &self.inbox));
        tokio::select! {
            () = &mut reading => {}
            // What it wrote before it ended still counts, unless a process that it left holds the pipe.
            _ = self.child.wait() => drop(timeout(DRAIN, &mut reading).await),
        }
        let status = timeout(DRAIN, self.child.wait()).await;
        self.kill_group();
        drop(timeout(DRAIN, &mut self.listener).await);
        let ended = match status {
            Ok(Ok(status)) => format!("the adapter has ended ({status})"),
            Ok(Err(_)) | Err(_) => "the adapter has closed its standard output".to_owned(),
        };
        self.inbox.die(&format!("{ended}{}", self.last_words()));
        // Both are dead; neither stays behind as a zombie.
        drop((self.child.wait().await, self.guard.wait().await));
    }

    fn kill_group(&self) {
        let group = self.guard.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            // The guard may have done it already.
            let _done = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        match words.is_empty() {
            true => ", without a word on standard error".to_owned(),
            false => format!("; it said: {}", Vec::from_iter(words.iter().map(String::as_str)).join(" | ")),
        }
    }
}

async fn receive_all(mut from: impl AsyncBufRead + Unpin, inbox: &Inbox) {
    let mut line = Vec::new();
    loop {
        match next_line(&mut from, &mut line, LINE_BYTES_MAX).await {
            Ok(Some(true)) => inbox.receive(&line),
            Ok(Some(false)) => {
                inbox.spoil(&format!("a line of more than {LINE_BYTES_MAX} bytes: {}", quoted(&line)));
            }
            Ok(None) | Err(_) => return,
        }
    }
}

async fn keep_words(mut from: impl AsyncBufRead + Unpin, words: Words) {
    let mut line = Vec::new();
    loop {
        let more = matches!(next_line(&mut from, &mut line, WORDS_BYTES).await, Ok(Some(_)));
        if !more && line.is_empty() {
            return;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == WORDS_LINES {
            words.pop_front();
        }
        words.push_back(String::from_utf8_lossy(&line).escape_debug().to_string());
    }
}

/// Reads a line, without its end, into `line`. Of a longer one than `most` only the start is kept: then it
/// returns false. `None` at the end; a last line without an end counts for nothing.
async fn next_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    most: usize,
) -> io::Result<Option<bool>> {
    line.clear();
    let mut whole = true;
    loop {
        let bytes = from.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let fits = part.len().min(most - line.len());
        whole &= fits == part.len();
        line.extend_from_slice(&part[..fits]);
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_does_not_hide_the_next() {
        let text = format!("{}\nshort\n\nlast without end", "x".repeat(50));
        let mut from = BufReader::with_capacity(7, text.as_bytes());
        let mut line = Vec::new();
        let mut next = async |from: &mut BufReader<&[u8]>| {
            let whole = next_line(from, &mut line, 20).await.expect("memory can be read");
            whole.map(|whole| (whole, String::from_utf8_lossy(&line).into_owned()))
        };
        assert_eq!(next(&mut from).await, Some((false, "x".repeat(20))));
        assert_eq!(next(&mut from).await, Some((true, "short".to_owned())));
        assert_eq!(next(&mut from).await, Some((true, String::new())));
        assert_eq!(next(&mut from).await, None);
    }
}
