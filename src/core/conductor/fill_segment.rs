//! Boundaries of targets whose segments end only at a number of rows. To cross one, the conductor writes the
//! rows that the segment still lacks; the load never fills a segment by itself.

use super::key_sessions::write;
use super::{Command, CommitPolicy, Conductor};
use crate::generator::delivery::Delivery;
use crate::generator::ops::filler;

impl Conductor {
    /// Writes the missing rows of every segment that is to end. Rows whose outcome is unknown may or may not
    /// be in the log: rows still missing in a later sample are written again, and a surplus row opens the
    /// next segment.
    pub(super) fn fill(&mut self, out: &mut Vec<Command>) {
        if !self.sessions.is_idle() {
            return;
        }
        for (partition, missing) in self.missing_rows() {
            // These rows do not count towards the next boundary.
            self.logged_at_boundary += missing;
            for _ in 0..missing {
                let op = filler(&self.meta.schema, partition, self.filled);
                self.filled += 1;
                if let Some(op) = self.sessions.offer(op) {
                    write(op, Delivery::Once, out);
                }
            }
        }
    }

    /// The partitions that are to cross a boundary, each with the number of rows that its open segment lacks.
    fn missing_rows(&self) -> Vec<(u32, u64)> {
        let CommitPolicy::RowThreshold { rows } = self.timing.boundaries else { return Vec::new() };
        let segments = self.crossing.iter().flat_map(|crossing| &crossing.segments);
        let missing = |(partition, seq): &(u32, u32)| {
            let (segment, _) = self.view.segment(*partition, *seq)?;
            let end = *self.view.log_ends().get(*partition as usize)?;
            Some((*partition, (segment.start + rows).saturating_sub(end)))
        };
        segments.filter_map(missing).collect()
    }

    /// Whether the load must wait, since a partition has as many rows as it may have since its last boundary.
    pub(super) fn is_full(&self) -> bool {
        let Some(most) = self.timing.boundaries.most() else { return false };
        (0..).zip(self.view.log_ends()).any(|(partition, end)| {
            let newest = self.view.newest_seq(partition).and_then(|seq| self.view.segment(partition, seq));
            newest.is_some_and(|(segment, _)| segment.start + most <= *end)
        })
    }
}
