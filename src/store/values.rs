//! Columns of values, packed by the type that the schema gives them.
//!
//! ```text
//! form                  0, or 1 if each value is the hash of its line's op
//! codes                 by line: no value, a value of the type, or the type's default
//! values                numbers, strings, or the lengths of lists and then their items
//! ```

use super::packed::{Packing, numbers, put_numbers};
use super::table::{Bytes, Garbled, ITEMS_MAX};
use super::texts::{Texts, put_texts};
use dissent_core::history::schema::{Column, Role, Type, Value, op_hash};
use std::sync::Arc;

const VALUES: u8 = 0;
const OP_HASHES: u8 = 1;

const NONE: i64 = 0;
const TOLD: i64 = 1;
const DEFAULT: i64 = 2;

/// What the values of a type are kept as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Numbers,
    Texts,
    NumberLists,
    TextLists,
}

fn kept(ty: Type) -> Kept {
    match ty {
        Type::Long | Type::Double | Type::Boolean => Kept::Numbers,
        Type::Decimal | Type::String | Type::Timestamp | Type::Bytes | Type::Json => Kept::Texts,
        Type::LongList => Kept::NumberLists,
        Type::StringList => Kept::TextLists,
    }
}

/// How a column notes a value; none if it cannot hold it.
fn code(ty: Type, value: &Value) -> Option<i64> {
    if *value == Value::Null {
        return Some(NONE);
    }
    if ty.is_default(value) {
        return Some(DEFAULT);
    }
    let is_told = match value {
        Value::Null => false,
        Value::Boolean(_) => ty == Type::Boolean,
        Value::Long(_) => ty == Type::Long,
        Value::Double(double) => ty == Type::Double && double.get().is_finite(),
        Value::String(_) => kept(ty) == Kept::Texts,
        Value::Longs(_) => ty == Type::LongList,
        Value::Strings(_) => ty == Type::StringList,
    };
    is_told.then_some(TOLD)
}

/// Whether the columns can hold these values.
pub(super) fn can_hold(columns: &[Column], values: &[Value]) -> bool {
    let mut each = columns.iter().zip(values);
    columns.len() == values.len() && each.all(|(column, value)| code(column.ty, value).is_some())
}

/// About how many bytes a value takes.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) | Value::Long(_) | Value::Double(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Longs(longs) => 8 + 8 * longs.len(),
        Value::Strings(texts) => texts.iter().map(|text| 8 + text.len()).sum::<usize>() + 8,
    }
}

/// Adds a column, given the ops of the lines. None if it cannot hold the values.
pub(super) fn put_values<'v>(
    out: &mut Vec<u8>,
    column: &Column,
    ops: &[i64],
    values: impl Iterator<Item = &'v Value> + Clone,
) -> Option<()> {
    let is_hash = |(value, op): (&Value, &i64)| *value == Value::Long(op_hash(op.cast_unsigned()));
    if column.role == Role::OpSum && column.ty == Type::Long && values.clone().zip(ops).all(is_hash) {
        out.push(OP_HASHES);
        return Some(());
    }
    out.push(VALUES);
    let codes: Vec<i64> = values.clone().map(|value| code(column.ty, value)).collect::<Option<_>>()?;
    put_numbers(out, &codes, Packing::Bits);
    let told = values.zip(&codes).filter(|(_, code)| **code == TOLD).map(|(value, _)| value);
    match kept(column.ty) {
        Kept::Numbers => {
            let longs: Vec<i64> = told.map(bits).collect();
            put_numbers(out, &longs, Packing::Bits);
        }
        Kept::Texts => put_texts(out, told.map(text), Packing::Bits)?,
        Kept::NumberLists => {
            let lists = told.map(|value| if let Value::Longs(longs) = value { &longs[..] } else { &[] });
            put_lengths(out, lists.clone().map(<[i64]>::len))?;
            put_numbers(out, &lists.flatten().copied().collect::<Vec<i64>>(), Packing::Bytes);
        }
        Kept::TextLists => {
            let lists = told.map(|value| if let Value::Strings(texts) = value { &texts[..] } else { &[] });
            put_lengths(out, lists.clone().map(<[Arc<str>]>::len))?;
            put_texts(out, lists.flatten().map(|text| &**text), Packing::Bytes)?;
        }
    }
    Some(())
}

fn put_lengths(out: &mut Vec<u8>, lengths: impl Iterator<Item = usize>) -> Option<()> {
    let lengths: Vec<i64> = lengths.map(|length| length as i64).collect();
    put_numbers(out, &lengths, Packing::Bits);
    (lengths.iter().sum::<i64>() <= ITEMS_MAX as i64).then_some(())
}

/// The number that stands for a value.
fn bits(value: &Value) -> i64 {
    match value {
        Value::Boolean(boolean) => i64::from(*boolean),
        Value::Double(double) => double.get().to_bits().cast_signed(),
        Value::Long(long) => *long,
        _ => 0,
    }
}

fn text(value: &Value) -> &str {
    if let Value::String(text) = value { text } else { "" }
}

/// Reads lengths of lists, and returns how many items they have together.
pub(super) fn read_lengths(from: &mut Bytes<'_>, count: usize, to: &mut Vec<i64>) -> Result<usize, Garbled> {
    numbers(from, count, to)?;
    let mut total = 0_usize;
    for length in to {
        let length = usize::try_from(*length).ok().filter(|length| *length <= ITEMS_MAX);
        total += length.ok_or(Garbled("a list is too long"))?;
    }
    if total <= ITEMS_MAX { Ok(total) } else { Err(Garbled("its lists are too long")) }
}

/// A column that was read. Its values are taken in order.
pub(super) struct ValueColumn {
    ty: Type,
    /// What stands for the default.
    default: Value,
    codes: Vec<i64>,
    /// The numbers, or the items of the lists of numbers.
    numbers: Vec<i64>,
    lengths: Vec<i64>,
    texts: Texts,
    /// The next line, the next value that is told, and the next item of a list.
    line: usize,
    told: usize,
    item: usize,
}

impl ValueColumn {
    pub(super) fn new(column: &Column) -> ValueColumn {
        let (ty, default) = (column.ty, column.ty.default_value());
        let (codes, numbers, lengths) = (Vec::new(), Vec::new(), Vec::new());
        let texts = Texts::default();
        ValueColumn { ty, default, codes, numbers, lengths, texts, line: 0, told: 0, item: 0 }
    }

    /// Replaces what it holds by a column of as many lines as there are ops.
    pub(super) fn read(&mut self, from: &mut Bytes<'_>, ops: &[i64]) -> Result<(), Garbled> {
        (self.line, self.told, self.item) = (0, 0, 0);
        match from.byte()? {
            VALUES => {}
            OP_HASHES if self.ty == Type::Long => {
                self.codes.clear();
                self.codes.resize(ops.len(), TOLD);
                self.numbers.clear();
                self.numbers.extend(ops.iter().map(|op| op_hash(op.cast_unsigned())));
                return Ok(());
            }
            _ => return Err(Garbled("unknown column of values")),
        }
        numbers(from, ops.len(), &mut self.codes)?;
        if self.codes.iter().any(|code| !(NONE..=DEFAULT).contains(code)) {
            return Err(Garbled("unknown code of a value"));
        }
        let told = self.codes.iter().filter(|code| **code == TOLD).count();
        match kept(self.ty) {
            Kept::Numbers => numbers(from, told, &mut self.numbers),
            Kept::Texts => self.texts.read(from, told),
            Kept::NumberLists => {
                let items = read_lengths(from, told, &mut self.lengths)?;
                numbers(from, items, &mut self.numbers)
            }
            Kept::TextLists => {
                let items = read_lengths(from, told, &mut self.lengths)?;
                self.texts.read(from, items)
            }
        }
    }

    /// Replaces `value` by the value of the next line. There must be one.
    pub(super) fn take(&mut self, value: &mut Value) {
        let code = self.codes[self.line];
        self.line += 1;
        match code {
            NONE => *value = Value::Null,
            TOLD => {
                self.take_told(value);
                self.told += 1;
            }
            _ => value.clone_from(&self.default),
        }
    }

    fn take_told(&mut self, value: &mut Value) {
        match kept(self.ty) {
            Kept::Numbers => {
                let number = self.numbers[self.told];
                *value = match self.ty {
                    Type::Boolean => Value::Boolean(number != 0),
                    Type::Double => Value::double(f64::from_bits(number.cast_unsigned())),
                    _ => Value::Long(number),
                };
            }
            Kept::Texts => {
                *value = Value::String(self.texts.shared(self.told));
            }
            Kept::NumberLists => {
                let items = self.items();
                let longs = &self.numbers[items];
                *value = Value::Longs(longs.into());
            }
            Kept::TextLists => {
                let items = self.items();
                // An empty list is always a list of numbers, as it is in JSON.
                let is_empty = items.is_empty();
                *value = if is_empty {
                    Value::Longs(Arc::default())
                } else {
                    Value::Strings(items.map(|at| self.texts.shared(at)).collect())
                };
            }
        }
    }

    /// The items of the next list.
    fn items(&mut self) -> std::ops::Range<usize> {
        let start = self.item;
        self.item += self.lengths[self.told] as usize;
        start..self.item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissent_core::history::schema::Merge;

    fn kept_values(ty: Type, role: Role, values: &[Value]) -> Option<Vec<Value>> {
        let column = Column { role, ..Column::data("x", ty, Merge::Overwrite) };
        let ops: Vec<i64> = (1..).take(values.len()).collect();
        let mut bytes = Vec::new();
        put_values(&mut bytes, &column, &ops, values.iter())?;
        let (mut from, mut read) = (Bytes(&bytes), ValueColumn::new(&column));
        read.read(&mut from, &ops).expect("as written");
        from.end().expect("all was read");
        for cut in 0..bytes.len() {
            assert!(ValueColumn::new(&column).read(&mut Bytes(&bytes[..cut]), &ops).is_err(), "cut at {cut}");
        }
        let mut value = Value::Null;
        let taken = |_: &Value| {
            read.take(&mut value);
            value.clone()
        };
        Some(values.iter().map(taken).collect())
    }

    #[test]
    fn values_of_every_type_are_read_as_they_were_put() {
        let text = |text: &str| Value::String(text.into());
        let texts = |texts: &[&str]| Value::Strings(texts.iter().map(|&text| text.into()).collect());
        for ty in Type::ALL {
            let told = match ty {
                Type::Long => [Value::Long(0), Value::Long(i64::MAX)],
                Type::Double => [Value::double(-0.0), Value::double(1e300)],
                Type::Boolean => [Value::Boolean(true), Value::Boolean(false)],
                Type::LongList => [Value::Longs([1, -2].into()), Value::Longs([i64::MIN].into())],
                Type::StringList => [texts(&["", "b1"]), texts(&["\u{fc}"])],
                _ => [text("1.50"), text("")],
            };
            let [one, other] = told;
            let values = [Value::Null, one.clone(), ty.default_value(), other, Value::Null, one];
            assert_eq!(kept_values(ty, Role::Data, &values).as_deref(), Some(&values[..]), "{ty:?}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_left_to_the_lines() {
        let odd = [(Type::Long, Value::double(1.5)), (Type::Double, Value::Long(1))];
        let texts =
            [(Type::Double, "NaN"), (Type::Long, "a")].map(|(ty, text)| (ty, Value::String(text.into())));
        for (ty, value) in odd.into_iter().chain(texts) {
            assert_eq!(kept_values(ty, Role::Data, &[Value::Null, value]), None, "{ty:?}");
        }
    }

    #[test]
    fn hashes_of_ops_take_no_space_and_other_sums_are_kept() {
        let mut sums: Vec<Value> = (1..100).map(|op| Value::Long(op_hash(op))).collect();
        assert_eq!(kept_values(Type::Long, Role::OpSum, &sums).as_ref(), Some(&sums));
        sums[7] = Value::Null;
        assert_eq!(kept_values(Type::Long, Role::OpSum, &sums).as_ref(), Some(&sums));
    }
}
