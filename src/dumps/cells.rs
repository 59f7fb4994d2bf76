//! The cells of one row, as bytes in one buffer, and the value that each stands for.

use dissent_core::history::canonical;
use dissent_core::history::schema::{Type, Value};
use std::borrow::Cow;

/// What a cell is, as far as its format tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellKind {
    /// No value.
    Null,
    /// Text of a CSV file, which may stand for anything.
    Text,
    /// A JSON string, unescaped.
    String,
    /// A JSON number, as written.
    Number,
    /// `true` or `false` of JSON.
    Boolean,
    /// A JSON array or object, as written.
    Nested,
}

/// One cell of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct DumpCell {
    /// The place of its column in the layout of its file.
    pub(super) column: usize,
    pub(super) kind: CellKind,
    start: usize,
    end: usize,
}

/// A row: its cells, and the bytes that they consist of.
#[derive(Debug, Default)]
pub(super) struct DumpCells {
    bytes: Vec<u8>,
    cells: Vec<DumpCell>,
}

impl DumpCells {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cells.clear();
    }

    /// Adds a cell with these bytes.
    pub(super) fn push(&mut self, column: usize, kind: CellKind, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.cells.push(DumpCell { column, kind, start, end: self.bytes.len() });
    }

    /// Adds a cell whose bytes `write` appends.
    pub(super) fn push_with(&mut self, column: usize, kind: CellKind, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.cells.push(DumpCell { column, kind, start, end: self.bytes.len() });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DumpCell, &[u8])> {
        self.cells.iter().map(|cell| (*cell, &self.bytes[cell.start..cell.end]))
    }

    /// The cell of a column.
    pub(super) fn of(&self, column: usize) -> Option<(DumpCell, &[u8])> {
        // Most files name their columns in the same order in every row.
        let at = self.cells.get(column).filter(|cell| cell.column == column);
        let cell = at.or_else(|| self.cells.iter().find(|cell| cell.column == column))?;
        Some((*cell, &self.bytes[cell.start..cell.end]))
    }
}

/// How much the formats of the dumps tell of the types of their cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// All of them tell strings, numbers and booleans apart.
    Told,
    /// Some are CSV, so everything is compared as text unless its type is declared.
    Text,
}

/// The value of a cell. What is not of the declared type is taken as the text that it is.
pub(super) fn value(kind: CellKind, bytes: &[u8], declared: Option<Type>, typing: Typing) -> Value {
    let text = text(bytes);
    match (kind, declared) {
        (CellKind::Null, _) => Value::Null,
        (_, Some(ty)) => canonical::value(ty, &text).unwrap_or_else(|| Value::String(text.into())),
        (CellKind::Text, None) => Value::String(text.into()),
        (_, None) if typing == Typing::Text => Value::String(text.into()),
        (CellKind::Nested, None) => nested(&text),
        (CellKind::String, None) => string(&text),
        (CellKind::Number, None) => number(&text),
        (CellKind::Boolean, None) => Value::Boolean(bytes == b"true"),
    }
}

/// Bytes as text. Those that are not UTF-8 become their own names, so that others stay others.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\u{fffd}{byte:02x}")));
    }
    Cow::Owned(text)
}

/// A string. One that looks like what only text can hold, a large number or a document, keeps its quotes,
/// to be told from it.
fn string(text: &str) -> Value {
    let other = match text.as_bytes().first() {
        Some(b'{' | b'[') => nested(text),
        _ => canonical::decimal(text).map_or(Value::Null, |digits| number(&digits)),
    };
    match other {
        Value::String(_) => Value::String(serde_json::to_string(text).unwrap_or_default().into()),
        _ => Value::String(text.into()),
    }
}

/// A number, exactly: as a long or a double if it is one, else as its digits.
fn number(text: &str) -> Value {
    // The only number that is equal to another one and is not the same.
    if text.starts_with('-') && text.bytes().all(|byte| !matches!(byte, b'1'..=b'9')) {
        return Value::double(-0.0);
    }
    let Some(digits) = canonical::decimal(text) else { return Value::String(text.into()) };
    if let Ok(long) = digits.parse() {
        return Value::Long(long);
    }
    let double: Option<f64> = digits.parse().ok().filter(|double: &f64| double.is_finite());
    let is_exact = |double: &f64| canonical::decimal(&format!("{double:e}")).as_ref() == Some(&digits);
    double.filter(is_exact).map_or(Value::String(digits.into()), Value::double)
}

fn nested(text: &str) -> Value {
    let Some(text) = canonical::json(text) else { return Value::String(text.into()) };
    match serde_json::from_str(&text) {
        Ok(list @ (Value::Longs(_) | Value::Strings(_))) => list,
        _ => Value::String(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: CellKind, text: &str) -> Value {
        value(kind, text.as_bytes(), None, Typing::Told)
    }

    #[test]
    fn numbers_are_equal_only_if_all_their_digits_are() {
        let number = |text| told(CellKind::Number, text);
        assert_eq!(number("1"), Value::Long(1));
        assert_eq!((number("1.0"), number("10e-1")), (Value::Long(1), Value::Long(1)));
        assert_eq!(number("0.1"), Value::double(0.1));
        assert_eq!(number("1e300"), number("1.0e+300"));
        assert_ne!(number("0.1"), number("0.1000000000000000055511151231257827"));
        assert_ne!(number("9007199254740993"), number("9007199254740992.0"));
        assert_ne!(number("123456789012345678901234567890"), number("123456789012345678901234567891"));
        assert_ne!(number("-0.0"), number("0.0"));
    }

    #[test]
    fn a_number_is_no_string_and_null_is_not_empty() {
        for text in ["1", "0.5", "123456789012345678901234567890", "true"] {
            let kind = if text == "true" { CellKind::Boolean } else { CellKind::Number };
            assert_ne!(told(kind, text), told(CellKind::String, text), "{text}");
            let as_text = |kind| value(kind, text.as_bytes(), None, Typing::Text);
            assert_eq!(as_text(kind), as_text(CellKind::Text), "{text}");
        }
        assert_ne!(told(CellKind::Null, ""), told(CellKind::String, ""));
    }

    #[test]
    fn declared_types_decide() {
        let of = |ty, text: &str| value(CellKind::Text, text.as_bytes(), Some(ty), Typing::Text);
        assert_eq!(of(Type::Decimal, "1.50"), of(Type::Decimal, "1.5"));
        assert_ne!(of(Type::String, "1.50"), of(Type::String, "1.5"));
        assert_eq!(of(Type::Decimal, "n/a"), Value::String("n/a".into()));
        assert_eq!(told(CellKind::Nested, "[1, 2]"), Value::Longs([1, 2].into()));
        assert_eq!(
            told(CellKind::Nested, r#"{"b":1,"a":null}"#),
            Value::String(r#"{"a":null,"b":1}"#.into())
        );
    }
}
