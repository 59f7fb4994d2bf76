//! Lifecycle events of Pinot's authority, the controller: which segments it created and committed, who
//! reported which offset, and whose copy won.
//!
//! Its log tells all of it, in its own order, if the target file gives the path under the name `controller`.
//! Without a log, the segment metadata tell of creations and commits, but not of the winner. Changes of the
//! ideal state come from the coordination store in either case. No moment of a change is known there but that
//! of a segment's creation, which is also when the segment before it was committed.

use super::cluster::PinotCluster;
use super::node_log::{NodeEvent, NodeLog};
use super::reads::Reads;
use super::server_log::FollowedLog;
use super::table::parse_segment_name;
use super::wire::{self, SegmentMetadata};
use crate::adapter::capabilities::AUTHORITY;
use dissent_core::history::lifecycle::LifecycleRecord;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const COMMITTED: &str = "segment-committed";

/// The servers of a segment, and the state that each must reach.
type Assigned = BTreeMap<String, String>;

/// What is known of the authority, so that every event is reported once.
pub(super) struct Authority {
    reads: Arc<Reads>,
    table: String,
    log: Option<FollowedLog>,
    incarnation: u64,
    seq: u64,
    /// The segments whose creation was reported, with their assignment.
    created: BTreeMap<String, Assigned>,
    /// The segments whose commit was reported.
    committed: BTreeSet<String>,
}

impl Authority {
    pub(super) fn new(cluster: &PinotCluster, reads: Arc<Reads>, table: &str) -> Authority {
        let log = NodeLog::of_controller(wire::release(cluster.version()), table);
        let path = cluster.file.logs.get(AUTHORITY);
        Authority {
            reads,
            table: table.to_owned(),
            log: path.map(|path| FollowedLog::of(path.clone(), log)),
            incarnation: 0,
            seq: 0,
            created: BTreeMap::new(),
            committed: BTreeSet::new(),
        }
    }

    /// The events since the last poll.
    pub(super) async fn poll(&mut self) -> Vec<LifecycleRecord> {
        let (mut events, has_log) = match &mut self.log {
            Some(log) => (log.events().await, log.is_readable()),
            None => (Vec::new(), false),
        };
        for event in &mut events {
            self.add_checksum(event).await;
        }
        if let Some((assignment, known)) = self.reads.seen().await {
            self.look(&assignment, &known, has_log, &mut events);
        }
        events.into_iter().map(|event| self.number(event)).collect()
    }

    /// The log does not tell the checksum of a committed copy; the metadata do.
    async fn add_checksum(&mut self, event: &mut NodeEvent) {
        let Some(segment) = event.segment.as_ref().filter(|_| event.kind == COMMITTED) else { return };
        self.committed.insert(segment.clone());
        if let Ok(Some(SegmentMetadata { crc: Some(crc), .. })) = self.reads.metadata(segment).await {
            event.detail.insert("crc".to_owned(), crc.into());
        }
    }

    /// What has changed in the coordination store. Creations and commits are added only if there is no log
    /// that tells them.
    fn look(
        &mut self,
        assignment: &wire::Assignment,
        known: &BTreeMap<String, SegmentMetadata>,
        has_log: bool,
        out: &mut Vec<NodeEvent>,
    ) {
        let mut segments: Vec<(&String, &SegmentMetadata)> = known.iter().collect();
        segments.sort_by_key(|(name, _)| parse_segment_name(&self.table, name));
        for (name, metadata) in segments {
            let servers = assignment.get(name).cloned().unwrap_or_default();
            let before = self.created.insert(name.clone(), servers.clone());
            if before.is_none() && !has_log {
                let detail = json!({ "by": "metadata", "start": metadata.start, "servers": servers });
                out.push(told("segment-created", metadata.created_ms, name, detail));
            } else if before.is_some_and(|before| before != servers) {
                let detail = json!({ "by": "ideal-state", "servers": servers });
                out.push(told("ideal-state", 0, name, detail));
            }
            if let (Some(end), false) = (metadata.end, has_log)
                && self.committed.insert(name.clone())
            {
                let detail = json!({ "by": "metadata", "offset": end, "crc": metadata.crc });
                out.push(told(COMMITTED, self.successor_created(name, known), name, detail));
            }
        }
    }

    /// When the next segment of the partition was created; 0 if that is not known.
    fn successor_created(&self, segment: &str, known: &BTreeMap<String, SegmentMetadata>) -> u64 {
        let place = |name: &str| parse_segment_name(&self.table, name);
        let next = place(segment).map(|(partition, seq)| (partition, seq + 1));
        let successor = known.iter().find(|(name, _)| next.is_some() && place(name) == next);
        successor.map_or(0, |(_, metadata)| metadata.created_ms)
    }

    fn number(&mut self, event: NodeEvent) -> LifecycleRecord {
        if event.incarnation > 0 {
            self.incarnation = event.incarnation;
        }
        self.seq += 1;
        event.into_record(AUTHORITY, self.incarnation, self.seq)
    }
}

fn told(kind: &'static str, node_ms: u64, segment: &str, detail: Json) -> NodeEvent {
    let detail = if let Json::Object(fields) = detail { fields } else { Map::new() };
    NodeEvent { incarnation: 0, kind, node_ms, segment: Some(segment.to_owned()), detail }
}
