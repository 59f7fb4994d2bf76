//! Files that a user writes: workloads and nemesis plans, from the embedded catalogue or from a path, and
//! `--set key=value` on top. A file is data only, and a wrong one is answered with its place in the text.

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

use error::InvalidValue;

/// What a file of one kind can do: be listed, parsed, adjusted by `--set`, and checked.
pub trait Document: serde::de::DeserializeOwned {
    /// What to call one in a message.
    const KIND: &'static str;
    /// The folder of the embedded ones.
    const FOLDER: &'static str;
    /// The embedded ones, in alphabetical order.
    const CATALOGUE: &'static [catalogue::EmbeddedFile];
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
