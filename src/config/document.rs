//! What the files of every kind have in common.

use super::catalogue::EmbeddedFile;
use super::error::InvalidValue;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A kind of file, which can be listed, parsed, changed by `--set`, and checked.
pub trait ConfigFile: DeserializeOwned {
    /// The name of the kind in messages.
    const KIND: &'static str;
    /// The folder of the built-in files.
    const FOLDER: &'static str;
    /// The built-in files, in alphabetical order.
    const CATALOGUE: &'static [EmbeddedFile];
    /// Its JSON Schema.
    const SCHEMA: &'static str;
    /// The keys of `--set` that belong to this kind. They are spelled as in a file, except `keys`, the number
    /// of live keys per partition.
    const SETTINGS: &'static [&'static str];
    /// The beginnings of further keys, which name a part of the file.
    const PREFIXES: &'static [&'static str] = &[];
    /// The name: the stem of the file name, which is never written in the file.
    fn name(&mut self) -> &mut String;
    /// Tells it the folder of its file, if it was read from one.
    fn set_folder(&mut self, _folder: &Path) {}
    /// Sets the field of a key in [`ConfigFile::SETTINGS`], or of one with one of [`ConfigFile::PREFIXES`].
    fn set(&mut self, key: &str, value: &str) -> Result<(), String>;
    /// The values that parse, but are invalid.
    fn check(&self) -> Vec<InvalidValue>;
}
