//! The commit of one sealed segment: which replicas have reported its end, and which of them uploads.

/// Reports of the replicas that reached the sealed end, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    reports: Vec<usize>,
    /// When the first report arrived, in nanoseconds of the controller's clock.
    first_at: u64,
    winner: Option<CommitWinner>,
}

#[derive(Debug)]
struct CommitWinner {
    server: usize,
    since: u64,
}

/// What a decision depends on besides the reports.
pub(crate) struct Terms<'a> {
    /// The controller's clock, in nanoseconds.
    pub(crate) now: u64,
    /// The replicas that consume the segment. The commit waits only for these.
    pub(crate) consuming: &'a [usize],
    /// The server that must win, if an operator named one.
    pub(crate) named: Option<usize>,
    /// How long to wait for further replicas after the first report, in nanoseconds.
    pub(crate) wait: u64,
}

/// A winner that has not uploaded after this many waits counts as dead, and the next replica is asked.
const WAITS_FOR_UPLOAD: u64 = 4;

impl Commit {
    /// Takes a replica's report. True for its first one.
    pub(crate) fn report(&mut self, now: u64, server: usize) -> bool {
        if self.reports.contains(&server) {
            return false;
        }
        if self.reports.is_empty() {
            self.first_at = now;
        }
        self.reports.push(server);
        true
    }

    /// The winner as decided so far.
    pub(crate) fn decided(&self) -> Option<usize> {
        self.winner.as_ref().map(|winner| winner.server)
    }

    /// A replica restarted: the rows behind its earlier report are gone.
    pub(crate) fn forget(&mut self, server: usize) {
        self.reports.retain(|reporter| *reporter != server);
        if self.winner.as_ref().is_some_and(|winner| winner.server == server) {
            self.winner = None;
        }
    }

    /// The replica that must upload its copy. None while that is undecided.
    ///
    /// A held or dead replica never blocks a commit. Otherwise a segment boundary during a restart would
    /// stop ingestion for everyone. Only a winner that an operator named is waited for without a limit.
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

    /// Goal: the winner, given (time, reporter) pairs, the consuming replicas, a named winner, and the
    /// current time.
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
            reports.iter().for_each(|(at, server)| assert!(commit.report(*at, *server)));
            let terms = Terms { now, consuming, named, wait: 100 };
            assert_eq!(commit.winner(&terms), expected, "{name}");
        }
    }

    #[test]
    fn a_winner_that_died_gives_way() {
        let mut commit = Commit::default();
        let terms = |now| Terms { now, consuming: &[0, 1], named: None, wait: 100 };
        assert!(commit.report(1, 0) && commit.report(2, 1));
        assert!(!commit.report(3, 1), "only the first report counts");
        assert_eq!(commit.winner(&terms(2)), Some(0));
        assert_eq!(commit.winner(&terms(401)), Some(0));
        assert_eq!(commit.winner(&terms(402)), Some(1));
        commit.forget(1);
        assert_eq!(commit.winner(&terms(403)), None);
    }
}
