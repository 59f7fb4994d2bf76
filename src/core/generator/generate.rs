//! The ops of the load, from a workload and a seed.
//!
//! An op's comparison value is its id, unless the workload wants ties or events that are out of order. Ids
//! ascend in the order of generation. One session owns a key and waits for each completion, so comparison
//! values strictly increase per key in log order. Times would not do:
//!
//! ```text
//! op 7 due 41.2 ms writes k0-3, cmp 41
//! op 8 due 41.9 ms writes k0-3, cmp 41     a tie, won by the op that is later in the log
//! ```

use super::arrivals::Arrivals;
use super::calibration::CALIBRATION_OPS;
use super::columns::Columns;
use super::comparisons::Comparisons;
use super::delivery::{Deliveries, Delivery};
use super::given::ops_of;
use super::keys::Keyspace;
use super::ops::{deleting, op};
use crate::history::event::Op;
use crate::history::schema::Schema;
use crate::history::workload::Workload;
use crate::seed::Seed;
use crate::seed::Stream;
use crate::seed::below;
use rand_chacha::ChaCha8Rng;
use std::vec::IntoIter;

/// The ops of the load.
pub struct Generator {
    /// The ops that the workload gives; `None` if they are drawn.
    given: Option<IntoIter<Op>>,
    /// How those are sent, in order.
    given_deliveries: Vec<Delivery>,
    arrivals: Arrivals,
    keys: Keyspace,
    columns: Columns,
    comparisons: Comparisons,
    deliveries: Deliveries,
    deletes: ChaCha8Rng,
    delete_percent: u32,
    /// Ops generated so far.
    generated: u64,
}

impl Generator {
    /// Starts at the first op of the load.
    pub fn new(workload: &Workload, schema: &Schema, seed: Seed) -> Generator {
        let given = workload.writes.as_ref().map(|writes| ops_of(writes, schema));
        let given_deliveries = given.iter().flatten().map(|(_, delivery)| *delivery).collect();
        let ops = |given: Vec<(Op, Delivery)>| given.into_iter().map(|(op, _)| op).collect::<Vec<Op>>();
        Generator {
            given: given.map(|given| ops(given).into_iter()),
            given_deliveries,
            arrivals: Arrivals::new(workload.rate_hz, seed),
            keys: Keyspace::new(workload, seed),
            columns: Columns::new(workload, schema, seed),
            comparisons: Comparisons::new(workload, seed),
            deliveries: Deliveries::new(workload, seed),
            deletes: seed.stream(Stream::Deletes),
            delete_percent: workload.delete_percent.into(),
            generated: 0,
        }
    }

    fn draw(&mut self) -> Op {
        let id = CALIBRATION_OPS + self.generated + 1;
        let (partition, key, newest) = self.keys.draw(self.generated);
        self.generated += 1;
        let cmp = self.comparisons.draw(id, newest);
        let op = op(id, partition, key, self.columns.draw(id), self.arrivals.next_due());
        let op = Op { cmp, ..op };
        if below(&mut self.deletes, 100) < self.delete_percent { deleting(op) } else { op }
    }

    /// How an op of the load is sent.
    pub(crate) fn delivery(&self, op: u64) -> Delivery {
        if self.given.is_none() {
            return self.deliveries.of(op);
        }
        let at = op.checked_sub(CALIBRATION_OPS + 1).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.given_deliveries.get(at).copied()).unwrap_or_default()
    }
}

/// The ops in order; `due` counts from the beginning of the load. There is no end unless the workload gives
/// its writes.
impl Iterator for Generator {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        match &mut self.given {
            Some(given) => given.next(),
            None => Some(self.draw()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::table::schema;
    use crate::history::schema::{Provenance, Role, Value, op_hash};
    use crate::test_data;
    use std::collections::BTreeMap;

    fn workload() -> Workload {
        test_data::workload("partial-upsert")
    }

    fn generated(workload: &Workload, left_out: &[String], seed: u64, ops: usize) -> Vec<Op> {
        Generator::new(workload, &schema(workload, left_out), Seed(seed)).take(ops).collect()
    }

    /// FNV-1a over the ops as stored.
    fn digest(ops: &[Op]) -> u64 {
        let bytes = ops.iter().flat_map(|op| serde_json::to_vec(op).expect("an op can be stored"));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn a_seed_gives_the_same_ops_for_ever() {
        let ops = generated(&workload(), &[], 42, 1_000);
        assert_eq!(
            digest(&ops),
            16_773_150_070_146_309_406,
            "a stored seed would no longer draw what it drew"
        );
        assert_ne!(digest(&ops), digest(&generated(&workload(), &[], 43, 1_000)));
    }

    #[test]
    fn ops_ascend_touch_something_and_never_write_a_stand_in_for_nothing() {
        let workload = workload();
        let schema = schema(&workload, &[]);
        let ops = generated(&workload, &[], 7, 20_000);
        let mut touched = vec![0u32; schema.columns.len()];
        for (id, op) in (CALIBRATION_OPS + 1..).zip(&ops) {
            assert_eq!((op.id, op.cmp), (id, id.cast_signed()));
            assert!(op.partition < workload.partitions);
            assert_eq!(op.cols.len(), schema.columns.len());
            let mut always = 0;
            for (at, (column, value)) in schema.columns.iter().zip(&op.cols).enumerate() {
                assert_ne!(*value, column.ty.default_value());
                assert_ne!(*value, Value::Long(0));
                let given = *value != Value::Null;
                touched[at] += u32::from(given);
                always += u32::from(given && column.role == Role::Data && !column.optional);
            }
            assert!(always > 0, "op {id} writes nothing that every target has");
            assert_eq!(op.cols[schema.role(Role::Ops).expect("full")], Value::Longs([op.cmp].into()));
        }
        assert!(ops.is_sorted_by_key(|op| op.due));
        for (spec, touched) in workload.columns.iter().zip(touched) {
            let expected = u32::from(spec.touched_percent) * 200;
            assert!(touched.abs_diff(expected) < 500, "{}: {touched} times, not {expected}", spec.name);
        }
    }

    #[test]
    fn a_column_that_the_target_lacks_leaves_the_others_as_they_are() {
        let workload = workload();
        let without = generated(&workload, &["highest".to_owned()], 9, 2_000);
        let at = schema(&workload, &[]).position("highest").expect("a column of the workload");
        for (mut with, without) in generated(&workload, &[], 9, 2_000).into_iter().zip(without) {
            with.cols.remove(at);
            assert_eq!(with, without);
        }
    }

    #[test]
    fn provenance_modes_differ_in_their_columns_only() {
        let mut workload = workload();
        let mut rest = BTreeMap::new();
        for (mode, added) in [(Provenance::Full, 1), (Provenance::Digest, 2), (Provenance::None, 0)] {
            workload.provenance = mode;
            let mut ops = generated(&workload, &[], 11, 500);
            for op in &mut ops {
                let traces = op.cols.split_off(workload.columns.len());
                assert_eq!(traces.len(), added);
                if mode == Provenance::Digest {
                    assert_eq!(traces, [Value::Long(1), Value::Long(op_hash(op.id))]);
                }
            }
            rest.insert(digest(&ops), mode);
        }
        assert_eq!(rest.len(), 1, "the same data in every mode");
    }
}
