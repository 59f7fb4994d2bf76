//! The values that ops write. They merge visibly and are never what a target shows for "nothing".

use crate::history::schema::{Column, Merge, Role, Schema, Type, Value, op_hash};
use crate::history::workload::Workload;
use crate::seed::{Seed, Stream};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// The value that a 32-bit word stands for in a data column. A larger word gives a larger value.
///
/// Numbers begin at 1, strings begin with `v`, and lists have one element. Decimals are too large for a long,
/// and have a fraction. So, but for booleans, a default (the least long, 0,
/// `null`, an empty list) in a row is evidence that nothing was merged there. Increments are so small that a
/// column would need 10^15 updates to overflow. Values of a union are so few that they repeat.
pub(super) fn value(column: &Column, word: u32) -> Value {
    let count = match column.merge {
        Merge::Increment => 1_000,
        Merge::Union => 50,
        Merge::Overwrite | Merge::Ignore | Merge::Append | Merge::Max | Merge::Min => 1_000_000,
    };
    let number = 1 + ((u64::from(word) * count) >> 32).cast_signed();
    match column.ty {
        Type::Long => Value::Long(number),
        Type::Double => Value::double(number as f64 + 0.25),
        Type::Decimal => Value::String(format!("{number}0000000000000000001.5").into()),
        Type::Boolean => Value::Boolean(word > u32::MAX / 2),
        Type::String => Value::String(format!("v{number}").into()),
        Type::Timestamp => Value::String(instant(number).into()),
        Type::Bytes => Value::String(format!("{number:016x}").into()),
        Type::Json => Value::String(format!("{{\"v\":{number}}}").into()),
        Type::LongList => Value::Longs([number].into()),
        Type::StringList => Value::Strings([format!("v{number}").into()].into()),
    }
}

/// An instant on the first day of 2020, in the only form that a value has: without zeros at the end.
fn instant(number: i64) -> String {
    let (seconds, millis) = (number / 100, number % 100 * 10 + 1);
    format!("2020-01-01T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// What an op adds to a column that records ops; `Null` for a data column.
fn trace(role: Role, op: u64) -> Value {
    match role {
        Role::Data => Value::Null,
        Role::Ops => Value::Longs([op.cast_signed()].into()),
        Role::OpCount => Value::Long(1),
        Role::OpSum => Value::Long(op_hash(op)),
    }
}

/// The columns of an op that sets nothing besides its own id.
pub(super) fn silent(schema: &Schema, op: u64) -> Vec<Value> {
    schema.columns.iter().map(|column| trace(column.role, op)).collect()
}

/// The columns of an op that sets every data column to the value of this word.
pub(super) fn full(schema: &Schema, op: u64, word: u32) -> Vec<Value> {
    let cols = schema.columns.iter().map(|column| match column.role {
        Role::Data => value(column, word),
        role => trace(role, op),
    });
    cols.collect()
}

/// A data column of the workload, and how likely an op sets it.
struct ValueDraw {
    /// Its position in the schema; `None` if the target lacks the column.
    at: Option<usize>,
    /// Whether the target may lack it.
    optional: bool,
    /// The column is set if the drawn word is below this.
    below: u64,
}

/// Draws the columns of the load's ops.
pub(super) struct Columns {
    rng: ChaCha8Rng,
    schema: Schema,
    draws: Vec<ValueDraw>,
    /// Positions in the schema of the columns that every target has.
    always: Vec<usize>,
}

impl Columns {
    pub(super) fn new(workload: &Workload, schema: &Schema, seed: Seed) -> Columns {
        let draws = workload.columns.iter().map(|column| ValueDraw {
            at: schema.position(&column.name),
            optional: column.optional,
            below: (u64::from(column.touched_percent) << 32) / 100,
        });
        let draws: Vec<ValueDraw> = draws.collect();
        let always = draws.iter().filter(|draw| !draw.optional).filter_map(|draw| draw.at);
        Columns { rng: seed.stream(Stream::Columns), always: always.collect(), schema: schema.clone(), draws }
    }

    /// The columns of an op. At least one column that is not optional has a value. Columns that the target
    /// lacks are drawn all the same, so that ops differ between targets only in the columns left out.
    pub(super) fn draw(&mut self, op: u64) -> Vec<Value> {
        let mut cols = silent(&self.schema, op);
        let (mut touched, mut last) = (false, 0);
        for draw in &self.draws {
            let word = self.rng.next_u64();
            last = (word >> 32) as u32;
            if (word & u64::from(u32::MAX)) >= draw.below {
                continue;
            }
            touched |= !draw.optional;
            if let Some(at) = draw.at {
                cols[at] = value(&self.schema.columns[at], last);
            }
        }
        if !touched && !self.always.is_empty() {
            let at = self.always[(op % self.always.len() as u64) as usize];
            cols[at] = value(&self.schema.columns[at], last);
        }
        cols
    }
}
