//! The names of the files that a run's folder holds, made and understood.

/// What was run, and how far it came.
pub const RUN_FILE: &str = "run.json";
/// The steps of the schedule.
pub const SCHEDULE: &str = "schedule.jsonl";
/// The folder of raw rows and current flags.
pub const READS: &str = "reads";

/// A name from outside as a name of a file: other bytes than `A-Z a-z 0-9 - _ .` become `%XX`, and so does a
/// dot that comes first. Two names never become one.
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

/// The name of a partition's log.
pub(super) fn log_name(partition: u32) -> String {
    format!("log/{partition}.jsonl.zst")
}

/// The folder of what one replica showed in one capture.
pub(super) fn reads_folder(capture: u32, replica: &str) -> String {
    format!("{READS}/{capture:04}/{}", path_name(replica))
}

/// What a file under `reads/` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Raw rows.
    Rows,
    /// Current flags.
    Flags,
}

/// A file under `reads/`, by what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReadFile<'a> {
    pub(super) folder: &'a str,
    pub(super) partition: u32,
    pub(super) kind: Kind,
    /// The first is 1.
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

    /// What a name says, if it is exactly as [`ReadFile::name`] gives it.
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
