//! A limit on the size of a simulated run. Every replica keeps its rows in this process's memory. A key that
//! is never retired has its whole lists in each of its rows, so memory use grows with the square of the
//! updates.
//!
//! ```text
//! a hold never ends, so there is no further boundary and no key retires: the hottest key is written 12,000
//! times,
//! and its rows on four replicas list 72 million ops each
//! ```

use dissent_core::history::event::Op;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::{Merge, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The maximum estimated size. A larger run is interrupted.
const BYTES_MAX: u64 = 1 << 30;

/// The approximate size of a row without its lists.
const ROW_BYTES: u64 = 400;

/// Why a run is interrupted.
pub(super) const TOO_LARGE: &str =
    "the bound on a simulated run's memory, 1 GiB: its lists grow without end (let keys retire)";

/// The estimated size of all rows of a run. It is computed from the ops alone, so a seed ends in the same way
/// on every machine.
pub(super) struct Weight {
    /// The indices of the columns whose lists grow.
    lists: Vec<usize>,
    /// How many times a row is kept: once per replica, and in the record.
    copies: u64,
    /// By partition: the size of each key's lists.
    listed: Vec<HashMap<Arc<str>, u64>>,
    total: u64,
}

impl Weight {
    pub(super) fn of(meta: &RunMeta) -> Weight {
        let columns = meta.schema.columns.iter().enumerate();
        let grows = |merge| matches!(merge, Merge::Append | Merge::Union);
        let lists = columns.filter(|(_, column)| grows(column.merge)).map(|(at, _)| at).collect();
        let copies = meta.roster.len() as u64 + 1;
        let listed = vec![HashMap::new(); meta.partitions as usize];
        Weight { lists, copies, listed, total: 0 }
    }

    /// Adds one op. True only for the op that exceeds the limit.
    pub(super) fn take(&mut self, op: &Op) -> bool {
        let of_keys = &mut self.listed[op.partition as usize];
        let listed = match op.delete {
            true => 0,
            false => {
                let more = self.lists.iter().filter_map(|&at| op.cols.get(at)).map(bytes).sum::<u64>();
                of_keys.get(&op.key).copied().unwrap_or(0) + more
            }
        };
        match of_keys.get_mut(&op.key) {
            Some(known) => *known = listed,
            None => drop(of_keys.insert(op.key.clone(), listed)),
        }
        let before = self.total;
        self.total += self.copies * (ROW_BYTES + listed);
        before <= BYTES_MAX && self.total > BYTES_MAX
    }
}

/// The size of a list's elements.
fn bytes(value: &Value) -> u64 {
    match value {
        Value::Longs(longs) => 8 * longs.len() as u64,
        Value::Strings(texts) => texts.iter().map(|text| 16 + text.len() as u64).sum(),
        Value::Null | Value::Boolean(_) | Value::Long(_) | Value::Double(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissent_core::history::time::Nanos;

    fn op(id: u64, key: String) -> Op {
        let cols = vec![Value::Long(0), Value::Longs([1].into())];
        Op { id, partition: 0, key: key.into(), cmp: 1, cols, delete: false, due: Nanos(0) }
    }

    /// Many writes of many keys are fine. Many writes of one key exceed the limit, and that is reported once.
    #[test]
    fn lists_that_grow_without_end_are_too_much() {
        let mut weight = Weight { lists: vec![1], copies: 5, listed: vec![HashMap::new()], total: 0 };
        assert!((0..50_000).all(|id| !weight.take(&op(id, format!("k{}", id / 8)))));
        let said: Vec<u64> = (0..20_000).filter(|id| weight.take(&op(*id, "hot".to_owned()))).collect();
        assert!(matches!(said[..], [at] if (1_000..10_000).contains(&at)), "{said:?}");
    }
}
