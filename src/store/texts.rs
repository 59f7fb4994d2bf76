//! Columns of strings. Most names are a few words, or a few words and a number.
//!
//! ```text
//! k0-17 k0-4 k0-17      the stem `k0-` with the numbers 17, 4 and 17
//! ok failed ok          the stems `ok` and `failed` without a number
//! ```
//!
//! Strings that have too little in common are kept one behind the other, after their lengths.

use super::packed::{Packing, numbers, put_numbers};
use super::table::{Bytes, Garbled, TEXT_MAX, put_varint};
use std::collections::HashMap;
use std::sync::Arc;

const STEMS: u8 = 0;
const WHOLE: u8 = 1;
/// So many digits at the end of a string are a number at most: they fit 63 bits.
const DIGITS_MAX: usize = 18;
/// Memory for so many digits is taken at once.
const DIGITS_MIN: usize = 8;

/// Adds a column of strings. None if they are too long together.
pub(super) fn put_texts<'t>(
    out: &mut Vec<u8>,
    texts: impl Iterator<Item = &'t str> + Clone,
    packing: Packing,
) -> Option<()> {
    let total: usize = texts.clone().map(|text| text.len() + DIGITS_MAX).sum();
    if total > TEXT_MAX {
        return None;
    }
    let mut stems: Vec<(&str, bool)> = Vec::new();
    let (mut known, mut last) = (HashMap::new(), 0);
    let (mut index, mut tails) = (Vec::new(), Vec::new());
    for text in texts.clone() {
        let (stem, number) = split(text);
        let stem = (stem, number.is_some());
        if stems.get(last) != Some(&stem) {
            last = *known.entry(stem).or_insert_with(|| {
                stems.push(stem);
                stems.len() - 1
            });
        }
        index.push(last as i64);
        tails.push(number.unwrap_or(0));
    }
    let length: usize = texts.clone().map(str::len).sum();
    let of_stems: usize = stems.iter().map(|(stem, _)| stem.len() + 2).sum();
    if 4 * of_stems > 3 * length + 64 {
        out.push(WHOLE);
        let lengths: Vec<i64> = texts.clone().map(|text| text.len() as i64).collect();
        put_numbers(out, &lengths, packing);
        texts.for_each(|text| out.extend(text.as_bytes()));
        return Some(());
    }
    out.push(STEMS);
    put_varint(out, stems.len() as u64);
    for (stem, has_number) in &stems {
        put_varint(out, (stem.len() as u64) << 1 | u64::from(*has_number));
    }
    stems.iter().for_each(|(stem, _)| out.extend(stem.as_bytes()));
    put_numbers(out, &index, packing);
    put_numbers(out, &tails, packing);
    Some(())
}

/// The number that a string ends with, if its digits are those that the number is written with, and the rest.
fn split(text: &str) -> (&str, Option<i64>) {
    let digits = text.bytes().rev().take(DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let (front, tail) = text.split_at(text.len() - digits);
    let zeros = tail.bytes().take(digits.saturating_sub(1)).take_while(|byte| *byte == b'0').count();
    match tail[zeros..].parse() {
        Ok(number) => (&text[..front.len() + zeros], Some(number)),
        Err(_) => (text, None),
    }
}

/// A column of strings that was read.
#[derive(Default)]
pub(super) struct Texts {
    /// The stems, or the strings themselves, one behind the other.
    words: String,
    /// For each, where it begins and ends, and whether a number follows it.
    spans: Vec<(usize, usize, bool)>,
    /// By string: its stem. Unused if the strings are whole.
    index: Vec<i64>,
    numbers: Vec<i64>,
    is_whole: bool,
    /// A stem and its number, while they are put together.
    joined: String,
}

impl Texts {
    /// Replaces what it holds by a column of so many strings. The caller bounds `count`.
    pub(super) fn read(&mut self, from: &mut Bytes<'_>, count: usize) -> Result<(), Garbled> {
        self.is_whole = match from.byte()? {
            STEMS => false,
            WHOLE => true,
            _ => return Err(Garbled("unknown column of strings")),
        };
        self.spans.clear();
        self.words.clear();
        if self.is_whole {
            numbers(from, count, &mut self.index)?;
            let lengths = self.index.iter().map(|length| (length.cast_unsigned(), false));
            let total = spans(lengths, &mut self.spans)?;
            return self.read_words(from, total);
        }
        let mut lengths = Vec::new();
        for _ in 0..from.size(count)? {
            let stem = from.varint()?;
            lengths.push((stem >> 1, stem & 1 == 1));
        }
        let total = spans(lengths.into_iter(), &mut self.spans)?;
        self.read_words(from, total)?;
        numbers(from, count, &mut self.index)?;
        numbers(from, count, &mut self.numbers)?;
        let mut total = 0;
        for at in &self.index {
            let span = usize::try_from(*at).ok().and_then(|at| self.spans.get(at));
            let (start, end, _) = span.ok_or(Garbled("no such stem"))?;
            total += end - start + DIGITS_MAX;
        }
        let is_bounded = total <= TEXT_MAX && !self.numbers.iter().any(|number| *number < 0);
        if is_bounded { Ok(()) } else { Err(Garbled("its strings are too long")) }
    }

    fn read_words(&mut self, from: &mut Bytes<'_>, total: usize) -> Result<(), Garbled> {
        let words = std::str::from_utf8(from.take(total)?).map_err(|_| Garbled("not UTF-8"))?;
        if self.spans.iter().any(|(start, ..)| !words.is_char_boundary(*start)) {
            return Err(Garbled("a string ends inside a character"));
        }
        self.words.push_str(words);
        Ok(())
    }

    /// A string of the column.
    pub(super) fn shared(&mut self, at: usize) -> Arc<str> {
        let mut text = std::mem::take(&mut self.joined);
        self.copy(at, &mut text);
        let shared = Arc::from(text.as_str());
        self.joined = text;
        shared
    }

    /// Replaces what `to` holds by a string of the column.
    pub(super) fn copy(&self, at: usize, to: &mut String) {
        to.clear();
        let stem = if self.is_whole { at } else { self.index[at] as usize };
        let (start, end, has_number) = self.spans[stem];
        to.reserve(end - start + if has_number { DIGITS_MIN } else { 0 });
        to.push_str(&self.words[start..end]);
        if has_number {
            push_number(to, self.numbers[at].cast_unsigned());
        }
    }
}

/// Where each string begins and ends, and how long they are together.
fn spans(
    lengths: impl Iterator<Item = (u64, bool)>,
    to: &mut Vec<(usize, usize, bool)>,
) -> Result<usize, Garbled> {
    let mut start = 0;
    for (length, has_number) in lengths {
        let end = usize::try_from(length).ok().and_then(|length| length.checked_add(start));
        let end = end.filter(|end| *end <= TEXT_MAX).ok_or(Garbled("a string is too long"))?;
        to.push((start, end, has_number));
        start = end;
    }
    Ok(start)
}

fn push_number(to: &mut String, mut number: u64) {
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_kept(texts: &[&str]) -> usize {
        let mut bytes = Vec::new();
        put_texts(&mut bytes, texts.iter().copied(), Packing::Bits).expect("short enough");
        let (mut from, mut column) = (Bytes(&bytes), Texts::default());
        column.read(&mut from, texts.len()).expect("as written");
        from.end().expect("all was read");
        for (at, text) in texts.iter().enumerate() {
            let mut copy = "old".to_owned();
            column.copy(at, &mut copy);
            assert_eq!(copy, *text);
        }
        for cut in 0..bytes.len() {
            assert!(column.read(&mut Bytes(&bytes[..cut]), texts.len()).is_err(), "{texts:?} cut at {cut}");
        }
        bytes.len()
    }

    #[test]
    fn strings_are_read_as_they_were_put() {
        assert_kept(&["", "0", "00", "007", "a0", "a00", "a10", "-1", "\u{fc}1", "1\u{fc}", "null", "null"]);
        assert_kept(&["9223372036854775807", "18446744073709551616", "x99999999999999999999999", "000000"]);
        assert_kept(&["only", "words", "that", "have", "nothing", "in", "common", "\u{fc}\u{fc}", "\n"]);
    }

    #[test]
    fn a_number_behind_a_stem_takes_the_bits_of_a_number() {
        let keys: Vec<String> = (0..1000).map(|at| format!("k0-{}", at * 7919 % 1024)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert!(assert_kept(&keys) < 1290);
    }
}
