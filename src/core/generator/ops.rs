//! Ops by their id, and those that are written beside the load: canaries and fillers.

use super::columns::{full, silent};
use crate::history::event::Op;
use crate::history::schema::{Schema, Value, op_hash};
use crate::history::time::Nanos;
use std::sync::Arc;

/// An op that writes these values. Its comparison value is its id.
pub(super) fn op(id: u64, partition: u32, key: Arc<str>, cols: Vec<Value>, due: Nanos) -> Op {
    Op { id, partition, key, cmp: id.cast_signed(), cols, delete: false, due }
}

/// The op that deletes the key instead of writing to it.
pub(super) fn deleting(op: Op) -> Op {
    Op { cols: op.cols.iter().map(|_| Value::Null).collect(), delete: true, ..op }
}

/// A partition's canary: one write that sets every column. When it arrives at a replica, the replica's
/// consuming position moves.
pub fn canary(schema: &Schema, partition: u32, id: u64, now: Nanos) -> Op {
    let word = (op_hash(id).cast_unsigned() >> 32) as u32;
    op(id, partition, format!("canary-{partition}").into(), full(schema, id, word), now)
}

/// Ids of ops that fill segments are this and above, so that no other op has them.
pub const FILLERS: u64 = 1 << 32;

/// The filler op with this number. It has a key of its own and sets no value, so it costs little and is
/// merged onto nothing.
pub fn filler(schema: &Schema, partition: u32, number: u64) -> Op {
    let cols = silent(schema, FILLERS + number);
    op(FILLERS + number, partition, format!("filler-{partition}-{number}").into(), cols, Nanos(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::table::schema;
    use crate::test_data;

    #[test]
    fn a_canary_writes_every_column_under_a_key_of_its_own() {
        let schema = schema(&test_data::workload("partial-upsert"), &[]);
        let op = canary(&schema, 1, 777, Nanos(5));
        assert_eq!((op.id, op.partition, &*op.key, op.cmp, op.due), (777, 1, "canary-1", 777, Nanos(5)));
        assert!(!op.cols.contains(&Value::Null));
    }
}
