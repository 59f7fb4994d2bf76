//! How long the broker may leave a server out of its answers before it counts as one that cannot be read.
//!
//! The broker leaves a server out, or refuses all queries, while a segment changes its state; that passes
//! within seconds. After a start it takes longer: the server is in the cluster, and consumes, before the
//! broker has built its routes anew. A server that lacks a segment is left out for good.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server may be left out.
const ROUTING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after its start it may be, until it has answered once.
const STARTING_TIMEOUT: Duration = Duration::from_secs(30);

/// What is known of the broker's routes to each server.
#[derive(Debug, Default)]
pub(super) struct Routes(BTreeMap<String, Route>);

#[derive(Debug)]
struct Route {
    /// `None` if nobody has asked for it.
    incarnation: Option<u64>,
    /// Until then a life that nobody has waited for yet may be left out.
    starting_until: Option<Instant>,
    /// Until then it is not waited for again.
    left_out_until: Option<Instant>,
}

impl Routes {
    /// Takes the incarnation that a server tells.
    pub(super) fn seen(&mut self, server: &str, incarnation: u64, now: Instant) {
        let incarnation = Some(incarnation);
        if self.0.get(server).is_none_or(|route| route.incarnation != incarnation) {
            let starting_until = Some(now + STARTING_TIMEOUT);
            self.0.insert(server.to_owned(), Route { incarnation, starting_until, left_out_until: None });
        }
    }

    /// How long to wait for an answer of the server. Zero if it was waited for in vain a short while ago.
    pub(super) fn patience(&self, server: &str, now: Instant) -> Duration {
        let Some(route) = self.0.get(server) else { return ROUTING_TIMEOUT };
        let starting =
            route.starting_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        match route.left_out_until {
            Some(until) if now < until => Duration::ZERO,
            _ => ROUTING_TIMEOUT.max(starting),
        }
    }

    /// The server has answered.
    pub(super) fn answered(&mut self, server: &str) {
        self.waited(server, None);
    }

    /// The server was waited for in vain.
    pub(super) fn unanswered(&mut self, server: &str, now: Instant) {
        self.waited(server, Some(now + ROUTING_TIMEOUT));
    }

    fn waited(&mut self, server: &str, left_out_until: Option<Instant>) {
        let incarnation = self.0.get(server).and_then(|route| route.incarnation);
        self.0.insert(server.to_owned(), Route { incarnation, starting_until: None, left_out_until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_just_started_gets_more_time_once() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut routes = Routes::default();
        assert_eq!(routes.patience("s1", begin), ROUTING_TIMEOUT);
        routes.seen("s1", 7, begin);
        assert_eq!(routes.patience("s1", begin + 10 * second), 20 * second);
        assert_eq!(routes.patience("s1", begin + 28 * second), ROUTING_TIMEOUT);
        routes.answered("s1");
        routes.seen("s1", 7, begin + second);
        assert_eq!(routes.patience("s1", begin + second), ROUTING_TIMEOUT, "it is not new any more");
        routes.seen("s1", 8, begin + 40 * second);
        assert_eq!(routes.patience("s1", begin + 40 * second), STARTING_TIMEOUT, "another life");
    }

    #[test]
    fn a_server_that_was_waited_for_in_vain_is_not_waited_for_again_at_once() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut routes = Routes::default();
        routes.seen("s1", 7, begin);
        routes.unanswered("s1", begin + 30 * second);
        assert_eq!(routes.patience("s1", begin + 31 * second), Duration::ZERO);
        assert_eq!(routes.patience("s1", begin + 36 * second), ROUTING_TIMEOUT);
        routes.answered("s1");
        assert_eq!(routes.patience("s1", begin + 31 * second), ROUTING_TIMEOUT);
        routes.unanswered("s2", begin);
        assert_eq!(routes.patience("s2", begin + second), Duration::ZERO, "nobody asked for its incarnation");
    }
}
