//! Memory beyond the budget of a verdict: words that a table puts away, and reads again in pieces.

/// Holds words outside memory, such as in a file that is deleted with its last user.
pub trait Scratch: Send + Sync {
    /// Puts words away, and returns where they begin. None: the caller keeps them, because its tables are
    /// within the budget, or because there is no space.
    fn put(&self, words: &[u64]) -> Option<u64>;

    /// Appends `count` words to `words`, from where they were put. `at` counts words.
    ///
    /// # Panics
    ///
    /// If they cannot be read back: the check that needs them is then unknown.
    fn get(&self, at: u64, count: usize, words: &mut Vec<u64>);
}
