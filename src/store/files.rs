//! The files of a run's folder as they are read: which run they belong to, and the damage that is met in
//! them.

use super::cure::{Cure, read_cures};
use super::names::RUN_FILE;
use super::origin::{Origin, RunNumber};
use super::writer::{Build, RunFile};
use dissent_core::history::run_record::{Damage, EVENTS, FORMAT};
use dissent_core::history::workload::PARTITIONS_MAX;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such folder.
    #[error("no folder {dir}: name a run folder, or `latest`")]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// It is empty.
    #[error("{dir} is empty: the run ended before it wrote anything, so run it again")]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
    /// It is not a run folder.
    #[error("{dir} has no {RUN_FILE}, so it is not a run folder: name one under results, or `latest`")]
    NoRunFile {
        /// The folder.
        dir: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "{file} has format {format}, written by dissent {writer}; this is dissent {reader}, which reads \
         formats up to {FORMAT}: use dissent {writer} or later"
    )]
    Format {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: u32,
        /// The version that wrote it.
        writer: String,
        /// The version that reads it.
        reader: &'static str,
    },
    /// It contradicts itself.
    #[error("{file} has {partitions} partitions, but a run has 1 to {PARTITIONS_MAX}: the file was changed")]
    Partitions {
        /// The file.
        file: PathBuf,
        /// The number of partitions.
        partitions: u32,
    },
    /// It does not parse.
    #[error("cannot parse {file}: {source}; without it, the folder cannot be read")]
    Garbled {
        /// The file.
        file: PathBuf,
        /// The error.
        source: serde_json::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// The part of `run.json` that says whether the rest can be read.
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

/// The files of one run, and what is wrong with them.
#[derive(Debug)]
pub(super) struct RunFiles {
    dir: PathBuf,
    run: RunFile,
    /// None for format 1, whose files do not name their run.
    number: Option<RunNumber>,
    damage: Mutex<Vec<Damage>>,
    /// Files that belong to another run.
    foreign: Mutex<BTreeSet<String>>,
}

impl RunFiles {
    /// Reads `run.json`; all else is read later.
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
        let number = if format > 1 { Some(RunNumber::of(&text).map_err(garbled)?) } else { None };
        Ok(Self { dir: dir.to_owned(), run, number, damage: Mutex::default(), foreign: Mutex::default() })
    }

    /// The folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// `run.json`.
    pub(super) fn run(&self) -> &RunFile {
        &self.run
    }

    /// The cures of the run, in order.
    pub(super) fn cures(&self) -> Vec<Cure> {
        let (cures, damage) = read_cures(&self.dir);
        damage.into_iter().for_each(|damage| self.damaged(&damage.file, damage.detail));
        cures
    }

    /// Notes damage, once however often it is met.
    pub(super) fn damaged(&self, file: &str, detail: String) {
        let damage = Damage { file: file.to_owned(), detail };
        let mut all = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&damage) {
            all.push(damage);
        }
    }

    /// Whether files say whose they are and number their lines: since format 2.
    pub(super) fn has_marks(&self) -> bool {
        self.number.is_some()
    }

    /// What the frames of a file must say.
    pub(super) fn origin(&self, file: &str) -> Option<Origin> {
        self.number.map(|number| number.file(file))
    }

    /// Notes a file of another run.
    pub(super) fn is_foreign(&self, file: &str) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned());
    }

    /// All damage that was met so far, sorted: partitions are read side by side, and one run has one verdict.
    pub(super) fn damage(&self) -> Vec<Damage> {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        damage.extend(self.foreign_files());
        damage.sort_by(|a, b| (&a.file, &a.detail).cmp(&(&b.file, &b.detail)));
        damage
    }

    /// If the events are another run's, so is `run.json`, or all files are: that is told once.
    fn foreign_files(&self) -> Vec<Damage> {
        let foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let damage = |file: &str, detail: String| Damage { file: file.to_owned(), detail };
        if foreign.contains(EVENTS) {
            let detail = format!(
                "{EVENTS} does not match these facts: it belongs to another run, or {RUN_FILE} was changed"
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

/// The files `depth` folders below `at`, sorted; none if `at` is not there.
pub(super) fn walk(dir: &Path, at: &str, depth: u32, files: &mut Vec<String>) -> io::Result<()> {
    let listed = match fs::read_dir(dir.join(at)) {
        // A file that somebody else put where folders lie holds nothing of ours.
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
