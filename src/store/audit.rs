//! Holds the files of a run's folder against its events and against `run.json`: each is to account for the
//! others. What does not fit is damage.
//!
//! ```text
//! the record lost `reads/0003/c/0.jsonl.zst`, and the event of the read that it holds
//! nobody saw a difference in what was left
//! ```

use super::folder::{Folder, walk};
use super::names::{ReadFile, log_name};
use super::reads::Announced;
use super::store::{READS, RUN_FILE, SCHEDULE};
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::evidence::EVENTS;
use dissent_core::history::fault::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The folder of the input logs.
const LOG: &str = "log";

/// What the events say of the other files.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// By id.
    pub(super) reads: BTreeMap<u64, Announced>,
    /// The last phase that began.
    pub(super) phase: Option<Phase>,
    /// Whether all events could be read: what the others announce is not known.
    pub(super) are_whole: bool,
}

impl Announcements {
    /// Takes the next event.
    pub(super) fn hear(&mut self, event: &Event) {
        self.reads.extend(Announced::by(event));
        if let Event::Phase { phase } = event {
            self.phase = Some(*phase);
        }
    }
}

/// Notes what is missing, and what nobody speaks of.
pub(super) fn audit(folder: &Folder, told: &Announcements) {
    schedule(folder);
    let files = listed(folder, READS, 2);
    missing(folder, told, &files);
    if told.are_whole {
        run_file(folder, told);
        strays(folder, told, &files);
    }
}

/// The steps drawn are those of `run.json`.
fn schedule(folder: &Folder) {
    let text = fs::read(folder.dir().join(SCHEDULE)).map_err(|error| error.to_string());
    let steps = text.and_then(|text| {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let steps: Result<Vec<Step>, _> = lines.map(serde_json::from_slice).collect();
        steps.map_err(|error| error.to_string())
    });
    match steps {
        Ok(steps) if steps == folder.run().facts.steps => {}
        Ok(_) => folder.damaged(SCHEDULE, format!("its steps differ from those in {RUN_FILE}")),
        Err(error) => folder.damaged(SCHEDULE, error),
    }
}

/// A run that ended says so, and in which phase; its events end in the same.
fn run_file(folder: &Folder, told: &Announcements) {
    let run = folder.run();
    if folder.has_marks() && run.ended.is_none() {
        folder.damaged(RUN_FILE, format!("it does not say that the run has ended, but {EVENTS} does"));
    }
    if run.ended.is_some() && told.phase != Some(Phase::Done) {
        folder.damaged(EVENTS, "the run stopped before its last phase".to_owned());
    }
    if told.phase.is_some_and(|phase| phase != run.phase) {
        folder.damaged(RUN_FILE, format!("its phase is not the last phase in {EVENTS}"));
    }
}

/// Which files under `reads/` must be there: the first of each, and the one before one that is there.
fn missing(folder: &Folder, told: &Announcements, files: &BTreeSet<String>) {
    let mut due: BTreeSet<String> = announced(told).iter().map(|file| file.name()).collect();
    let later = files.iter().filter_map(|file| ReadFile::of(file)).filter(|file| file.number > 1);
    due.extend(later.map(|file| ReadFile { number: file.number - 1, ..file }.name()));
    for file in due.difference(files) {
        folder.damaged(file, "it is missing".to_owned());
    }
}

/// Files of ours, by their names, of which no event speaks.
fn strays(folder: &Folder, told: &Announcements, files: &BTreeSet<String>) {
    let announced = announced(told);
    let is_stray = |file: &&String| match ReadFile::of(file) {
        Some(read) => !announced.contains(&ReadFile { number: 1, ..read }),
        None => file.ends_with(".zst"),
    };
    let logs: BTreeSet<String> = (0..folder.run().facts.partitions).map(log_name).collect();
    let others = listed(folder, LOG, 0);
    let others = others.iter().filter(|file| file.ends_with(".zst") && !logs.contains(*file));
    for file in files.iter().filter(is_stray).chain(others) {
        folder.damaged(file, "no event announces it".to_owned());
    }
}

/// The first file of each folder, partition and kind of which lines are announced.
fn announced(told: &Announcements) -> BTreeSet<ReadFile<'_>> {
    let with_lines = told.reads.values().filter(|read| read.lines > 0);
    with_lines
        .map(|Announced { folder, partition, kind, .. }| ReadFile {
            folder,
            partition: *partition,
            kind: *kind,
            number: 1,
        })
        .collect()
}

/// The files so many folders below one of the run's.
fn listed(folder: &Folder, at: &str, depth: u32) -> BTreeSet<String> {
    let mut files = Vec::new();
    if let Err(error) = walk(folder.dir(), at, depth, &mut files) {
        folder.damaged(at, format!("cannot list the files: {error}"));
    }
    files.into_iter().collect()
}
