//! Ops of a load that its workload gives, and the way back: ops as a workload gives them.

use super::calibration::CALIBRATION_OPS;
use super::columns::silent;
use super::ops::{deleting, op};
use crate::history::delivery::Delivery;
use crate::history::event::Op;
use crate::history::given_load::WriteSpec;
use crate::history::schema::{Role, Schema, Value};
use crate::history::time::Nanos;

/// The ops of the writes, ordered by time, each with how it is sent. Columns that the target lacks are left
/// out.
pub(super) fn ops_of(writes: &[WriteSpec], schema: &Schema) -> Vec<(Op, Delivery)> {
    let mut writes: Vec<&WriteSpec> = writes.iter().collect();
    writes.sort_by_key(|write| write.at);
    let ops = (CALIBRATION_OPS + 1..).zip(writes).map(|(id, write)| {
        let mut cols = silent(schema, id);
        for (col, column) in cols.iter_mut().zip(&schema.columns) {
            if column.role == Role::Data {
                *col = write.set.get(&column.name).cloned().unwrap_or_default();
            }
        }
        let op = op(id, write.partition, write.key.as_str().into(), cols, write.at);
        let op = Op { cmp: write.version.unwrap_or(op.cmp), ..op };
        (if write.delete { deleting(op) } else { op }, write.delivery)
    });
    ops.collect()
}

/// The writes that give these ops of a load. Unless every op is compared by its id, each says its comparison
/// value.
pub fn writes_of(ops: &[(Op, Delivery)], schema: &Schema) -> Vec<WriteSpec> {
    let by_id = ops.iter().all(|(op, _)| op.cmp == op.id.cast_signed());
    let set = |op: &Op| {
        let cells = schema.columns.iter().zip(&op.cols);
        let given = cells.filter(|(column, value)| column.role == Role::Data && **value != Value::Null);
        given.map(|(column, value)| (column.name.clone(), value.clone())).collect()
    };
    let write = |(op, delivery): &(Op, Delivery)| WriteSpec {
        at: Nanos(op.due.0),
        partition: op.partition,
        key: op.key.to_string(),
        version: (!by_id).then_some(op.cmp),
        delete: op.delete,
        delivery: *delivery,
        set: set(op),
    };
    ops.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::generate::Generator;
    use crate::generator::table::schema;
    use crate::history::workload::Workload;
    use crate::seed::Seed;
    use crate::test_data;

    #[test]
    fn a_load_that_was_drawn_can_be_given_and_is_the_same() {
        for name in ["partial-upsert", "upsert-feed"] {
            let drawn = test_data::workload(name);
            let schema = schema(&drawn, &[]);
            let drawn = Workload { tie_percent: 20, unknown_percent: 20, duplicate_percent: 20, ..drawn };
            let sent = |workload: &Workload, seed| -> Vec<(Op, Delivery)> {
                let mut generator = Generator::new(workload, &schema, Seed(seed));
                let ops: Vec<Op> = generator.by_ref().take(500).collect();
                ops.into_iter().map(|op| (op.clone(), generator.delivery(op.id))).collect()
            };
            let ops = sent(&drawn, 5);
            let given = Workload { writes: Some(writes_of(&ops, &schema)), ..drawn };
            assert_eq!(sent(&given, 6), ops, "{name}");
        }
    }

    #[test]
    fn writes_are_sent_by_time_and_keep_their_own_comparison_values() {
        let workload = test_data::workload("partial-upsert");
        let schema = schema(&workload, &[]);
        let write = |at, version| WriteSpec {
            at: Nanos(at),
            partition: 1,
            key: "a".to_owned(),
            version,
            delete: false,
            delivery: Delivery::Once,
            set: [("balance".to_owned(), Value::Long(7))].into(),
        };
        let ops = ops_of(&[write(9, None), write(3, Some(1))], &schema);
        let seen: Vec<_> = ops.iter().map(|(op, _)| (op.id, op.due.0, op.cmp)).collect();
        let first = CALIBRATION_OPS + 1;
        assert_eq!(seen, [(first, 3, 1), (first + 1, 9, first.cast_signed() + 1)]);
        assert_eq!(writes_of(&ops, &schema)[0].version, Some(1));
        assert_eq!(writes_of(&ops[1..], &schema)[0].version, None);
    }
}
