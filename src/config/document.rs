//! What the files of every kind have in common.

use super::catalogue::EmbeddedFile;
use super::error::InvalidValue;
use serde::de::DeserializeOwned;

/// What a file of one kind can do: be listed, parsed, adjusted by `--set`, and checked.
pub trait Document: DeserializeOwned {
    /// What to call one in a message.
    const KIND: &'static str;
    /// The folder of the embedded ones.
    const FOLDER: &'static str;
    /// The embedded ones, in alphabetical order.
    const CATALOGUE: &'static [EmbeddedFile];
    /// The keys of `--set` that belong to this kind. A file spells them alike, but for `keys`, which is the
    /// number of live keys a partition.
    const SETTINGS: &'static [&'static str];
    /// Its name, which is its file's stem and is never written in the file.
    fn name(&mut self) -> &mut String;
    /// Gives the field behind a key of [`Document::SETTINGS`] a new value. The error says what is wrong.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String>;
    /// Refuses what parses and makes no sense.
    fn check(&self) -> Result<(), InvalidValue>;
}
