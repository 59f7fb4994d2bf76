//! A frame that holds a table instead of lines of JSON: what all tables have in common.
//!
//! A table says the same as its lines would, column by column, because numbers of one column need few bits
//! and are read without a parser. It begins with a byte that no JSON text begins with, then its kind and the
//! number of its lines. What a table cannot hold (a value that is not of its column's type) is kept as lines.

/// The first byte of a table. No line of JSON begins with it.
pub(super) const TABLE: u8 = 1;
/// No table has more lines than this.
pub(super) const LINES_MAX: usize = 1 << 16;
/// No column of lists has more items than this, over all lines.
pub(super) const ITEMS_MAX: usize = 1 << 20;
/// The strings of a column, over all lines, are no longer than this.
pub(super) const TEXT_MAX: usize = 16 << 20;

/// What the lines of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    /// Rows.
    Rows = 1,
    /// Log entries.
    Entries = 2,
    /// Current flags.
    Flags = 3,
    /// Events.
    Events = 4,
}

/// Why the bytes of a table cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("garbled table: {0}")]
pub struct Garbled(pub(super) &'static str);

impl From<Garbled> for serde_json::Error {
    fn from(garbled: Garbled) -> serde_json::Error {
        serde::de::Error::custom(garbled)
    }
}

/// Whether a frame holds a table.
pub(super) fn is_table(frame: &[u8]) -> bool {
    frame.first() == Some(&TABLE)
}

/// Begins a table.
pub(super) fn begin(out: &mut Vec<u8>, kind: TableKind, lines: usize) {
    out.clear();
    out.extend([TABLE, kind as u8]);
    put_varint(out, lines as u64);
}

/// The kind of a table, the number of its lines, and the rest of it.
pub(super) fn open(table: &[u8]) -> Result<(TableKind, usize, Bytes<'_>), Garbled> {
    let mut bytes = Bytes(table);
    if bytes.byte()? != TABLE {
        return Err(Garbled("it is none"));
    }
    let kinds = [TableKind::Rows, TableKind::Entries, TableKind::Flags, TableKind::Events];
    let kind = bytes.byte()?;
    let kind = kinds.into_iter().find(|known| *known as u8 == kind).ok_or(Garbled("unknown kind"))?;
    let lines = bytes.size(LINES_MAX)?;
    if lines == 0 { Err(Garbled("no lines")) } else { Ok((kind, lines, bytes)) }
}

/// Like [`open`], for a table of this kind.
pub(super) fn open_as(table: &[u8], wanted: TableKind) -> Result<(usize, Bytes<'_>), Garbled> {
    match open(table)? {
        (kind, lines, bytes) if kind == wanted => Ok((lines, bytes)),
        _ => Err(Garbled("another kind of table")),
    }
}

/// Seven bits a byte, the lowest first. All but the last have the highest bit set.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign become short.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// The unread rest of a table.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Garbled> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Garbled("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Garbled> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Garbled("a number is too long"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Garbled> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A number that is at most `most`.
    pub(super) fn size(&mut self, most: usize) -> Result<usize, Garbled> {
        let size = self.varint()?;
        usize::try_from(size).ok().filter(|size| *size <= most).ok_or(Garbled("a size is too large"))
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Garbled> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbled("more follows its last column")) }
    }
}
