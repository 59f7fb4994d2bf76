//! One commit of one sealed segment: who has reported its end, and who of them uploads.

/// Reports of the replicas that stand at the sealed end, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    reports: Vec<usize>,
    /// When the first report came, in the controller's nanoseconds.
    first_at: u64,
    winner: Option<CommitWinner>,
}

#[derive(Debug)]
struct CommitWinner {
    server: usize,
    since: u64,
}

/// What a decision depends on beside the reports.
pub(crate) struct Terms<'a> {
    /// The controller's clock, in nanoseconds.
    pub(crate) now: u64,
    /// The replicas that are consuming the segment: only these are waited for.
    pub(crate) consuming: &'a [usize],
    /// The server that shall win, if someone named one.
    pub(crate) named: Option<usize>,
    /// How long further replicas are waited for after the first report, in nanoseconds.
    pub(crate) wait: u64,
}

/// A winner that has not uploaded after this many waits has died: the next one is asked.
const WAITS_FOR_UPLOAD: u64 = 4;

impl Commit {
    /// A replica stands at the end.
    pub(crate) fn report(&mut self, now: u64, server: usize) {
        if self.reports.contains(&server) {
            return;
        }
        if self.reports.is_empty() {
            self.first_at = now;
        }
        self.reports.push(server);
    }

    /// A replica came up anew: what it reported in its last life is gone with its rows.
    pub(crate) fn forget(&mut self, server: usize) {
        self.reports.retain(|reporter| *reporter != server);
        if self.winner.as_ref().is_some_and(|winner| winner.server == server) {
            self.winner = None;
        }
    }

    /// The replica that is to upload its copy, once that is decided.
    ///
    /// A replica that is held, or dead, never stops a commit: else a boundary that falls into a restart
    /// would stop ingestion for all. Only a winner named by hand is waited for without end.
    pub(crate) fn winner(&mut self, terms: &Terms<'_>) -> Option<usize> {
        if let Some(CommitWinner { server, since }) = self.winner {
            if terms.now < since + WAITS_FOR_UPLOAD * terms.wait {
                return Some(server);
            }
            self.forget(server);
        }
        let all = terms.consuming.iter().all(|server| self.reports.contains(server));
        let server = match terms.named {
            Some(named) => self.reports.iter().find(|server| **server == named),
            None if all || terms.now >= self.first_at + terms.wait => self.reports.first(),
            None => None,
        };
        self.winner = server.map(|server| CommitWinner { server: *server, since: terms.now });
        server.copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: who wins, from (time, reporter)s, replicas consuming, a named one, and the time of asking.
    #[test]
    fn decides_as_the_table_says() {
        type Case =
            (&'static str, &'static [(u64, usize)], &'static [usize], Option<usize>, u64, Option<usize>);
        let cases: [Case; 7] = [
            ("nobody reported", &[], &[0, 1], None, 900, None),
            ("the first of all", &[(1, 2), (2, 0), (3, 1)], &[0, 1, 2], None, 3, Some(2)),
            ("one is awaited", &[(1, 2), (2, 0)], &[0, 1, 2], None, 50, None),
            ("one is awaited no longer", &[(1, 2), (2, 0)], &[0, 1, 2], None, 101, Some(2)),
            ("one is held", &[(1, 2), (2, 0)], &[0, 2], None, 2, Some(2)),
            ("the named one", &[(1, 2), (2, 0)], &[0, 2], Some(0), 2, Some(0)),
            ("the named one is absent", &[(1, 2), (2, 0)], &[0, 2], Some(3), 900, None),
        ];
        for (name, reports, consuming, named, now, expected) in cases {
            let mut commit = Commit::default();
            reports.iter().for_each(|(at, server)| commit.report(*at, *server));
            let terms = Terms { now, consuming, named, wait: 100 };
            assert_eq!(commit.winner(&terms), expected, "{name}");
        }
    }

    #[test]
    fn a_winner_that_died_gives_way() {
        let mut commit = Commit::default();
        let terms = |now| Terms { now, consuming: &[0, 1], named: None, wait: 100 };
        commit.report(1, 0);
        commit.report(2, 1);
        assert_eq!(commit.winner(&terms(2)), Some(0));
        assert_eq!(commit.winner(&terms(401)), Some(0));
        assert_eq!(commit.winner(&terms(402)), Some(1));
        commit.forget(1);
        assert_eq!(commit.winner(&terms(403)), None);
    }
}
