//! The same proof if rows are in a shard: one value of the last capture is changed.

use super::spot::{Spot, another, data_columns};
use crate::checker::tables::shard_snapshots::captures;
use crate::checker::verdict::{Anomaly, Divergence, Finding, FindingKind, Verdict};
use crate::history::event::{Event, TimedEvent};
use crate::history::row::{CurrentRow, Entry, Row};
use crate::history::run_record::{Damage, RowGroups, RunMeta, RunRecord};
use crate::history::shard_snapshot::ShardSnapshot;
use crate::seed::{Stream, below};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A record in which one row of a shard is changed as it is read.
pub(super) struct PlantedInShard<'e> {
    record: &'e dyn RunRecord,
    pub(super) spot: Spot,
    column: usize,
    /// The capture with the row.
    capture: u32,
}

impl<'e> PlantedInShard<'e> {
    /// A row of the last capture that no finding names.
    pub(super) fn draw(record: &'e dyn RunRecord, verdict: &Verdict) -> Option<PlantedInShard<'e>> {
        let (meta, last) = (record.meta(), captures(record).pop()?);
        let named: BTreeSet<&str> = verdict.findings.iter().flat_map(keys).map(String::as_str).collect();
        let rows: Vec<_> = last.rows.iter().filter(|row| !named.contains(&*row.key)).collect();
        let mut rng = meta.seed.stream(Stream::SelfTest);
        let row = rows.get(below(&mut rng, u32::try_from(rows.len()).ok()?.max(1)) as usize)?;
        let data = data_columns(meta);
        let column = *data.get(below(&mut rng, u32::try_from(data.len()).ok()?.max(1)) as usize)?;
        let off = record.log(0).find(|entry| entry.op == row.op)?.off;
        let spot = Spot {
            partition: 0,
            off,
            key: row.key.to_string(),
            replica: last.object.clone(),
            column: meta.schema.columns[column].name.clone(),
        };
        Some(PlantedInShard { record, spot, column, capture: last.capture })
    }

    pub(super) fn is_found_as(&self, finding: &Finding) -> bool {
        let FindingKind::Divergence(it) = &finding.kind else { return false };
        let Divergence { what, replicas, keys, columns, since, until, .. } = &**it;
        let Spot { off, key, replica, column, .. } = &self.spot;
        *what == Anomaly::WrongValue
            && [since, until].iter().all(|point| point.is_some_and(|point| point.off == *off))
            && replicas == std::slice::from_ref(replica)
            && keys == std::slice::from_ref(key)
            && columns == std::slice::from_ref(column)
    }

    fn changed(&self, contents: &mut ShardSnapshot) {
        for row in contents.rows.iter_mut().filter(|row| *row.key == *self.spot.key) {
            let cell = &mut row.cols[self.column];
            *cell = another(cell);
        }
    }
}

fn keys(finding: &Finding) -> &[String] {
    match &finding.kind {
        FindingKind::Divergence(it) => &it.keys,
        _ => &[],
    }
}

impl RunRecord for PlantedInShard<'_> {
    fn meta(&self) -> &RunMeta {
        self.record.meta()
    }
    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        Box::new(self.record.events().map(move |mut stamped| {
            if matches!(&stamped.event, Event::Contents(it) if it.capture == self.capture)
                && let Event::Contents(contents) = &mut stamped.to_mut().event
            {
                self.changed(contents);
            }
            stamped
        }))
    }
    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        self.record.log(partition)
    }
    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        self.record.rows(partition)
    }
    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        self.record.current_rows(partition)
    }
    fn damage(&self) -> Vec<Damage> {
        self.record.damage()
    }
    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        self.record.row_groups(partition)
    }
}
