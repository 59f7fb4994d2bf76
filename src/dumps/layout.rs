//! The columns of a file: their names, and which of them make up the key.

use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// The columns of one dump, in the order in which they were met.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// By column, the hash of its name, which seeds the hash of its cells.
    seeds: Vec<u64>,
}

impl Layout {
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn seed(&self, column: usize) -> u64 {
        self.seeds[column]
    }

    /// The place of a column, which is added if it is new.
    pub(super) fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        self.seeds.push(xxh3_64(name.as_bytes()));
        place
    }

    /// The place of a column. `expected` is where it was in the row before.
    pub(super) fn place_near(&mut self, name: &str, expected: usize) -> usize {
        match self.names.get(expected) {
            Some(there) if there == name => expected,
            _ => self.place(name),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}
