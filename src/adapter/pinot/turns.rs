//! Whose turn it is at the broker, as far as all queries of this process together know.
//!
//! A broker gives queries to the servers in strict rotation, with a counter over all clients. Queries that
//! wait for different servers are sent in the order of the rotation, so that none is wasted. One that runs
//! for long does not hold the others up: as soon as it must have reached the broker, the next one is sent.
//!
//! ```text
//! s3 answered last, and s4 comes after s3: the query for s4 is sent first, the one for s1 next, beside it
//! ```
//!
//! Another client's query shifts the rotation. The host name in an answer tells, and what was known is
//! forgotten.

use crate::adapter::throttle::Gate;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, SemaphorePermit};

/// How long a request takes to reach the broker, before any answer has shown that.
const FIRST_HEAD_START: Duration = Duration::from_millis(5);

/// The rotation, and the queries that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    rotation: Mutex<Rotation>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Rotation {
    /// By server: the one that answers the next query.
    after: BTreeMap<String, String>,
    /// The server that got the newest query, if that is known.
    last: Option<String>,
    /// The number of queries that wait for each server.
    waiting: BTreeMap<String, usize>,
    /// Whether a query is on its way to the broker. Until it is there, no other is sent.
    is_taken: bool,
    /// The quickest answer so far.
    quickest: Option<Duration>,
}

impl Rotation {
    fn next(&self) -> Option<&String> {
        self.after.get(self.last.as_ref()?)
    }

    /// Whether a query for this server may be sent now. Nobody takes the turn of a server that another query
    /// waits for.
    fn is_free_for(&self, host: &str) -> bool {
        let is_wanted =
            |next: &String| next != host && self.waiting.get(next).is_some_and(|count| *count > 0);
        !self.is_taken && !self.next().is_some_and(is_wanted)
    }

    /// Takes the server that answered a query after which none was sent.
    fn answered(&mut self, by: Option<&str>) {
        if let (Some(last), Some(by)) = (&self.last, by) {
            self.after.insert(last.clone(), by.to_owned());
        }
        self.last = by.map(str::to_owned);
    }

    fn forget(&mut self) {
        self.last = None;
        self.after.clear();
    }
}

impl Turns {
    fn rotation(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait for turns of a server.
    pub(super) fn wait(&self, host: &str) -> TurnWaiter<'_> {
        *self.rotation().waiting.entry(host.to_owned()).or_default() += 1;
        TurnWaiter { turns: self, host: host.to_owned() }
    }
}

/// A query that waits for its server's turn.
pub(super) struct TurnWaiter<'t> {
    turns: &'t Turns,
    host: String,
}

impl TurnWaiter<'_> {
    /// Waits until a query may be sent: the server's turn is next, or unknown, or nobody wants the next one.
    pub(super) async fn turn<'w>(&'w self, gate: &'w Gate) -> Turn<'w> {
        loop {
            let changed = self.turns.changed.notified();
            if let Some(turn) = self.take(gate) {
                return turn;
            }
            changed.await;
        }
    }

    fn take<'w>(&'w self, gate: &'w Gate) -> Option<Turn<'w>> {
        let mut rotation = self.turns.rotation();
        let permit = Some(rotation.is_free_for(&self.host).then(|| gate.try_acquire())??);
        rotation.is_taken = true;
        let is_next = rotation.next() == Some(&self.host);
        let head_start = rotation.quickest.map_or(FIRST_HEAD_START, |quickest| 2 * quickest);
        Some(Turn { waiting: self, permit, is_next, head_start, is_taken: true })
    }
}

impl Drop for TurnWaiter<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.turns.rotation().waiting.get_mut(&self.host) {
            *count -= 1;
        }
        self.turns.changed.notify_waiters();
    }
}

/// The right to send one query.
pub(super) struct Turn<'w> {
    waiting: &'w TurnWaiter<'w>,
    permit: Option<SemaphorePermit<'w>>,
    /// Whether the wanted server will answer, unless another client comes between.
    pub(super) is_next: bool,
    /// The time after which the query has certainly reached the broker.
    pub(super) head_start: Duration,
    /// Whether no other query may be sent yet.
    is_taken: bool,
}

impl Turn<'_> {
    /// The query has reached the broker, and its answer is expected from the wanted server.
    pub(super) fn sent(&mut self) {
        let mut rotation = self.waiting.turns.rotation();
        let host = self.waiting.host.clone();
        (rotation.last, rotation.is_taken, self.is_taken) = (Some(host), false, false);
        drop(rotation);
        self.waiting.turns.changed.notify_waiters();
    }

    /// The query was answered by this server, or by several together.
    pub(super) fn answered(mut self, by: Option<&str>, took: Duration) {
        let mut rotation = self.waiting.turns.rotation();
        let quickest = rotation.quickest.map_or(took, |quickest| quickest.min(took));
        rotation.quickest = Some(quickest);
        if self.is_next && by != Some(self.waiting.host.as_str()) {
            rotation.forget();
        }
        if self.is_taken {
            rotation.answered(by);
            (rotation.is_taken, self.is_taken) = (false, false);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_taken {
            // The query failed, and may have been counted or not.
            let mut rotation = self.waiting.turns.rotation();
            (rotation.is_taken, rotation.last) = (false, None);
        }
        self.permit = None;
        self.waiting.turns.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::Limits;

    fn gate(queries: u32) -> Gate {
        Gate::new(&Limits { queries, ..Limits::default() })
    }

    const QUICK: Duration = Duration::from_millis(1);

    /// Turns of which these answers are known, in order.
    fn known(answers: &[&str]) -> Turns {
        let turns = Turns::default();
        answers.iter().for_each(|by| turns.rotation().answered(Some(by)));
        turns
    }

    #[test]
    fn a_turn_is_known_once_the_server_before_it_was_followed_by_it() {
        for (answers, next) in [
            (&["a"][..], None),
            (&["a", "b"], None),
            (&["a", "b", "a"], Some("b")),
            (&["a", "b", "c", "a"], Some("b")),
            (&["a"; 2], Some("a")),
        ] {
            assert_eq!(known(answers).rotation().next().map(String::as_str), next, "{answers:?}");
        }
    }

    #[test]
    fn nobody_takes_the_turn_of_a_server_that_another_query_waits_for() {
        let (turns, gate) = (known(&["a", "b", "c", "a"]), gate(2));
        let (for_b, for_c) = (turns.wait("b"), turns.wait("c"));
        assert!(for_c.take(&gate).is_none(), "b is next");
        let mut turn = for_b.take(&gate).expect("it is the turn of b");
        assert!(turn.is_next && for_c.take(&gate).is_none(), "the query of b is on its way");
        turn.sent();
        let beside = for_c.take(&gate).expect("c is next");
        assert!(beside.is_next);
        assert!(for_b.take(&gate).is_none(), "no more than two at a time");
        turn.answered(Some("b"), QUICK);
        beside.answered(Some("c"), QUICK);
        assert!(!for_b.take(&gate).expect("a is next, which nobody waits for").is_next);
    }

    #[test]
    fn an_answer_of_another_server_means_that_nothing_is_known() {
        let (turns, gate) = (known(&["a", "b", "a"]), gate(1));
        let for_b = turns.wait("b");
        let mut turn = for_b.take(&gate).expect("it is the turn of b");
        turn.sent();
        turn.answered(Some("a"), QUICK);
        assert!(!for_b.take(&gate).expect("nobody knows whose turn it is").is_next);
        assert!(turns.rotation().after.is_empty());
    }

    #[tokio::test]
    async fn a_query_that_is_given_up_holds_nobody_up() {
        let (turns, gate) = (known(&["a", "b", "a"]), gate(1));
        let for_a = turns.wait("a");
        let for_b = turns.wait("b");
        let turn = for_b.take(&gate).expect("it is the turn of b");
        let (other, ()) = tokio::join!(for_a.turn(&gate), async { drop(turn) });
        assert!(!other.is_next, "it is unknown whether the broker counted that query");
    }
}
