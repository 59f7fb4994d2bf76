//! The captures of shards, which have the newest row of each key, and what of the log they do not show yet.

use crate::checker::verdict::NotVisible;
use crate::history::event::Event;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::shard_snapshot::ShardSnapshot;
use std::collections::{BTreeMap, BTreeSet};

/// The log of a shard has one partition.
pub(crate) const PARTITION: u32 = 0;

/// All captures of shards, ordered by log end.
pub(crate) fn captures(record: &dyn RunRecord) -> Vec<ShardSnapshot> {
    let mut captures = Vec::new();
    record.scan_events(&mut |_, event| {
        if let EventRef::Other(Event::Contents(contents)) = event {
            captures.push(contents.clone());
        }
    });
    captures.sort_by_key(|contents| (contents.log_end, contents.capture));
    captures
}

/// Which part of the log each shard did not show at its last capture.
pub(crate) fn unseen(record: &dyn RunRecord, captures: &[ShardSnapshot]) -> BTreeMap<String, NotVisible> {
    let ends: BTreeMap<&String, u64> = captures.iter().map(|it| (&it.object, it.log_end)).collect();
    let mut beyond: BTreeMap<&String, (u64, BTreeSet<String>)> = BTreeMap::new();
    record.scan_log(PARTITION, &mut |entry| {
        for (object, _) in ends.iter().filter(|(_, end)| entry.off >= **end) {
            let (entries, keys) = beyond.entry(object).or_default();
            *entries += 1;
            if !keys.contains(entry.key) {
                keys.insert(entry.key.to_owned());
            }
        }
    });
    let of = |(object, from): (&String, u64)| {
        let (entries, keys) = beyond.remove(object).unwrap_or_default();
        (object.clone(), NotVisible { from, entries, keys: keys.len() as u64 })
    };
    ends.into_iter().map(of).collect()
}
