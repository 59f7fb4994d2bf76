//! What dissent itself saw of a node that logs neither consumptions nor registrations: which segments it
//! held from one sample to the next, and how far it had consumed. Told as events, so that an order can be
//! read from them.
//!
//! Of what changed between two samples the order is not known. It is told in the order that breaks
//! nothing: what became visible, then what began.

use crate::history::lifecycle::{CONSUME_START, LifecycleRecord};
use crate::history::row::{CopyState, Cover, CoverageChange, Observed};
use crate::history::time::Nanos;
use serde_json::{Value as Json, json};

/// How these events are marked.
pub(super) const BY: &str = "coverage";

/// The events of one change of what a node holds. Their time is the run's own clock.
pub(super) fn events_of(t: Nanos, change: &CoverageChange) -> Vec<LifecycleRecord> {
    let mut visible = Vec::new();
    let mut began = Vec::new();
    for cover in &change.changed {
        if cover.state == CopyState::Consuming {
            visible.extend(consumed_before(change, cover).map(|segment| (segment, "consume-end", json!({}))));
            began.push((cover.segment.clone(), CONSUME_START, json!({ "start": cover.start })));
        } else if cover.registered != Observed::Known(false) {
            visible.push((cover.segment.clone(), "registered", reached(change, cover)));
        }
    }
    let told = visible.into_iter().chain(began);
    let record = |(segment, kind, mut detail): (String, &str, Json)| {
        detail["by"] = BY.into();
        LifecycleRecord {
            replica: change.replica.clone(),
            incarnation: change.incarnation,
            seq: 0,
            node_ms: t.0 / 1_000_000,
            segment: Some(segment),
            kind: kind.to_owned(),
            detail,
        }
    };
    told.map(record).collect()
}

/// The segment that was consumed up to the start of this one: its consumption has ended.
fn consumed_before(change: &CoverageChange, cover: &Cover) -> Option<String> {
    let mut consuming = change.consuming.iter();
    let ended = consuming
        .find(|it| it.partition == cover.partition && it.segment != cover.segment && it.now == cover.start);
    ended.map(|it| it.segment.clone())
}

/// Between which offsets the node's consumption was as the segment became visible.
fn reached(change: &CoverageChange, cover: &Cover) -> Json {
    let consuming =
        change.consuming.iter().filter(|it| it.partition == cover.partition && it.segment != cover.segment);
    match consuming.max_by_key(|it| it.now) {
        Some(it) => json!({ "reached_from": it.before, "reached_to": it.now }),
        None => json!({}),
    }
}
