//! Rows of a file with one JSON object on each line.

use crate::cells::{CellKind, DumpCells};
use crate::layout::Layout;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

/// Reads the objects of one file.
pub(super) struct JsonReader<R> {
    from: R,
    record: Vec<u8>,
    line: u64,
}

impl<R: BufRead> JsonReader<R> {
    pub(super) fn new(from: R) -> Self {
        JsonReader { from, record: Vec::new(), line: 0 }
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next row. False after the last one.
    pub(super) fn next(&mut self, cells: &mut DumpCells, layout: &mut Layout) -> Result<bool, String> {
        cells.clear();
        loop {
            self.record.clear();
            if self.from.read_until(b'\n', &mut self.record).map_err(|error| error.to_string())? == 0 {
                return Ok(false);
            }
            self.line += 1;
            if !self.record.trim_ascii().is_empty() {
                break;
            }
        }
        let mut json = Deserializer::from_slice(&self.record);
        json.deserialize_map(Row { cells, layout }).and_then(|()| json.end()).map_err(|error| {
            // It would quote the value that it found, which may be nobody's business.
            if error.is_data() {
                return "the line is no object with the columns of a row".to_owned();
            }
            // The line is ours, and every file would begin at its first one.
            let error = error.to_string();
            error
                .split_once(" at line 1 column ")
                .map_or_else(|| error.clone(), |(what, column)| format!("{what}, column {column}"))
        })?;
        Ok(true)
    }
}

struct Row<'r> {
    cells: &'r mut DumpCells,
    layout: &'r mut Layout,
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object with the columns of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            let column = self.layout.place_near(&name, expected);
            expected = column + 1;
            push(self.cells, column, value.get());
        }
        Ok(())
    }
}

/// A name, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn push(cells: &mut DumpCells, column: usize, value: &str) {
    let bytes = value.as_bytes();
    match bytes.first() {
        Some(b'"') if !value.contains('\\') => {
            cells.push(column, CellKind::String, &bytes[1..bytes.len() - 1])
        }
        Some(b'"') => {
            // Half of a surrogate pair is no text, and stays as it is written.
            let string: String = serde_json::from_str(value).unwrap_or_else(|_| value.to_owned());
            cells.push(column, CellKind::String, string.as_bytes());
        }
        Some(b'n') => cells.push(column, CellKind::Null, b""),
        Some(b't' | b'f') => cells.push(column, CellKind::Boolean, bytes),
        Some(b'{' | b'[') => cells.push(column, CellKind::Nested, bytes),
        _ => cells.push(column, CellKind::Number, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_their_places_in_whatever_order_they_come() {
        let text = "{\"a\":1,\"b\":\"x\\ty\"}\n\n{\"b\":null,\"c\":[1, 2],\"a\":true}\n";
        let (mut layout, mut cells) = (Layout::default(), DumpCells::default());
        let mut reader = JsonReader::new(text.as_bytes());
        let row = |cells: &DumpCells| -> Vec<(usize, CellKind, String)> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            cells.iter().map(|(cell, bytes)| (cell.column, cell.kind, text(bytes))).collect()
        };
        assert_eq!(reader.next(&mut cells, &mut layout), Ok(true));
        assert_eq!(row(&cells)[1], (1, CellKind::String, "x\ty".to_owned()));
        assert_eq!(reader.next(&mut cells, &mut layout), Ok(true));
        assert_eq!(
            row(&cells)[1..],
            [(2, CellKind::Nested, "[1, 2]".to_owned()), (0, CellKind::Boolean, "true".to_owned()),]
        );
        assert_eq!((reader.next(&mut cells, &mut layout), reader.line()), (Ok(false), 3));
    }

    #[test]
    fn what_is_no_object_is_said() {
        for text in ["[1]", "{\"a\":1", "{\"a\":1} x", "{a:1}", "1"] {
            let mut reader = JsonReader::new(text.as_bytes());
            assert!(reader.next(&mut DumpCells::default(), &mut Layout::default()).is_err(), "{text}");
        }
    }
}
