//! How an audit cuts a table of Pinot, which servers hold a part, and how far they have consumed it.

use super::contents::PinotContents;
use super::contents_shape::TableKind;
use super::contents_view::{CopyHeld, Held, KeyRange, View, covered};
use super::pages::{Query, quoted};
use super::table::parse_segment_name;
use super::wire::{self, Assignment, SegmentMetadata, invalid_response};
use crate::adapter::contents::PositionSample;
use crate::target_error::TargetError;
use dissent_core::history::schema::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How old an answer of the coordination store or a server may be.
const FRESH: Duration = Duration::from_millis(500);

/// Rows that are looked at to cut a partition into ranges of keys.
const SAMPLE_ROWS: u64 = 20_000;

impl PinotContents {
    pub(super) async fn assignment(&self) -> Result<Arc<Assignment>, TargetError> {
        let mut last = self.assignment.lock().await;
        if let Some((at, assignment)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(assignment));
        }
        let (url, body) =
            self.reads.cluster.get(&format!("tables/{}/idealstate", self.shape.table.name)).await?;
        let assignment = Arc::new(wire::ideal_state(&url, &body)?);
        *last = Some((Instant::now(), Arc::clone(&assignment)));
        Ok(assignment)
    }

    /// What a server holds.
    pub(super) async fn held(&self, replica: &str) -> Result<Arc<Held>, TargetError> {
        if let Some((at, held)) = self.held.lock().await.get(replica)
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(held));
        }
        let (cluster, table) = (&self.reads.cluster, self.name());
        let at = Instant::now();
        let crcs = cluster.server(replica, &format!("tables/{table}/segments/crc")).await;
        let held = if crcs.as_ref().is_err_and(wire::is_absent) {
            // The server has nothing of the table.
            Held::default()
        } else {
            let (url, body) = crcs?;
            let crcs = wire::crcs(&url, &body)?;
            let (url, body) =
                cluster.server(replica, &format!("tables/{table}/consumingSegmentsInfo")).await?;
            Held { crcs, consuming: wire::consuming(&url, &body)? }
        };
        let held = Arc::new(held);
        self.held.lock().await.insert(replica.to_owned(), (at, Arc::clone(&held)));
        Ok(held)
    }

    /// The segments of a partition in order.
    pub(super) fn names(&self, assignment: &Assignment, partition: u32) -> Vec<String> {
        let of = |name: &String| {
            let (of, seq) = parse_segment_name(&self.shape.table.name, name)?;
            (of == partition).then_some((seq, name.clone()))
        };
        let mut names: Vec<(u32, String)> = assignment.keys().filter_map(of).collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The servers that are assigned a part of the table; of current rows, those with all segments of the
    /// partition, because the broker asks nobody else.
    pub(super) async fn assigned_to(&self, view: &View) -> Result<Vec<String>, TargetError> {
        let assignment = self.assignment().await?;
        let names = match view {
            View::Raw { segment, .. } => vec![segment.clone()],
            View::Current { partition, .. } => self.names(&assignment, *partition),
        };
        // A segment that retention has removed meanwhile has no servers.
        let mut servers = names.iter().map(|name| {
            let states = assignment.get(name).into_iter().flatten();
            let online = states.filter(|(_, state)| *state != "OFFLINE").map(|(server, _)| server);
            online.cloned().collect::<BTreeSet<String>>()
        });
        let first = servers.next().unwrap_or_default();
        Ok(servers.fold(first, |all, these| &all & &these).into_iter().collect())
    }

    /// The offset at which the log of a part ends now.
    pub(super) async fn end_of(&self, view: &View) -> Result<Option<u64>, TargetError> {
        let partition = match view {
            View::Raw { segment, .. } => {
                let metadata = self.reads.metadata(segment).await?;
                if let Some(end) = metadata.and_then(|metadata| metadata.end) {
                    return Ok(Some(end));
                }
                self.partition(segment)?
            }
            View::Current { partition, .. } => *partition,
        };
        if let Some(topic) = &self.topic {
            return topic.end(partition).await.map(Some);
        }
        // Without Kafka: as far as any server has got.
        let mut end = None;
        for replica in self.assigned_to(view).await? {
            end = end.max(Some(self.covered_by(&replica, partition).await?));
        }
        Ok(end)
    }

    /// The offset up to which a server has consumed the log of a part.
    pub(super) async fn position_of(&self, replica: &str, view: &View) -> Result<u64, TargetError> {
        match view {
            View::Current { partition, .. } => self.covered_by(replica, *partition).await,
            View::Raw { segment, .. } => {
                let metadata = self.reads.metadata(segment).await?;
                let is_done = metadata.as_ref().is_some_and(|metadata| metadata.end.is_some());
                if !is_done {
                    return self.covered_by(replica, self.partition(segment)?).await;
                }
                let copy = self.held(replica).await?.copy(segment);
                Ok(metadata.map_or(0, |metadata| covered(&[(metadata, copy)])))
            }
        }
    }

    async fn covered_by(&self, replica: &str, partition: u32) -> Result<u64, TargetError> {
        let assignment = self.assignment().await?;
        let held = self.held(replica).await?;
        let mut segments = Vec::new();
        for name in self.names(&assignment, partition) {
            if !assignment[&name].contains_key(replica) {
                continue;
            }
            let Some(metadata) = self.reads.metadata(&name).await? else { break };
            segments.push((metadata, held.copy(&name)));
        }
        Ok(covered(&segments))
    }

    /// Looks at how far every server has consumed every partition.
    pub(super) async fn samples(&self) -> Result<Vec<PositionSample>, TargetError> {
        let assignment = self.assignment().await?;
        let mut samples = Vec::new();
        let partitions: BTreeSet<u32> =
            assignment.keys().filter_map(|name| self.partition(name).ok()).collect();
        for partition in partitions {
            // Servers that do not hold all of a partition have no one position in it.
            let view = View::Current { partition, rows: 0, range: None };
            for replica in self.assigned_to(&view).await? {
                let Some(u1) = self.end_of(&view).await? else { continue };
                let f = self.covered_by(&replica, partition).await?;
                let u2 = self.end_of(&view).await?.unwrap_or(u1);
                let incarnation = self.reads.cluster.session(&replica).await?;
                let states = self.held(&replica).await?;
                let states: BTreeSet<&str> =
                    states.consuming.values().map(|info| info.state.as_str()).collect();
                let status = states.into_iter().collect::<Vec<_>>().join(" ");
                samples.push(PositionSample { replica, partition, u1, f, u2, status, incarnation });
            }
        }
        Ok(samples)
    }

    fn partition(&self, segment: &str) -> Result<u32, TargetError> {
        let place = parse_segment_name(&self.shape.table.name, segment);
        let nowhere = || {
            let cause = format!("the name of segment {segment} does not say which partition it belongs to");
            invalid_response(self.reads.cluster.url(), &cause)
        };
        Ok(place.ok_or_else(nowhere)?.0)
    }

    /// All parts of the table: of each partition, its segments, then its current rows in parts of about so
    /// many.
    pub(super) async fn plan(&self, rows: u64) -> Result<Vec<View>, TargetError> {
        let assignment = self.assignment().await?;
        let partitions: Result<BTreeSet<u32>, _> =
            assignment.keys().map(|name| self.partition(name)).collect();
        let mut views = Vec::new();
        for partition in partitions? {
            let names = self.names(&assignment, partition);
            let mut raw = Vec::new();
            for segment in &names {
                let Some(metadata) = self.reads.metadata(segment).await? else { continue };
                let consuming = metadata.end.is_none();
                // With documents that a commit sorts anew, the first ones are not the same before and
                // after it.
                if consuming && self.shape.sorts {
                    continue;
                }
                let documents = match metadata.docs {
                    Some(documents) => documents,
                    None => self.least_documents(segment, &metadata).await?,
                };
                if documents > 0 {
                    raw.push((documents, View::Raw { segment: segment.clone(), documents, consuming }));
                }
            }
            let documents: u64 = raw.iter().map(|(documents, _)| documents).sum();
            views.extend(raw.into_iter().map(|(_, view)| view));
            if self.shape.kind != TableKind::Plain && documents > 0 {
                views.extend(self.current_views(partition, &names, documents, rows).await?);
            }
        }
        Ok(views)
    }

    /// The lowest number of documents that a server shows of a segment that is being consumed. A server that
    /// shows none does not count here: it will be seen to lack them, or to be behind. If no server can be
    /// asked, it is the number of events that one has consumed, so that the segment is not passed over.
    async fn least_documents(&self, segment: &str, metadata: &SegmentMetadata) -> Result<u64, TargetError> {
        let sql = format!(
            "SELECT $hostName, count(*) FROM {} WHERE $segmentName = '{segment}' GROUP BY $hostName LIMIT 10 \
             option(skipUpsert=true)",
            self.name(),
        );
        let (mut least, mut consumed, mut silent) = (None, None, None);
        for replica in self.assignment().await?.get(segment).into_iter().flat_map(BTreeMap::keys) {
            let held = match self.held(replica).await {
                Ok(held) => held,
                Err(error) => {
                    silent = Some(error);
                    continue;
                }
            };
            let Some(CopyHeld::Consuming(position)) = held.copy(segment) else { continue };
            let events = position.saturating_sub(metadata.start);
            if events == 0 {
                continue;
            }
            match self.reads.answer(replica, &Query::counting(sql.clone(), 0)).await {
                Ok(counted) => {
                    let count = counted.and_then(|rows| rows.first()?.get(1)?.as_u64());
                    least = least.into_iter().chain(count).min();
                }
                Err(_) => consumed = consumed.into_iter().chain([events]).min(),
            }
        }
        match (least.or(consumed), silent) {
            (Some(documents), _) => Ok(documents),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(0),
        }
    }

    async fn current_views(
        &self,
        partition: u32,
        names: &[String],
        documents: u64,
        wanted: u64,
    ) -> Result<Vec<View>, TargetError> {
        let (table, names) = (self.name(), quoted(names));
        let sql = format!("SELECT count(*) FROM {table} WHERE $segmentName IN ({names})");
        let counted = self.reads.query_any(&Query::counting(sql, 0)).await?;
        let rows = counted.first().and_then(|row| row.first()?.as_u64()).unwrap_or_default();
        let parts = rows.div_ceil(wanted.max(1)).max(1);
        let mut ranges = vec![None];
        if parts > 1 {
            let keys: Vec<String> = self.shape.table.key.iter().map(|name| format!("\"{name}\"")).collect();
            let step = (documents / SAMPLE_ROWS).max(1);
            let sql = format!(
                "SELECT {} FROM {table} WHERE $segmentName IN ({names}) AND MOD($docId, {step}) = 0 LIMIT {}",
                keys.join(", "),
                2 * SAMPLE_ROWS,
            );
            ranges = self.ranges(&self.reads.query_any(&Query::counting(sql, 0)).await?, parts as usize);
        }
        let rows = rows / ranges.len() as u64;
        Ok(ranges.into_iter().map(|range| View::Current { partition, rows, range }).collect())
    }

    /// Ranges of the column of the key that has the most values in a sample.
    fn ranges(&self, sample: &[Vec<Json>], parts: usize) -> Vec<Option<KeyRange>> {
        let columns = self.shape.table.key.iter().zip(&self.shape.key_cells).enumerate();
        let cuts = columns.filter_map(|(at, (name, (cell, _)))| {
            let shown = sample.iter().filter_map(|row| cell.shown("", name, row.get(at)?).ok());
            let cuts = cuts(shown.collect(), parts);
            cuts.iter().all(|cut| cell.constant(cut).is_some()).then_some((name, cuts))
        });
        let Some((name, cuts)) = cuts.max_by_key(|(_, cuts)| cuts.len()) else { return vec![None] };
        let froms = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
        let ends = cuts.iter().cloned().map(Some).chain(std::iter::once(None));
        let range = |(from, below)| Some(KeyRange { column: name.clone(), from, below });
        froms.zip(ends).map(range).collect()
    }
}

/// The values at which a sample falls into parts of about the same size. Texts are in Java's order.
fn cuts(mut values: Vec<Value>, parts: usize) -> Vec<String> {
    let units = |value: &Value| match value {
        Value::String(text) => text.encode_utf16().collect::<Vec<u16>>(),
        _ => Vec::new(),
    };
    values.sort_by(|a, b| match (a, b) {
        (Value::String(_), Value::String(_)) => units(a).cmp(&units(b)),
        _ => a.cmp(b),
    });
    let least = values.first().cloned();
    let places = (1..parts).map(|part| part * values.len() / parts);
    let mut cuts: Vec<&Value> = places.filter_map(|at| values.get(at)).collect();
    cuts.dedup();
    // Below the least value there is nothing.
    cuts.into_iter().filter(|cut| Some(*cut) != least.as_ref()).map(super::contents_cells::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_sample_are_alike_in_size_and_in_javas_order() {
        let longs = |longs: &[i64]| longs.iter().copied().map(Value::Long).collect::<Vec<_>>();
        assert_eq!(cuts(longs(&[10, 9, 8, 7, 6, 5, 4, 3]), 4), ["5", "7", "9"]);
        assert_eq!(cuts(longs(&[1, 1, 1, 1, 2]), 3), Vec::<String>::new());
        assert_eq!(cuts(Vec::new(), 3), Vec::<String>::new());
        let texts = ["\u{ffff}", "a", "\u{10000}"].map(|text| Value::String(text.into()));
        assert_eq!(cuts(texts.to_vec(), 3), ["\u{10000}", "\u{ffff}"]);
    }
}
