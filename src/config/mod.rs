//! Files that users write: workloads, nemesis plans and target files, from the built-in catalogue or from a
//! path, with `--set key=value` on top. Files are data only, and an error names its place in the text.

pub mod access;
pub mod catalogue;
pub mod error;
pub mod known;
pub mod limits;
pub mod nemesis;
pub mod settings;
mod source;
pub mod table;
pub mod target;
pub mod workload;

use error::Wrong;

/// A kind of file, which can be listed, parsed, changed by `--set`, and checked.
pub trait Document: serde::de::DeserializeOwned {
    /// The name of the kind in messages.
    const KIND: &'static str;
    /// The folder of the built-in files.
    const FOLDER: &'static str;
    /// The built-in files, in alphabetical order.
    const CATALOGUE: &'static [catalogue::Embedded];
    /// The keys of `--set` that belong to this kind. They are spelled as in a file, except `keys`, the number
    /// of live keys per partition.
    const SETTINGS: &'static [&'static str];
    /// The name: the stem of the file name, which is never written in the file.
    fn name(&mut self) -> &mut String;
    /// Sets the field of a key in [`Document::SETTINGS`].
    fn set(&mut self, key: &str, value: &str) -> Result<(), String>;
    /// Refuses values that parse, but are invalid.
    fn check(&self) -> Result<(), Wrong>;
}
