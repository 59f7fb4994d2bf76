//! The canaries of a run, and whether reads of a shard showed them (`RULES.md` 7).

use crate::history::event::OpOutcome;
use crate::history::run_record::EventRef;
use crate::history::shard_snapshot::ShardSnapshot;
use crate::history::time::Nanos;
use std::collections::BTreeMap;

/// All canaries, and all reads of the shards that should have them.
#[derive(Default)]
pub(crate) struct Canaries {
    /// By op: when it was acknowledged; `None` until then.
    acks: BTreeMap<u64, Option<Nanos>>,
    reads: Vec<ShardRead>,
}

struct ShardRead {
    object: String,
    /// When the read began.
    t: Nanos,
    /// The canaries among its rows.
    held: Vec<u64>,
}

/// A time in which an object did not move.
pub(crate) struct Stall {
    /// Its last move was before this time.
    pub(crate) from: Nanos,
    /// The last sample at its old position.
    pub(crate) to: Nanos,
    /// The first sample at a new position; `None` if it never moved again.
    pub(crate) until: Option<Nanos>,
    /// A stall is only wrong if it lasts at least this long.
    pub(crate) threshold: Nanos,
}

impl Canaries {
    pub(crate) fn write(&mut self, op: u64) {
        self.acks.insert(op, None);
    }

    /// Takes the next event of an op.
    pub(crate) fn take(&mut self, t: Nanos, event: EventRef<'_>) {
        if let EventRef::Completed { op, outcome: OpOutcome::Ok, .. } = event
            && let Some(acked) = self.acks.get_mut(&op)
        {
            *acked = Some(t);
        }
    }

    /// Takes a read that began at this time.
    pub(crate) fn add_shard_read(&mut self, t: Nanos, contents: &ShardSnapshot) {
        let held = contents.rows.iter().filter(|row| row.count > 0).map(|row| row.op);
        let held = held.filter(|op| self.acks.contains_key(op)).collect();
        self.reads.push(ShardRead { object: contents.object.clone(), t, held });
    }

    /// Whether these objects show the canaries that were acknowledged while an object was stalled, in their
    /// last read before it moved again. `None` if that proves nothing: there was no canary, or it had only
    /// just been written.
    pub(crate) fn were_seen(&self, objects: &[&str], stall: &Stall) -> Option<bool> {
        let of = |read: &&ShardRead| {
            objects.contains(&read.object.as_str()) && stall.until.is_none_or(|until| read.t < until)
        };
        let read = self.reads.iter().rfind(of)?;
        let acks = self.acks.iter().filter_map(|(op, acked)| Some((op, (*acked)?)));
        let meanwhile = acks.filter(|(_, acked)| stall.from <= *acked && *acked <= stall.to);
        let waited = |acked: Nanos| read.t.0.checked_sub(acked.0);
        let answers = meanwhile.filter_map(|(op, acked)| match read.held.contains(op) {
            true => Some(true),
            false => (waited(acked)? >= stall.threshold.0).then_some(false),
        });
        answers.reduce(|all, seen| all && seen)
    }
}
