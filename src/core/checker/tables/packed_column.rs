//! Numbers in a few bits each, since a verdict needs several for every entry of the log.
//!
//! A block has 256 of them, as their distances from the least, each in as many bits as the greatest distance
//! needs. So a number is found without a search:
//! ```text
//! 1000 1003 1001 ..    least 1000, 2 bits each: 00 11 01 ..
//! ```
//! Blocks are gathered in pages. What exceeds the memory of the record is put away page by page.

use crate::history::scratch::Scratch;
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers of a block.
const BLOCK: usize = 256;
/// The words of a page: 8 KiB. A page never ends within a block.
const PAGE: usize = 1024;

/// Where the numbers of a block are, and how to read them.
#[derive(Clone, Copy)]
struct Block {
    least: u64,
    page: u32,
    /// The word of the page at which it begins.
    word: u16,
    /// The bits of a number.
    width: u8,
}

impl Block {
    fn words(self) -> usize {
        (BLOCK * usize::from(self.width)).div_ceil(64)
    }

    /// A number of the block, whose words these are.
    fn number(self, words: &[u64], at: usize) -> u64 {
        let width = usize::from(self.width);
        if width == 0 {
            return self.least;
        }
        let (word, shift) = (at * width / 64, at * width % 64);
        let low = words[word] >> shift;
        let high = if shift + width > 64 { words[word + 1] << (64 - shift) } else { 0 };
        self.least + ((low | high) & (u64::MAX >> (64 - width)))
    }
}

enum Page {
    Here(Vec<u64>),
    /// In the scratch space, from this word on.
    Away(u64),
}

/// A block that was read from the scratch space last.
#[derive(Default)]
struct FetchedBlock {
    block: Option<usize>,
    words: Vec<u64>,
}

/// A sequence of numbers that only grows.
#[derive(Default)]
pub(crate) struct PackedColumn {
    blocks: Vec<Block>,
    pages: Vec<Page>,
    /// The numbers behind the last block.
    tail: Vec<u64>,
    scratch: Option<Arc<dyn Scratch>>,
    fetched: Mutex<FetchedBlock>,
}

impl PackedColumn {
    /// An empty column, which puts away what exceeds the memory of the scratch space.
    pub(crate) fn with(scratch: Option<Arc<dyn Scratch>>) -> PackedColumn {
        PackedColumn { scratch, ..PackedColumn::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len() * BLOCK + self.tail.len()
    }

    /// Adds a number behind all others.
    pub(crate) fn push(&mut self, number: u64) {
        self.tail.push(number);
        if self.tail.len() == BLOCK {
            self.pack();
            self.tail.clear();
        }
    }

    /// The number at this index.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> u64 {
        let Some(&block) = self.blocks.get(at / BLOCK) else { return self.tail[at % BLOCK] };
        match &self.pages[block.page as usize] {
            Page::Here(words) => block.number(&words[usize::from(block.word)..], at % BLOCK),
            Page::Away(page) => self.fetch(*page, at / BLOCK, block, |words| block.number(words, at % BLOCK)),
        }
    }

    /// All numbers, block by block.
    pub(crate) fn iter(&self) -> PackedNumbers<'_> {
        PackedNumbers { column: self, next: 0, block: Vec::with_capacity(BLOCK) }
    }

    /// Replaces what `to` holds by the numbers of a block, or of the tail.
    fn unpack(&self, block: usize, to: &mut Vec<u64>) {
        to.clear();
        let Some(&of) = self.blocks.get(block) else { return to.extend(&self.tail) };
        let mut numbers = |words: &[u64]| to.extend((0..BLOCK).map(|at| of.number(words, at)));
        match &self.pages[of.page as usize] {
            Page::Here(words) => numbers(&words[usize::from(of.word)..]),
            Page::Away(page) => self.fetch(*page, block, of, numbers),
        }
    }

    /// Calls `then` with the words of a block that was put away.
    #[cold]
    fn fetch<T>(&self, page: u64, index: usize, block: Block, then: impl FnOnce(&[u64]) -> T) -> T {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if fetched.block != Some(index) {
            fetched.words.clear();
            fetched.block = None;
            let from = page + u64::from(block.word);
            self.scratch.iter().for_each(|it| it.get(from, block.words(), &mut fetched.words));
            fetched.block = Some(index);
        }
        then(&fetched.words)
    }

    /// Packs the tail, which has the numbers of a block.
    fn pack(&mut self) {
        let (least, most) =
            self.tail.iter().fold((u64::MAX, 0), |(low, high), &it| (low.min(it), high.max(it)));
        let width = 64 - (most - least).leading_zeros();
        let mut block = Block { least, page: 0, word: 0, width: width as u8 };
        let page = self.page_for(block.words());
        block.page = page as u32;
        let Page::Here(words) = &mut self.pages[page] else { return };
        block.word = words.len() as u16;
        words.resize(words.len() + block.words(), 0);
        let packed = &mut words[usize::from(block.word)..];
        let width = width as usize;
        for (at, number) in self.tail.iter().enumerate().filter(|_| width > 0) {
            let (word, shift) = (at * width / 64, at * width % 64);
            packed[word] |= (number - least) << shift;
            if shift + width > 64 {
                packed[word + 1] |= (number - least) >> (64 - shift);
            }
        }
        self.blocks.push(block);
    }

    /// The index of the last page, if it has space for so many words, or of a new one.
    fn page_for(&mut self, words: usize) -> usize {
        let has_space = |page: &Page| matches!(page, Page::Here(used) if used.len() + words <= PAGE);
        if !self.pages.last().is_some_and(has_space) {
            self.put_away();
            self.pages.push(Page::Here(Vec::new()));
        }
        self.pages.len() - 1
    }

    /// Puts the last page away, if memory is scarce.
    fn put_away(&mut self) {
        let (Some(scratch), Some(page)) = (&self.scratch, self.pages.last_mut()) else { return };
        if let Page::Here(words) = page {
            match scratch.put(words) {
                Some(at) => *page = Page::Away(at),
                None => words.shrink_to_fit(),
            }
        }
    }
}

/// The numbers of a column in order.
pub(crate) struct PackedNumbers<'c> {
    column: &'c PackedColumn,
    /// The index of the next number.
    next: usize,
    /// The numbers of its block.
    block: Vec<u64>,
}

impl Iterator for PackedNumbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.next.is_multiple_of(BLOCK) {
            self.column.unpack(self.next / BLOCK, &mut self.block);
        }
        let number = self.block.get(self.next % BLOCK).copied();
        self.next += usize::from(number.is_some());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it is given, as if no memory were left.
    #[derive(Default)]
    struct Elsewhere(Mutex<Vec<u64>>);

    impl Scratch for Elsewhere {
        fn put(&self, words: &[u64]) -> Option<u64> {
            let mut all = self.0.lock().expect("no panic");
            let at = all.len() as u64;
            all.extend(words);
            Some(at)
        }
        fn get(&self, at: u64, count: usize, words: &mut Vec<u64>) {
            let all = self.0.lock().expect("no panic");
            words.extend(&all[at as usize..at as usize + count]);
        }
    }

    /// Numbers of every width, one block each, and a few more.
    fn numbers() -> Vec<u64> {
        let of_block = |width: u32| {
            let greatest = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let base = u64::MAX - greatest;
            (0..BLOCK as u64).map(move |at| base + at.wrapping_mul(0x9E37_79B9_7F4A_7C15) % greatest.max(1))
        };
        (0..=64).flat_map(of_block).chain(0..7).collect()
    }

    #[test]
    fn numbers_of_every_width_come_back_in_any_order() {
        let elsewhere: Arc<dyn Scratch> = Arc::new(Elsewhere::default());
        for scratch in [None, Some(elsewhere)] {
            let mut column = PackedColumn::with(scratch.clone());
            let numbers: Vec<u64> = numbers().into_iter().cycle().take(200_000).collect();
            numbers.iter().for_each(|&number| column.push(number));
            assert_eq!(column.len(), numbers.len());
            let away = column.pages.iter().filter(|page| matches!(page, Page::Away(_))).count();
            assert_eq!(away > 0, scratch.is_some());
            for at in (0..numbers.len()).chain((0..numbers.len()).rev().step_by(911)) {
                assert_eq!(column.get(at), numbers[at], "at {at}");
            }
            assert!(column.iter().eq(numbers));
        }
    }

    #[test]
    fn like_numbers_take_next_to_no_space() {
        let mut column = PackedColumn::default();
        (0..100_000).for_each(|_| column.push(7));
        assert_eq!((column.get(0), column.get(99_999)), (7, 7));
        assert!(column.pages.iter().all(|page| matches!(page, Page::Here(words) if words.is_empty())));
    }
}
