//! Current flags as a table: the keys, how many offsets each has, and the offsets.

use super::packed::{Packing, numbers, put_numbers};
use super::table::{self, Garbled, ITEMS_MAX, LINES_MAX, TableKind};
use super::texts::{Texts, put_texts};
use super::values::read_lengths;
use dissent_core::history::row::CurrentRow;

/// About how many bytes the flags of a key take.
pub(super) fn weight(flags: &CurrentRow) -> usize {
    flags.key.len() + 8 * flags.offs.len() + 16
}

/// Replaces what `out` holds by a table of these flags. False if no table can hold them.
pub(super) fn put_flags(out: &mut Vec<u8>, flags: &[&CurrentRow]) -> bool {
    let lengths: Vec<i64> = flags.iter().map(|flags| flags.offs.len() as i64).collect();
    let is_held = 1..=LINES_MAX;
    if !is_held.contains(&flags.len()) || lengths.iter().sum::<i64>() > ITEMS_MAX as i64 {
        return false;
    }
    table::begin(out, TableKind::Flags, flags.len());
    put_numbers(out, &lengths, Packing::Bits);
    let offs = flags.iter().flat_map(|flags| &flags.offs).map(|off| off.cast_signed());
    put_numbers(out, &offs.collect::<Vec<i64>>(), Packing::Bits);
    put_texts(out, flags.iter().map(|flags| &*flags.key), Packing::Bits).is_some()
}

/// The flags of a table.
pub(super) fn read_flags(table: &[u8]) -> Result<Vec<CurrentRow>, Garbled> {
    let (count, mut from) = table::open_as(table, TableKind::Flags)?;
    let (mut lengths, mut offs, mut keys) = (Vec::new(), Vec::new(), Texts::default());
    let items = read_lengths(&mut from, count, &mut lengths)?;
    numbers(&mut from, items, &mut offs)?;
    keys.read(&mut from, count)?;
    from.end()?;
    let mut offs = offs.into_iter().map(i64::cast_unsigned);
    let flags = lengths.iter().enumerate().map(|(at, length)| CurrentRow {
        key: keys.shared(at),
        offs: offs.by_ref().take(*length as usize).collect(),
    });
    Ok(flags.collect())
}
