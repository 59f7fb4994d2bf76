//! What nodes logged of a shared frontier: the appends that moved it, those that were lost, and what its
//! writers buffer. See the vocabulary in `history/lifecycle.rs`.

use crate::checker::verdict::EventPoint;
use crate::history::lifecycle::{Appended, Drain, LifecycleRecord};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of events that explain a freeze.
pub(crate) const KINDS: [&str; 4] = ["appended", "append-lost", "buffered", "drain"];

/// An append that found the shared frontier elsewhere.
#[derive(Debug, Deserialize)]
pub(crate) struct AppendLost {
    pub(crate) from: u64,
    pub(crate) found: u64,
}

/// Entries that a writer buffers, with times from `first` to `last`.
#[derive(Debug, Deserialize)]
pub(crate) struct Buffered {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The shared frontier, as far as the writer knew.
    pub(crate) shard: u64,
}

/// The fields of `boot`.
#[derive(Deserialize)]
struct Boot {
    logs: Vec<String>,
}

/// The events of one incarnation of a writer, in program order.
#[derive(Debug, Default)]
pub(crate) struct WriterLog {
    pub(crate) buffered: Vec<(EventPoint, Buffered)>,
    pub(crate) drains: Vec<(EventPoint, Drain)>,
    pub(crate) lost: Vec<(EventPoint, AppendLost)>,
    /// The kinds that it says it logs.
    logs: Vec<String>,
}

impl WriterLog {
    /// Whether it says that it logs this kind, so that a missing event is evidence.
    pub(crate) fn is_logged(&self, kind: &str) -> bool {
        self.logs.iter().any(|logged| logged == kind)
    }
}

/// What all nodes logged.
#[derive(Debug, Default)]
pub(crate) struct ShardLog {
    pub(crate) appended: Vec<(EventPoint, Appended)>,
    /// By writer and incarnation.
    writers: BTreeMap<(String, u64), WriterLog>,
    seen: BTreeSet<&'static str>,
}

impl ShardLog {
    /// Takes a record if it is about a shared frontier. One that lacks fields is left out.
    pub(crate) fn take(&mut self, record: &LifecycleRecord) {
        if !KINDS.contains(&record.kind.as_str()) && record.kind != "boot" {
            return;
        }
        let writer = self.writers.entry((record.replica.clone(), record.incarnation)).or_default();
        match record.kind.as_str() {
            "boot" => writer.logs.extend(read::<Boot>(record).into_iter().flat_map(|(_, it)| it.logs)),
            "buffered" => writer.buffered.extend(read(record)),
            "drain" => writer.drains.extend(read(record)),
            "append-lost" => writer.lost.extend(read(record)),
            _ => self.appended.extend(read(record)),
        }
        self.seen.extend(KINDS.into_iter().find(|kind| *kind == record.kind));
    }

    /// The events of one incarnation of a writer.
    pub(crate) fn writer(&self, name: &str, incarnation: u64) -> Option<&WriterLog> {
        self.writers.get(&(name.to_owned(), incarnation))
    }

    /// The kinds that no node logged, and that none says it logs.
    pub(crate) fn not_logged(&self) -> impl Iterator<Item = &'static str> {
        let is_logged = |kind: &str| self.writers.values().any(|writer| writer.is_logged(kind));
        KINDS.into_iter().filter(move |kind| !self.seen.contains(kind) && !is_logged(kind))
    }
}

/// The event with its fields.
fn read<T: DeserializeOwned>(record: &LifecycleRecord) -> Option<(EventPoint, T)> {
    Some((EventPoint::from(record), T::deserialize(&record.detail).ok()?))
}
