//! The table under test and every op that is written to it, from a workload and a seed.
//!
//! An op's comparison value is its id. Ids ascend in the order of generation. One session owns a key and
//! waits for each completion, so comparison values strictly increase per key in log order. Times would not
//! do:
//!
//! ```text
//! op 7 due 41.2 ms writes k0-3, cmp 41
//! op 8 due 41.9 ms writes k0-3, cmp 41     a tie, won by the op that is later in the log
//! ```

use super::arrivals::Arrivals;
use super::columns::{Columns, full, silent};
use super::keys::Keyspace;
use crate::history::event::Op;
use crate::history::schema::rules::Rules;
use crate::history::schema::{Column, Merge, Provenance, Role, Schema, Type, Value, op_hash};
use crate::history::time::Nanos;
use crate::history::workload::Workload;
use crate::seed::Seed;
use crate::seed::Stream;
use crate::seed::below;
use rand_chacha::ChaCha8Rng;

/// The table's name.
pub const TABLE: &str = "acct";
/// The key column.
pub const KEY: &str = "pk";
/// The column with the id of the op merged last.
pub const OP: &str = "op";
/// The column of [`Role::Ops`].
pub const OPS: &str = "ops";
/// The column of [`Role::OpCount`].
pub const OP_COUNT: &str = "op_count";
/// The column of [`Role::OpSum`].
pub const OP_SUM: &str = "op_sum";

/// The partition that the calibration set is written to.
const CALIBRATED: u32 = 0;
/// Keys of the calibration set: one for every subset of the first three writes that set values.
const CALIBRATION_KEYS: u64 = 8;
/// The word that the values of each write before the boundary stand for. The words rise, then fall and
/// repeat, so that max, min, ignore and union all make a difference.
const BEFORE: [u32; 3] = [1 << 30, 3 << 30, 1 << 30];
/// The word for the write after the boundary.
const AFTER: u32 = 1 << 31;

/// The number of ops in the calibration set. They have ids 1 to this; the ops of the load follow.
pub const CALIBRATION_OPS: u64 = CALIBRATION_KEYS * (BEFORE.len() as u64 + 1);

/// The table for a workload, without the optional columns that the target lacks.
pub fn schema(workload: &Workload, left_out: &[String]) -> Schema {
    let kept = workload.columns.iter().filter(|spec| !left_out.contains(&spec.name));
    let data = kept.map(|spec| Column {
        name: spec.name.clone(),
        ty: spec.ty,
        merge: spec.merge,
        optional: spec.optional,
        role: Role::Data,
    });
    let trace =
        |name: &str, ty, merge, role| Column { name: name.to_owned(), ty, merge, optional: false, role };
    let traces = match workload.provenance {
        Provenance::Full => vec![trace(OPS, Type::LongList, Merge::Append, Role::Ops)],
        Provenance::Digest => vec![
            trace(OP_COUNT, Type::Long, Merge::Increment, Role::OpCount),
            trace(OP_SUM, Type::Long, Merge::Increment, Role::OpSum),
        ],
        Provenance::None => Vec::new(),
    };
    Schema {
        table: TABLE.to_owned(),
        key: KEY.to_owned(),
        comparison: workload.comparison.clone(),
        op: OP.to_owned(),
        columns: data.chain(traces).collect(),
        provenance: workload.provenance,
        rules: Rules::default(),
    }
}

fn op(id: u64, partition: u32, key: String, cols: Vec<Value>, due: Nanos) -> Op {
    Op { id, partition, key, cmp: id.cast_signed(), cols, delete: false, due }
}

/// The op that deletes the key instead of writing to it.
fn deleting(op: Op) -> Op {
    Op { cols: op.cols.iter().map(|_| Value::Null).collect(), delete: true, ..op }
}

/// The calibration set. It is small, free of faults, and enough to see whether model and target agree on
/// every merge function (`RULES.md` 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalibrationOps {
    /// Written first, three writes per key. Write w of key n sets values iff bit w of n is set, so that every
    /// merge function meets a value and a null as the first, second and third write.
    pub before: Vec<Op>,
    /// Written after one boundary: a fourth write per key, onto a row in a committed segment.
    pub after: Vec<Op>,
}

/// Makes the calibration set. Ids run from 1. All ops are due at once, in this order per key.
pub fn calibration(schema: &Schema) -> CalibrationOps {
    let key = |n: u64| format!("cal-{n}");
    let writes =
        (0..).zip(BEFORE).flat_map(|(write, word)| (0..CALIBRATION_KEYS).map(move |n| (write, word, n)));
    let before = (1..).zip(writes).map(|(id, (write, word, n))| {
        let cols = if n >> write & 1 == 1 { full(schema, id, word) } else { silent(schema, id) };
        op(id, CALIBRATED, key(n), cols, Nanos(0))
    });
    let before: Vec<Op> = before.collect();
    let after = (before.len() as u64 + 1..)
        .zip(0..CALIBRATION_KEYS)
        .map(|(id, n)| op(id, CALIBRATED, key(n), full(schema, id, AFTER), Nanos(0)));
    CalibrationOps { after: after.collect(), before }
}

/// A partition's canary: one write that sets every column. When it arrives at a replica, the replica's
/// consuming position moves.
pub fn canary(schema: &Schema, partition: u32, id: u64, now: Nanos) -> Op {
    let word = (op_hash(id).cast_unsigned() >> 32) as u32;
    op(id, partition, format!("canary-{partition}"), full(schema, id, word), now)
}

/// Ids of ops that fill segments are above this, so that no other op has them.
const FILLERS: u64 = 1 << 32;

/// The filler op with this number. It has a key of its own and sets no value, so it costs little and is
/// merged onto nothing.
pub fn filler(schema: &Schema, partition: u32, number: u64) -> Op {
    let cols = silent(schema, FILLERS + number);
    op(FILLERS + number, partition, format!("filler-{partition}-{number}"), cols, Nanos(0))
}

/// The ops of the load, without end.
pub struct Generator {
    arrivals: Arrivals,
    keys: Keyspace,
    columns: Columns,
    deletes: ChaCha8Rng,
    delete_percent: u32,
    /// Ops generated so far.
    generated: u64,
}

impl Generator {
    /// Starts at the first op of the load.
    pub fn new(workload: &Workload, schema: &Schema, seed: Seed) -> Generator {
        Generator {
            arrivals: Arrivals::new(workload.rate_hz, seed),
            keys: Keyspace::new(workload, seed),
            columns: Columns::new(workload, schema, seed),
            deletes: seed.stream(Stream::Deletes),
            delete_percent: workload.delete_percent.into(),
            generated: 0,
        }
    }

    /// The next op. `due` counts from the beginning of the load.
    #[expect(clippy::should_implement_trait, reason = "an iterator's `Option` would never be `None`")]
    pub fn next(&mut self) -> Op {
        let id = self.next_id();
        let (partition, key) = self.keys.draw(self.generated);
        self.generated += 1;
        let op = op(id, partition, key, self.columns.draw(id), self.arrivals.next_due());
        if below(&mut self.deletes, 100) < self.delete_percent { deleting(op) } else { op }
    }

    /// The id that the next op would have. Once the load has ended, canaries are numbered from here.
    pub fn next_id(&self) -> u64 {
        CALIBRATION_OPS + self.generated + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;
    use std::collections::BTreeMap;

    fn workload() -> Workload {
        test_data::workload("partial-upsert")
    }

    fn generated(workload: &Workload, left_out: &[String], seed: u64, ops: usize) -> Vec<Op> {
        let mut generator = Generator::new(workload, &schema(workload, left_out), Seed(seed));
        std::iter::repeat_with(|| generator.next()).take(ops).collect()
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
            assert_eq!(op.cols[schema.role(Role::Ops).expect("full")], Value::Longs(vec![op.cmp]));
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

    #[test]
    fn calibration_meets_every_choice_of_null_and_value_in_three_writes() {
        let schema = schema(&workload(), &[]);
        let CalibrationOps { before, after } = calibration(&schema);
        let ids: Vec<u64> = before.iter().chain(&after).map(|op| op.id).collect();
        assert_eq!(ids, (1..=CALIBRATION_OPS).collect::<Vec<u64>>());
        let data = |op: &Op| {
            (0..schema.columns.len())
                .filter(|at| schema.columns[*at].role == Role::Data)
                .map(|at| op.cols[at] != Value::Null)
                .collect::<Vec<bool>>()
        };
        for n in 0..CALIBRATION_KEYS {
            let writes: Vec<&Op> = before.iter().filter(|op| op.key == format!("cal-{n}")).collect();
            assert_eq!(writes.len(), BEFORE.len());
            for (write, op) in writes.iter().enumerate() {
                assert!(
                    data(op).iter().all(|given| *given == (n >> write & 1 == 1)),
                    "key {n}, write {write}"
                );
                assert_ne!(op.cols[schema.role(Role::Ops).expect("full")], Value::Null);
            }
        }
        assert_eq!(after.len(), CALIBRATION_KEYS as usize);
        assert!(after.iter().all(|op| data(op).iter().all(|given| *given)));
    }

    #[test]
    fn a_canary_writes_every_column_under_a_key_of_its_own() {
        let schema = schema(&workload(), &[]);
        let op = canary(&schema, 1, 777, Nanos(5));
        assert_eq!(
            (op.id, op.partition, op.key.as_str(), op.cmp, op.due),
            (777, 1, "canary-1", 777, Nanos(5))
        );
        assert!(!op.cols.contains(&Value::Null));
    }
}
