//! Rows of a CSV file (RFC 4180), with the one distinction that libraries drop: whether an empty cell was
//! quoted. PostgreSQL, DuckDB and others write null as nothing, and an empty string as `""`.

use crate::cells::{CellKind, DumpCells};
use crate::layout::Layout;
use memchr::{memchr, memchr_iter};
use std::io::BufRead;

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CsvFormat {
    /// Between two cells.
    pub(super) delimiter: u8,
    /// What stands for null besides an unquoted empty cell. None: only that.
    pub(super) null: Option<String>,
}

/// Reads the records of one file.
pub(super) struct CsvReader<R> {
    from: R,
    format: CsvFormat,
    record: Vec<u8>,
    /// The column of each cell of a record.
    columns: Vec<usize>,
    /// The line at which the last record began, and how many lines it had.
    line: u64,
    lines: u64,
}

impl<R: BufRead> CsvReader<R> {
    /// Reads the header, and enters its names into the layout.
    pub(super) fn new(from: R, format: CsvFormat, layout: &mut Layout) -> Result<Self, String> {
        let mut reader =
            CsvReader { from, format, record: Vec::new(), columns: Vec::new(), line: 0, lines: 1 };
        let mut header = DumpCells::default();
        if !reader.take_record().map_err(|error| error.to_string())? {
            return Err("the file is empty: the first line must name the columns".to_owned());
        }
        reader.split(&mut header)?;
        for (_, name) in header.iter() {
            let name = String::from_utf8_lossy(name);
            let column = layout.place(name.trim_start_matches('\u{feff}').trim());
            if reader.columns.contains(&column) {
                return Err(format!("two columns are called `{name}`"));
            }
            reader.columns.push(column);
        }
        Ok(reader)
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next row. False after the last one.
    pub(super) fn next(&mut self, cells: &mut DumpCells) -> Result<bool, String> {
        cells.clear();
        if !self.take_record().map_err(|error| error.to_string())? {
            return Ok(false);
        }
        self.split(cells)?;
        Ok(true)
    }

    /// The next record into `self.record`, without its end of line. Blank lines are skipped.
    fn take_record(&mut self) -> std::io::Result<bool> {
        loop {
            self.line += self.lines;
            self.lines = 0;
            self.record.clear();
            // A line break within quotes belongs to the cell.
            while self.lines == 0 || memchr_iter(b'"', &self.record).count() % 2 == 1 {
                if self.from.read_until(b'\n', &mut self.record)? == 0 {
                    break;
                }
                self.lines += 1;
            }
            if self.lines == 0 {
                return Ok(false);
            }
            if self.record.last() == Some(&b'\n') {
                self.record.pop();
            }
            if self.record.last() == Some(&b'\r') {
                self.record.pop();
            }
            if !self.record.is_empty() || self.columns.len() == 1 {
                return Ok(true);
            }
        }
    }

    fn split(&self, cells: &mut DumpCells) -> Result<(), String> {
        let mut at = 0;
        let mut count = 0;
        loop {
            let rest = &self.record[at..];
            let column = match self.columns.get(count) {
                Some(column) => *column,
                None if self.columns.is_empty() => count,
                None => return Err(self.wrong_number("more")),
            };
            count += 1;
            let taken = match rest.first() {
                Some(b'"') => quoted(rest, column, cells).ok_or("a quoted cell has no end")?,
                _ => self.plain(rest, column, cells),
            };
            at += taken;
            match self.record.get(at) {
                None => break,
                Some(next) if *next == self.format.delimiter => at += 1,
                Some(_) => return Err("text follows the closing quote of a cell".to_owned()),
            }
        }
        match count == self.columns.len() || self.columns.is_empty() {
            true => Ok(()),
            false => Err(self.wrong_number("fewer")),
        }
    }

    fn wrong_number(&self, than: &str) -> String {
        format!("{than} cells than the {} columns that the header names", self.columns.len())
    }

    fn plain(&self, rest: &[u8], column: usize, cells: &mut DumpCells) -> usize {
        let end = memchr(self.format.delimiter, rest).unwrap_or(rest.len());
        let cell = &rest[..end];
        let is_null =
            cell.is_empty() || self.format.null.as_ref().is_some_and(|null| null.as_bytes() == cell);
        cells.push(column, if is_null { CellKind::Null } else { CellKind::Text }, cell);
        end
    }
}

/// Takes a quoted cell from the start of `rest`. Returns its length there; none if it has no end.
fn quoted(rest: &[u8], column: usize, cells: &mut DumpCells) -> Option<usize> {
    let mut parts = Vec::new();
    let mut at = 1;
    loop {
        let quote = at + memchr(b'"', &rest[at..])?;
        match rest.get(quote + 1) {
            // Two quotes stand for one.
            Some(b'"') => {
                parts.push(at..quote + 1);
                at = quote + 2;
            }
            _ => {
                parts.push(at..quote);
                at = quote + 1;
                break;
            }
        }
    }
    cells.push_with(column, CellKind::Text, |bytes| {
        parts.into_iter().for_each(|part| bytes.extend_from_slice(&rest[part]));
    });
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, null: Option<&str>) -> Result<Vec<Vec<Option<String>>>, String> {
        let format = CsvFormat { delimiter: b',', null: null.map(str::to_owned) };
        let mut reader = CsvReader::new(text.as_bytes(), format, &mut Layout::default())?;
        let (mut cells, mut rows) = (DumpCells::default(), Vec::new());
        while reader.next(&mut cells)? {
            let text = |(cell, bytes): (crate::cells::DumpCell, &[u8])| {
                (cell.kind != CellKind::Null).then(|| String::from_utf8_lossy(bytes).into_owned())
            };
            rows.push(cells.iter().map(text).collect());
        }
        Ok(rows)
    }

    #[test]
    fn null_is_not_the_empty_string() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(rows("a,b\n,\"\"\n", None), Ok(vec![vec![None, some("")]]));
        assert_eq!(rows("a,b\n\\N,\"\\N\"\n", Some("\\N")), Ok(vec![vec![None, some("\\N")]]));
    }

    #[test]
    fn quotes_line_breaks_and_ends_of_line() {
        let some = |text: &str| Some(text.to_owned());
        let text = "\u{feff}a,b\r\n\"x \"\"y\"\", z\n1\",2\r\n\r\n3,\u{fc}";
        assert_eq!(
            rows(text, None),
            Ok(vec![vec![some("x \"y\", z\n1"), some("2")], vec![some("3"), some("ü")]])
        );
    }

    #[test]
    fn what_is_no_csv_is_said() {
        for (text, why) in [
            ("", "empty"),
            ("a,a\n", "two columns"),
            ("a,b\n1\n", "fewer cells"),
            ("a,b\n1,2,3\n", "more cells"),
            ("a,b\n\"1,2\n", "no end"),
            ("a,b\n\"1\"x,2\n", "follows the closing quote"),
        ] {
            assert!(rows(text, None).expect_err(text).contains(why), "{text}");
        }
    }
}
