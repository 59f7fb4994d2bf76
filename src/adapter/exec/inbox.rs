//! Who waits for which lines of an adapter process. Every line either belongs to a request that waits for it,
//! is late, or proves that the adapter is broken.

use super::messages::Envelope;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How much of a line is quoted.
const QUOTED_CHARS: usize = 120;

/// A line for a request, or why there will be none.
pub(super) type Arrival = Result<String, NoAnswer>;

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The adapter is dead.
    Dead(String),
    /// It wrote what the protocol does not allow.
    Broken(String),
    /// It answered that it could not.
    Refused(String),
}

/// The requests of one adapter process.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    /// The id given last.
    last: u64,
    waiting: BTreeMap<u64, Waiter>,
    /// Those that nobody waits for any more.
    given_up: BTreeSet<u64>,
    /// The number of lines that came too late.
    late: u64,
    /// What came when nobody waited. The next request fails with it.
    noise: Option<String>,
    dead: Option<String>,
}

#[derive(Debug)]
struct Waiter {
    lines: UnboundedSender<Arrival>,
    /// Whether the answer has many lines.
    many: bool,
}

/// A place in the inbox. Its owner gives up by dropping it.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) lines: UnboundedReceiver<Arrival>,
    inbox: Arc<Inbox>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut requests = self.inbox.lock();
        if requests.waiting.remove(&self.id).is_some() {
            requests.given_up.insert(self.id);
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a place for the answer to a request that is about to be sent.
    pub(super) fn open(self: &Arc<Inbox>, many: bool) -> Result<Ticket, NoAnswer> {
        let mut requests = self.lock();
        if let Some(cause) = &requests.dead {
            return Err(NoAnswer::Dead(cause.clone()));
        }
        if let Some(noise) = requests.noise.take() {
            return Err(NoAnswer::Broken(noise));
        }
        requests.last += 1;
        let (id, (sender, lines)) = (requests.last, unbounded_channel());
        requests.waiting.insert(id, Waiter { lines: sender, many });
        Ok(Ticket { id, lines, inbox: Arc::clone(self) })
    }

    /// Whether somebody still waits for this answer.
    pub(super) fn awaits(&self, id: u64) -> bool {
        self.lock().waiting.contains_key(&id)
    }

    /// Whether the adapter is dead.
    pub(super) fn is_dead(&self) -> bool {
        self.lock().dead.is_some()
    }

    /// The number of lines that came too late.
    pub(super) fn late(&self) -> u64 {
        self.lock().late
    }

    /// Takes a line of the adapter.
    pub(super) fn receive(&self, bytes: &[u8]) {
        let mut requests = self.lock();
        let envelope = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned()).and_then(|line| {
            let envelope = serde_json::from_str::<Envelope>(line);
            envelope.map(|it| (line, it)).map_err(|error| format!("not a JSON object with an id: {error}"))
        });
        match envelope {
            Ok((line, Envelope { id: Some(id), error, end })) => requests.take(id, line, error, end),
            Ok((line, _)) => requests.spoil(&format!("a line without an id: {}", quoted(line.as_bytes()))),
            Err(what) => requests.spoil(&format!("a line that is {what}: {}", quoted(bytes))),
        }
    }

    /// The adapter did something that the protocol does not allow: whoever waits has no answer.
    pub(super) fn spoil(&self, what: &str) {
        self.lock().spoil(what);
    }

    /// The adapter is dead: nobody gets an answer any more.
    pub(super) fn die(&self, cause: &str) {
        let mut requests = self.lock();
        requests.dead = Some(cause.to_owned());
        requests.fail_all(&NoAnswer::Dead(cause.to_owned()));
    }
}

impl Requests {
    fn take(&mut self, id: u64, line: &str, error: Option<String>, end: bool) {
        let Some(waiter) = self.waiting.get(&id) else {
            return self.take_stray(id, line);
        };
        let is_last = !waiter.many || end || error.is_some();
        let arrival = error.map_or_else(|| Ok(line.to_owned()), |error| Err(NoAnswer::Refused(error)));
        // The receiver is gone only if its owner is giving up just now.
        drop(waiter.lines.send(arrival));
        if is_last {
            self.waiting.remove(&id);
        }
    }

    fn take_stray(&mut self, id: u64, line: &str) {
        let quoted = quoted(line.as_bytes());
        if self.given_up.contains(&id) {
            self.late += 1;
        } else if id == 0 || id > self.last {
            self.spoil(&format!("an answer to request {id}, which was never asked: {quoted}"));
        } else {
            self.spoil(&format!("a second answer to request {id}: {quoted}"));
        }
    }

    fn spoil(&mut self, what: &str) {
        if self.waiting.is_empty() {
            self.noise.get_or_insert_with(|| what.to_owned());
        }
        self.fail_all(&NoAnswer::Broken(what.to_owned()));
    }

    fn fail_all(&mut self, why: &NoAnswer) {
        for (id, waiter) in std::mem::take(&mut self.waiting) {
            drop(waiter.lines.send(Err(why.clone())));
            self.given_up.insert(id);
        }
    }
}

/// The start of a line.
pub(super) fn quoted(line: &[u8]) -> String {
    // Bytes beyond four a character cannot be among those that are quoted.
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * QUOTED_CHARS)]);
    let start: String = text.chars().take(QUOTED_CHARS).collect();
    let more = if start.len() < line.len() { " .." } else { "" };
    format!("`{}`{more}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(ticket: &mut Ticket) -> Option<Arrival> {
        ticket.lines.try_recv().ok()
    }

    fn told(ticket: &mut Ticket) -> String {
        match next(ticket) {
            Some(Err(NoAnswer::Broken(what))) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_come_in_any_order_and_an_answer_may_have_many_lines() {
        let inbox = Arc::new(Inbox::default());
        let (mut one, mut two) = (inbox.open(false).expect("one"), inbox.open(true).expect("two"));
        inbox.receive(br#"{"id":2,"rows":[]}"#);
        inbox.receive(br#"{"id":1,"later":"field"}"#);
        inbox.receive(br#"{"id":2,"end":true,"count":0}"#);
        assert_eq!(next(&mut one), Some(Ok(r#"{"id":1,"later":"field"}"#.to_owned())));
        assert!(next(&mut two).is_some_and(|it| it.is_ok()) && next(&mut two).is_some_and(|it| it.is_ok()));
        assert!(!inbox.awaits(1) && !inbox.awaits(2));
        let mut three = inbox.open(true).expect("three");
        inbox.receive(br#"{"id":3,"error":"no such replica"}"#);
        assert_eq!(next(&mut three), Some(Err(NoAnswer::Refused("no such replica".to_owned()))));
        assert!(!inbox.awaits(3));
    }

    #[test]
    fn a_late_answer_is_counted_and_hurts_nobody() {
        let inbox = Arc::new(Inbox::default());
        drop(inbox.open(false).expect("a place"));
        let mut other = inbox.open(false).expect("a place");
        inbox.receive(br#"{"id":1}"#);
        assert_eq!((inbox.late(), next(&mut other)), (1, None));
    }

    #[test]
    fn what_the_protocol_does_not_allow_fails_all_who_wait_and_is_quoted() {
        for (line, what) in [
            (&b"Connecting to 10.0.0.1"[..], "`Connecting to 10.0.0.1`"),
            (b"", "a line that is not a JSON object"),
            (b"[]", "`[]`"),
            (b"{\"ok\":true}", "a line without an id: `{\\\"ok\\\":true}`"),
            (b"{\"id\":1.0}", "floating point"),
            (b"{\"id\":-1}", "`{\\\"id\\\":-1}`"),
            (b"{\"id\":9}", "request 9, which was never asked"),
            (b"{\"id\":0}", "request 0, which was never asked"),
            (b"{\"id\":3}", "a second answer to request 3"),
            (b"\xff\xfe", "not UTF-8"),
        ] {
            let inbox = Arc::new(Inbox::default());
            let mut two = (inbox.open(false).expect("one"), inbox.open(true).expect("two"));
            let third = inbox.open(false).expect("three");
            inbox.receive(br#"{"id":3}"#);
            inbox.receive(line);
            for told in [told(&mut two.0), told(&mut two.1)] {
                assert!(told.contains(what), "{told}");
            }
            drop(third);
            assert!(inbox.open(false).is_ok(), "whoever comes later is not to blame");
        }
    }

    #[test]
    fn noise_that_nobody_waited_for_fails_the_next_request() {
        let inbox = Arc::new(Inbox::default());
        inbox.receive(b"hello");
        let Err(NoAnswer::Broken(told)) = inbox.open(false) else { panic!("it was noisy") };
        assert!(told.contains("`hello`"), "{told}");
        assert!(inbox.open(false).is_ok());
    }

    #[test]
    fn a_long_line_is_quoted_by_its_start() {
        let told = quoted("é".repeat(1_000).as_bytes());
        assert_eq!(told, format!("`{}` ..", "é".repeat(QUOTED_CHARS)));
    }
}
