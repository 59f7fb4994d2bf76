//! The names of the files in a run folder: making them and parsing them.

use dissent_core::history::run_record::TABLES;

/// The file that describes the run and its progress.
pub const RUN_FILE: &str = "run.json";
/// The file with the steps of the schedule.
pub const SCHEDULE: &str = "schedule.jsonl";
/// The folder of the contents of reads.
pub const CONTENT: &str = "content";
/// The folder of the reads themselves, which refer to contents.
pub const READS: &str = "reads";

/// Encodes an external name as a file name. Bytes other than `A-Z a-z 0-9 - _ .` become `%XX`, and so does a
/// leading dot. The encoding is injective.
pub fn path_name(name: &str) -> String {
    let mut plain = String::new();
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => plain.push(char::from(byte)),
            b'.' if at > 0 => plain.push('.'),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    if plain.is_empty() { "%".to_owned() } else { plain }
}

/// How the names of files end that hold lines of JSON, and of those that hold tables.
const LINES: &str = "jsonl.zst";
const TABLE: &str = "table.zst";

/// The file with a partition's log, in this format.
pub(super) fn log_name(format: u32, partition: u32) -> String {
    let ending = if format < TABLES { LINES } else { TABLE };
    format!("log/{partition}.{ending}")
}

/// The file with the contents of a partition's reads, in this format.
pub(super) fn content_name(format: u32, partition: u32, kind: Kind) -> String {
    let name = ReadFile { folder: CONTENT, partition, kind, number: 1 }.name();
    if format < TABLES { name } else { name.replace(LINES, TABLE) }
}

/// The folder of one replica's reads in one capture.
pub(super) fn reads_folder(capture: u32, replica: &str) -> String {
    format!("{READS}/{capture:04}/{}", path_name(replica))
}

/// The content of a file under `reads/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Rows,
    Flags,
}

/// The parts of the name of a file under `reads/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReadFile<'a> {
    pub(super) folder: &'a str,
    pub(super) partition: u32,
    pub(super) kind: Kind,
    /// Counted from 1.
    pub(super) number: u32,
}

impl<'a> ReadFile<'a> {
    pub(super) fn name(&self) -> String {
        let ReadFile { folder, partition, kind, number } = self;
        let kind = match kind {
            Kind::Rows => "",
            Kind::Flags => ".current",
        };
        let number = if *number > 1 { format!(".{number}") } else { String::new() };
        format!("{folder}/{partition}{kind}{number}.jsonl.zst")
    }

    /// Parses a name. None unless it is exactly what [`ReadFile::name`] returns.
    pub(super) fn of(file: &'a str) -> Option<ReadFile<'a>> {
        let (folder, name) = file.rsplit_once('/')?;
        let mut parts = name.strip_suffix(".jsonl.zst")?.split('.').peekable();
        let partition = parts.next()?.parse().ok()?;
        let kind = if parts.next_if_eq(&"current").is_some() { Kind::Flags } else { Kind::Rows };
        let number = parts.next().map_or(Ok(1), str::parse).ok()?;
        let read = ReadFile { folder, partition, kind, number };
        (read.name() == file).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_was_made_of_and_no_other_is_understood() {
        for kind in [Kind::Rows, Kind::Flags] {
            for number in [1, 2, 10] {
                let file = ReadFile { folder: "reads/0001/a", partition: 3, kind, number };
                assert_eq!(ReadFile::of(&file.name()), Some(file));
            }
        }
        for name in ["03.jsonl.zst", "3.1.jsonl.zst", "3.x.jsonl.zst", "3.jsonl", "x.jsonl.zst", ".DS_Store"]
        {
            assert_eq!(ReadFile::of(&format!("reads/0001/a/{name}")), None, "{name}");
        }
    }
}
