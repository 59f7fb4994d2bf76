//! The calibration set: ops that show, before any fault, whether model and target agree (`RULES.md` 3).

use super::columns::{full, silent};
use super::ops::op;
use crate::history::event::Op;
use crate::history::schema::Schema;
use crate::history::time::Nanos;

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

/// The calibration set. It is small, free of faults, and enough to see whether model and target agree on
/// every merge function (`RULES.md` 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalibrationOps {
    /// Written first, three writes per key. Write w of key n sets values iff bit w of n is set, so that every
    /// merge function meets a value and a null as the first, second and third write.
    pub before: Vec<Op>,
    /// Written after one boundary: a fourth write per key, onto a row in a committed segment. Where only the
    /// newest row can be read, half of the keys get a write without values, which shows what was before it.
    pub after: Vec<Op>,
}

/// Makes the calibration set. Ids run from 1. All ops are due at once, in this order per key.
pub fn calibration(schema: &Schema) -> CalibrationOps {
    let key = |n: u64| format!("cal-{n}");
    let writes =
        (0..).zip(BEFORE).flat_map(|(write, word)| (0..CALIBRATION_KEYS).map(move |n| (write, word, n)));
    let before = (1..).zip(writes).map(|(id, (write, word, n))| {
        let cols = if n >> write & 1 == 1 { full(schema, id, word) } else { silent(schema, id) };
        op(id, CALIBRATED, key(n).into(), cols, Nanos(0))
    });
    let before: Vec<Op> = before.collect();
    let after = (before.len() as u64 + 1..).zip(0..CALIBRATION_KEYS).map(|(id, n)| {
        let is_silent = schema.rules.keeps_newest_only() && u64::count_ones(n).is_multiple_of(2);
        let cols = if is_silent { silent(schema, id) } else { full(schema, id, AFTER) };
        op(id, CALIBRATED, key(n).into(), cols, Nanos(0))
    });
    CalibrationOps { after: after.collect(), before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::table::schema;
    use crate::history::schema::{Role, Value};
    use crate::test_data;

    #[test]
    fn calibration_meets_every_choice_of_null_and_value_in_three_writes() {
        let schema = schema(&test_data::workload("partial-upsert"), &[]);
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
            let writes: Vec<&Op> = before.iter().filter(|op| *op.key == *format!("cal-{n}")).collect();
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
}
