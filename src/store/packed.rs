//! Columns of whole numbers, in as few bits as the range of most of them needs.
//!
//! ```text
//! form and width        bit 0 of the form: successive differences are packed; bit 1: some do not fit
//! base                  what was subtracted from each number
//! first                 the first number, if differences are packed
//! numbers               width bits each
//! patches               those that do not fit: how many, then the distance from the last, and the bits above
//! ```
//!
//! All arithmetic wraps, so any 64 bits can be kept.

use super::table::{Bytes, Garbled, put_signed, put_varint};

const DIFFERENCES: u8 = 1;
const PATCHED: u8 = 2;

/// Wider numbers take whole words: any narrower one lies within eight bytes, wherever it begins.
const WIDTH_MAX: u32 = 56;
/// The packed numbers are followed by as many bytes as a reader of whole words may look at.
const PADDING: usize = 7;

/// What a column is packed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Few bits.
    Bits,
    /// Whole bytes, so that zstd finds a list in a longer one.
    Bytes,
}

/// How numbers are packed, and how many bits that takes.
struct Plan {
    base: i64,
    width: u32,
    is_patched: bool,
    cost: u64,
}

/// Adds a column. Its length is not part of it.
pub(super) fn put_numbers(out: &mut Vec<u8>, numbers: &[i64], packing: Packing) {
    let plain = plan(numbers.iter().copied(), packing);
    let differences = || numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    if packing == Packing::Bits && numbers.len() > 2 {
        let steps = plan(differences(), packing);
        if steps.cost + 64 < plain.cost {
            return put_planned(out, &steps, numbers.first().copied(), differences());
        }
    }
    put_planned(out, &plain, None, numbers.iter().copied());
}

fn put_planned(out: &mut Vec<u8>, plan: &Plan, first: Option<i64>, numbers: impl Iterator<Item = i64>) {
    let Plan { base, width, is_patched, .. } = *plan;
    out.push(u8::from(first.is_some()) * DIFFERENCES + u8::from(is_patched) * PATCHED);
    out.push(width as u8);
    put_signed(out, base);
    if let Some(first) = first {
        put_signed(out, first);
    }
    let (mut patches, mut count, mut last) = (Vec::new(), 0, 0);
    let (mut word, mut used) = (0_u128, 0);
    for (at, number) in numbers.enumerate() {
        let number = number.wrapping_sub(base).cast_unsigned();
        let low = number & mask(width);
        if low != number {
            count += 1;
            put_varint(&mut patches, (at - last) as u64);
            put_varint(&mut patches, number >> width);
            last = at;
        }
        word |= u128::from(low) << used;
        used += width;
        while used >= 8 {
            out.push(word as u8);
            word >>= 8;
            used -= 8;
        }
    }
    if used > 0 {
        out.push(word as u8);
    }
    if width > 0 {
        out.extend([0; PADDING]);
    }
    if is_patched {
        put_varint(out, count);
        out.extend(patches);
    }
}

fn mask(width: u32) -> u64 {
    u64::MAX.checked_shr(64 - width).unwrap_or(0)
}

/// The cheapest way to pack these numbers.
fn plan(numbers: impl Iterator<Item = i64> + Clone, packing: Packing) -> Plan {
    let base = numbers.clone().min().unwrap_or(0);
    // How many numbers have how many bits.
    let mut lengths = [0_u64; 65];
    for number in numbers {
        lengths[64 - number.wrapping_sub(base).leading_zeros() as usize] += 1;
    }
    let count: u64 = lengths.iter().sum();
    let widest = (0..65).rev().find(|bits| lengths[*bits] > 0).unwrap_or(0) as u32;
    let whole = |width: u32| if width > WIDTH_MAX { 64 } else { width };
    let mut best = Plan { base, width: whole(widest), is_patched: false, cost: 0 };
    if packing == Packing::Bytes {
        best.width = widest.next_multiple_of(8);
    }
    best.cost = count * u64::from(best.width);
    for width in 0..widest.min(WIDTH_MAX + 1) {
        let of_patches = (width as usize + 1..65).map(|bits| {
            let bytes = 2 + (bits as u64 - u64::from(width)).div_ceil(7);
            lengths[bits] * 8 * bytes
        });
        let cost = count * u64::from(width) + of_patches.sum::<u64>() + 8;
        if packing == Packing::Bits && cost < best.cost {
            best = Plan { base, width, is_patched: true, cost };
        }
    }
    best
}

/// Replaces what `to` holds by a column of so many numbers. The caller bounds `count`.
pub(super) fn numbers(from: &mut Bytes<'_>, count: usize, to: &mut Vec<i64>) -> Result<(), Garbled> {
    to.clear();
    let form = from.byte()?;
    let width = u32::from(from.byte()?);
    if form > DIFFERENCES + PATCHED || width > WIDTH_MAX && width != 64 {
        return Err(Garbled("unknown packing"));
    }
    let base = from.signed()?;
    let has_steps = form & DIFFERENCES != 0;
    if has_steps {
        if count == 0 {
            return Err(Garbled("differences of nothing"));
        }
        to.push(from.signed()?);
    }
    let (start, packed) = (to.len(), count - to.len());
    if width == 0 {
        to.resize(count, base);
    } else {
        unpack(from.take((packed * width as usize).div_ceil(8) + PADDING)?, packed, width, base, to)?;
    }
    if form & PATCHED != 0 {
        patch(from, width, &mut to[start..])?;
    }
    if has_steps {
        let mut sum = 0_i64;
        for number in to {
            sum = sum.wrapping_add(*number);
            *number = sum;
        }
    }
    Ok(())
}

fn unpack(bytes: &[u8], count: usize, width: u32, base: i64, to: &mut Vec<i64>) -> Result<(), Garbled> {
    let (mask, width) = (mask(width), width as usize);
    to.reserve(count);
    for at in 0..count {
        let bit = at * width;
        let word = bytes[bit / 8..].first_chunk().ok_or(Garbled("it ends early"))?;
        let number = u64::from_le_bytes(*word) >> (bit % 8) & mask;
        to.push(base.wrapping_add(number.cast_signed()));
    }
    Ok(())
}

fn patch(from: &mut Bytes<'_>, width: u32, numbers: &mut [i64]) -> Result<(), Garbled> {
    let mut at = 0;
    for _ in 0..from.size(numbers.len())? {
        at += from.size(numbers.len())?;
        let number = numbers.get_mut(at).ok_or(Garbled("a patch of nothing"))?;
        let above = from.varint()?.checked_shl(width).ok_or(Garbled("a patch of too many bits"))?;
        *number = number.wrapping_add(above.cast_signed());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(column: &[i64], packing: Packing) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_numbers(&mut bytes, column, packing);
        bytes
    }

    fn unpacked(bytes: &[u8], count: usize) -> Result<Vec<i64>, Garbled> {
        let (mut from, mut column) = (Bytes(bytes), Vec::new());
        numbers(&mut from, count, &mut column)?;
        from.end()?;
        Ok(column)
    }

    /// Columns of every width, with and without outliers.
    fn columns() -> Vec<Vec<i64>> {
        let odd = |at: i64| at.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(17);
        let mut all = vec![vec![], vec![7], vec![i64::MIN, i64::MAX], vec![3; 100], (5..900).collect()];
        for width in 0..64 {
            all.push(
                (0..100)
                    .map(|at| odd(at).cast_unsigned().checked_shr(width).unwrap_or(0).cast_signed())
                    .collect(),
            );
            let mut outlier: Vec<i64> = (0..100).map(|at| odd(at) & 7).collect();
            outlier[40] = 1_i64.wrapping_shl(width);
            outlier[99] = i64::MIN;
            all.push(outlier);
        }
        all
    }

    #[test]
    fn numbers_of_any_width_are_read_as_they_were_put() {
        for column in columns() {
            for packing in [Packing::Bits, Packing::Bytes] {
                let bytes = packed(&column, packing);
                assert_eq!(unpacked(&bytes, column.len()).as_ref(), Ok(&column));
            }
        }
    }

    #[test]
    fn a_column_takes_the_bits_of_its_range_or_of_its_steps() {
        let steps: Vec<i64> = (0..1000).map(|at| 1_000_000_000 + 3 * at).collect();
        assert!(packed(&steps, Packing::Bits).len() < 16);
        let small: Vec<i64> = (0..1000).map(|at| at * 7919 % 1024).collect();
        assert!(packed(&small, Packing::Bits).len() < 1270);
        let outlier: Vec<i64> = small.iter().copied().chain([i64::MAX]).collect();
        assert!(packed(&outlier, Packing::Bits).len() < 1290);
    }

    #[test]
    fn a_cut_column_is_refused() {
        for column in columns().into_iter().filter(|column| !column.is_empty()) {
            let bytes = packed(&column, Packing::Bits);
            for cut in 0..bytes.len() {
                assert!(unpacked(&bytes[..cut], column.len()).is_err(), "{column:?} cut at {cut}");
            }
        }
    }
}
