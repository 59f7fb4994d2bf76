//! Keys that should have rows, and that no chunk showed: the log tells of them.

use super::chunk::{ChunkAuditor, ChunkLook, ChunkOutcome, ChunkRecord};
use super::referee::LogReferee;
use crate::adapter::contents::Chunk;
use crate::target_error::TargetError;
use std::collections::BTreeSet;

impl ChunkAuditor<'_> {
    /// Looks for them in all chunks that show what is current. Their record has the number that is given.
    pub(super) async fn audit_unseen(
        &self,
        chunks: &[Chunk],
        referee: &mut LogReferee,
        number: u32,
    ) -> ChunkRecord {
        let mut record = ChunkRecord::new(number);
        if let Err(error) = self.examine_unseen(chunks, referee, &mut record).await {
            record.fail(error, self.shows_values);
        }
        record
    }

    /// A key that is not of a chunk has no row in it. So a key is missing if no chunk shows it, after the
    /// replicas of all chunks have consumed what was acknowledged.
    async fn examine_unseen(
        &self,
        chunks: &[Chunk],
        referee: &mut LogReferee,
        record: &mut ChunkRecord,
    ) -> Result<(), TargetError> {
        let mut looks = Vec::new();
        for chunk in chunks.iter().filter(|chunk| self.contents.is_current(chunk)) {
            looks.push(self.look(chunk).await?);
        }
        let Some(last) = looks.last() else { return Ok(()) };
        let mut unseen = shown_nowhere(&looks, referee.unseen()).await?;
        for _ in 0..self.tries.max(1) {
            if unseen.is_empty() {
                break;
            }
            record.tries += 1;
            let mut behind = BTreeSet::new();
            for look in &looks {
                behind.extend(look.wait_for_upstream(record).await?);
            }
            referee.read_on(self.contents).await?;
            unseen.retain(|key| referee.has_row(key));
            unseen = shown_nowhere(&looks, unseen).await?;
            if behind.is_empty() {
                let nothing = || vec![Vec::new(); last.holders.len()];
                let rows = |key| last.key_rows(key, &nothing(), nothing(), Some(referee));
                record.differing.extend(unseen.drain(..).map(rows));
            }
            record.behind.extend(behind);
        }
        if !unseen.is_empty() {
            record.moving = unseen.len() as u64;
            record.outcome = ChunkOutcome::Moving;
        }
        Ok(())
    }
}

/// Those of the keys that no replica shows in any chunk.
async fn shown_nowhere(looks: &[ChunkLook<'_>], mut keys: Vec<String>) -> Result<Vec<String>, TargetError> {
    for look in looks {
        let rows = look.of_keys(&keys).await?;
        keys.retain(|key| rows[key].iter().all(Vec::is_empty));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::contents::Contents as _;
    use crate::run::audit::test_data::audited;
    use crate::run::audit::two_partitions::{NEVER, TwoPartitions};
    use dissent_core::checker::verdict::{
        Anomaly, Divergence, DoubtKind, FindingKind, Pattern, Side, Verdict,
    };

    /// The record of the keys that no chunk showed.
    async fn record(contents: TwoPartitions) -> ChunkRecord {
        let mut referee = LogReferee::read(&contents).await.expect("a log");
        let chunks = contents.chunks(1).await.expect("chunks");
        contents.auditor().audit_unseen(&chunks, &mut referee, 2).await
    }

    fn differing(record: &ChunkRecord) -> Vec<&str> {
        record.differing.iter().map(|rows| rows.key.as_str()).collect()
    }

    #[tokio::test]
    async fn a_key_that_no_chunk_shows_after_all_have_caught_up_is_missing() {
        let record = record(TwoPartitions::late([NEVER, 0])).await;
        assert_eq!((differing(&record), record.outcome), (vec!["eu,7"], ChunkOutcome::Settled));
    }

    #[tokio::test]
    async fn a_key_is_not_missing_while_the_replicas_of_its_partition_catch_up() {
        let record = record(TwoPartitions::late([2, 0])).await;
        assert_eq!((differing(&record), record.outcome), (Vec::new(), ChunkOutcome::Settled));
    }

    #[tokio::test]
    async fn a_key_is_not_missing_while_a_chunk_cannot_be_read() {
        let record = record(TwoPartitions { is_unreadable: true, ..TwoPartitions::default() }).await;
        assert_eq!((differing(&record), record.outcome), (Vec::new(), ChunkOutcome::Unread));
    }

    fn only(verdict: &Verdict) -> &Divergence {
        match verdict.findings.as_slice() {
            [finding] => match &finding.kind {
                FindingKind::Divergence(divergence) => divergence,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn keys_of_two_partitions_that_every_replica_lacks_are_missing_from_all() {
        let verdict = audited(&TwoPartitions::late([NEVER, NEVER])).await;
        let found = only(&verdict);
        assert_eq!(
            (found.what, found.last.pattern, found.last.side),
            (Anomaly::Missing, Pattern::Unanimous, Side::All)
        );
        assert_eq!(
            (&found.replicas[..], &found.keys[..]),
            (&["a", "b"].map(str::to_owned)[..], &["eu,7", "us,8"].map(str::to_owned)[..])
        );
        let verdict = audited(&TwoPartitions::default()).await;
        assert_eq!((verdict.findings.len(), verdict.doubts.len()), (0, 0), "the twin that shows them");
    }

    #[tokio::test]
    async fn the_verdict_says_what_the_log_could_not_tell_when_it_was_read_on() {
        let off_later = vec![("x".to_owned(), "an event has an unknown value".to_owned())];
        let verdict = audited(&TwoPartitions { off_later, ..TwoPartitions::late([0, NEVER]) }).await;
        assert_eq!(
            (only(&verdict).what, &only(&verdict).keys[..]),
            (Anomaly::Missing, &["us,8".to_owned()][..])
        );
        let doubts: Vec<_> = verdict.doubts.iter().map(|doubt| (doubt.kind, doubt.detail.as_str())).collect();
        let told = "the log does not say what x should be: an event has an unknown value";
        assert_eq!(doubts, [(DoubtKind::Uncalibrated, told)]);
    }
}
