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
pub(crate) struct Standstill {
    /// Its last move was before this time.
    pub(crate) from: Nanos,
    /// The last sample at its old position.
    pub(crate) to: Nanos,
    /// The first sample at a new position; `None` if it never moved again.
    pub(crate) until: Option<Nanos>,
    /// A freeze is only wrong if it lasts longer than this.
    pub(crate) threshold: Nanos,
}

impl Canaries {
    pub(crate) fn write(&mut self, op: u64) {
        self.acks.insert(op, None);
    }

    /// Takes the next event of an op.
    pub(crate) fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        if let EventRef::Completed { op, outcome: OpOutcome::Ok, .. } = moment
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

    /// Whether these objects show the canaries that were acknowledged while an object was frozen, in their
    /// last read before it moved again. `None` if that proves nothing: there was no canary, or it had only
    /// just been written.
    pub(crate) fn were_seen(&self, objects: &[&str], still: &Standstill) -> Option<bool> {
        let of = |look: &&ShardRead| {
            objects.contains(&look.object.as_str()) && still.until.is_none_or(|until| look.t < until)
        };
        let look = self.reads.iter().rfind(of)?;
        let acks = self.acks.iter().filter_map(|(op, acked)| Some((op, (*acked)?)));
        let meanwhile = acks.filter(|(_, acked)| still.from <= *acked && *acked <= still.to);
        let waited = |acked: Nanos| look.t.0.checked_sub(acked.0);
        let told = meanwhile.filter_map(|(op, acked)| match look.held.contains(op) {
            true => Some(true),
            false => (waited(acked)? >= still.threshold.0).then_some(false),
        });
        told.reduce(|all, seen| all && seen)
    }
}
