//! The files of a run folder while they are read: the run that they belong to, and the damage found in them.

use super::cure::{Cure, read_cures};
use super::frame_origin::{FileTag, RunHash};
use super::names::{Kind, RUN_FILE, content_name, log_name};
use super::run_writer::{Build, RunFile};
use dissent_core::history::run_record::{Damage, FORMAT, events_name};
use dissent_core::history::workload::PARTITIONS_MAX;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a run folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder does not exist.
    #[error("no folder {dir}: name a run folder, or `latest`")]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder has no files.
    #[error("{dir} is empty: the run ended before it wrote anything, so run it again")]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder has files but no `run.json`.
    #[error("{dir} has no {RUN_FILE}, so it is not a run folder: name one under results, or `latest`")]
    NoRunFile {
        /// The folder.
        dir: PathBuf,
    },
    /// A later version of dissent wrote the folder.
    #[error(
        "{file} has format {format}, written by dissent {writer}; this is dissent {reader}, which reads \
         formats up to {FORMAT}: use dissent {writer} or later"
    )]
    Format {
        /// The path of `run.json`.
        file: PathBuf,
        /// The format in the file.
        format: u32,
        /// The version that wrote the file.
        writer: String,
        /// The version of this program.
        reader: &'static str,
    },
    /// `run.json` has an impossible number of partitions.
    #[error("{file} has {partitions} partitions, but a run has 1 to {PARTITIONS_MAX}: the file was changed")]
    Partitions {
        /// The path of `run.json`.
        file: PathBuf,
        /// The number in the file.
        partitions: u32,
    },
    /// `run.json` is not valid JSON, or lacks a field.
    #[error("cannot parse {file}: {source}; without it, the folder cannot be read")]
    Garbled {
        /// The path of `run.json`.
        file: PathBuf,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// `run.json` cannot be read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The path of `run.json`.
        file: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// The part of `run.json` that decides whether the rest can be read.
#[derive(Deserialize)]
struct Outline {
    build: Build,
    #[serde(rename = "facts")]
    meta: MetaOutline,
}

#[derive(Deserialize)]
struct MetaOutline {
    format: u32,
}

/// The files of one run, and the damage found so far.
#[derive(Debug)]
pub(super) struct RunFiles {
    dir: PathBuf,
    run: RunFile,
    /// None for format 1, whose files do not name their run.
    number: Option<RunHash>,
    damage: Mutex<Vec<Damage>>,
    foreign: Mutex<BTreeSet<String>>,
}

impl RunFiles {
    /// Reads `run.json`. All other files are read later.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let file = dir.join(RUN_FILE);
        let text = fs::read(&file).map_err(|source| no_run_file(dir, source))?;
        let garbled = |source| OpenError::Garbled { file: file.clone(), source };
        let outline: Outline = serde_json::from_slice(&text).map_err(garbled)?;
        let format = outline.meta.format;
        if !(1..=FORMAT).contains(&format) {
            let (writer, reader) = (outline.build.version, env!("CARGO_PKG_VERSION"));
            return Err(OpenError::Format { file, format, writer, reader });
        }
        let run: RunFile = serde_json::from_slice(&text).map_err(garbled)?;
        let partitions = run.meta.partitions;
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(OpenError::Partitions { file, partitions });
        }
        let number = if format > 1 { Some(RunHash::of(&text).map_err(garbled)?) } else { None };
        Ok(Self { dir: dir.to_owned(), run, number, damage: Mutex::default(), foreign: Mutex::default() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn run(&self) -> &RunFile {
        &self.run
    }

    /// The name of the file of events.
    pub(super) fn events(&self) -> &'static str {
        events_name(self.run.meta.format)
    }

    /// The name of the file of a partition's log.
    pub(super) fn log(&self, partition: u32) -> String {
        log_name(self.run.meta.format, partition)
    }

    /// The name of the file of what reads of a partition returned.
    pub(super) fn content(&self, partition: u32, kind: Kind) -> String {
        content_name(self.run.meta.format, partition, kind)
    }

    /// The cures of the run, in the order of their writing.
    pub(super) fn cures(&self) -> Vec<Cure> {
        let (cures, damage) = read_cures(&self.dir);
        damage.into_iter().for_each(|damage| self.add_damage(&damage.file, damage.detail));
        cures
    }

    /// Records damage. The same damage is recorded once.
    pub(super) fn add_damage(&self, file: &str, detail: String) {
        let damage = Damage { file: file.to_owned(), detail };
        let mut all = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&damage) {
            all.push(damage);
        }
    }

    /// Whether files name their run and number their lines. True since format 2.
    pub(super) fn has_marks(&self) -> bool {
        self.number.is_some()
    }

    /// The origin that the frames of a file must have. None for format 1.
    pub(super) fn origin(&self, file: &str) -> Option<FileTag> {
        self.number.map(|number| number.file(file))
    }

    /// Records a file that belongs to another run.
    pub(super) fn add_foreign(&self, file: &str) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned());
    }

    /// All damage found so far, that of the events first. Partitions are read in parallel, and the order must
    /// not change the verdict.
    pub(super) fn damage(&self) -> Vec<Damage> {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        damage.extend(self.foreign_files());
        damage.sort_by(|a, b| (&a.file, &a.detail).cmp(&(&b.file, &b.detail)));
        damage.sort_by_key(|damage| !damage.is_of_events());
        damage
    }

    /// If the events belong to another run, so does `run.json` or every file. That is reported once.
    fn foreign_files(&self) -> Vec<Damage> {
        let foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let damage = |file: &str, detail: String| Damage { file: file.to_owned(), detail };
        let events = self.events();
        if foreign.contains(events) {
            let detail = format!(
                "{events} does not match these facts: it belongs to another run, or {RUN_FILE} was changed"
            );
            return vec![damage(RUN_FILE, detail)];
        }
        foreign.iter().map(|file| damage(file, "it belongs to another run".to_owned())).collect()
    }
}

fn no_run_file(dir: &Path, source: io::Error) -> OpenError {
    let dir = dir.to_owned();
    if source.kind() != ErrorKind::NotFound {
        return OpenError::Io { file: dir.join(RUN_FILE), source };
    }
    match fs::read_dir(&dir).map(|mut files| files.next().is_none()) {
        Ok(true) => OpenError::Empty { dir },
        Ok(false) => OpenError::NoRunFile { dir },
        Err(_) => OpenError::NoFolder { dir },
    }
}

/// The files `depth` folders below `at`, sorted. None if `at` does not exist.
pub(super) fn walk(dir: &Path, at: &str, depth: u32, files: &mut Vec<String>) -> io::Result<()> {
    let listed = match fs::read_dir(dir.join(at)) {
        // A foreign file in place of a folder holds no data of this run.
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(());
        }
        listed => listed?,
    };
    let names = listed.map(|found| Ok(format!("{at}/{}", found?.file_name().to_string_lossy())));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    if depth == 0 {
        files.extend(names);
        return Ok(());
    }
    names.iter().try_for_each(|name| walk(dir, name, depth - 1, files))
}
