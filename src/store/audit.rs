//! Compares the files of a run folder with its events and with `run.json`. Each must account for the others,
//! and any mismatch is damage.
//!
//! ```text
//! the record lost `reads/0003/c/0.jsonl.zst`, and also the event of the read that the file holds
//! without this comparison the rest of the record looks complete
//! ```

use super::files::{RunFiles, walk};
use super::names::{CONTENT, READS, RUN_FILE, ReadFile, SCHEDULE};
use super::reads::ExpectedRead;
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::fault::Step;
use dissent_core::history::run_record::SHARED_CONTENTS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const LOG: &str = "log";

/// What the events announce about the other files.
#[derive(Debug, Default)]
pub(super) struct ReadIndex {
    /// The announced reads by id.
    pub(super) reads: BTreeMap<u64, ExpectedRead>,
    /// For each read whose rows count for others, the ids of those.
    pub(super) sharers: BTreeMap<u64, Vec<u64>>,
    /// The phase that began last.
    pub(super) phase: Option<Phase>,
    /// False if some events could not be read, so that announcements may be missing.
    pub(super) are_whole: bool,
}

impl ReadIndex {
    pub(super) fn note(&mut self, event: &Event) {
        self.reads.extend(ExpectedRead::from_event(event));
        match event {
            Event::Phase { phase } => self.phase = Some(*phase),
            Event::Read(read) => {
                read.rows_of.into_iter().for_each(|of| self.sharers.entry(of).or_default().push(read.id));
            }
            _ => {}
        }
    }
}

/// Records missing files, and files that no event announces.
pub(super) fn audit(run: &RunFiles, announcements: &ReadIndex) {
    schedule(run);
    let files = list(run, READS, 2);
    missing(run, announcements, &files);
    contents(run, announcements);
    if announcements.are_whole {
        run_file(run, announcements);
        strays(run, announcements, &files);
    }
}

/// The steps in the schedule file must equal those in `run.json`.
fn schedule(run: &RunFiles) {
    let text = fs::read(run.dir().join(SCHEDULE)).map_err(|error| error.to_string());
    let steps = text.and_then(|text| {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let steps: Result<Vec<Step>, _> = lines.map(serde_json::from_slice).collect();
        steps.map_err(|error| error.to_string())
    });
    match steps {
        Ok(steps) if steps == run.run().meta.steps => {}
        Ok(_) => run.add_damage(SCHEDULE, format!("its steps differ from those in {RUN_FILE}")),
        Err(error) => run.add_damage(SCHEDULE, error),
    }
}

/// `run.json` must have the counts of a finished run, and its phase must be the last phase in the events.
fn run_file(run: &RunFiles, announcements: &ReadIndex) {
    let (run_file, events) = (run.run(), run.events());
    if run.has_marks() && run_file.ended.is_none() {
        run.add_damage(RUN_FILE, format!("it does not say that the run has ended, but {events} does"));
    }
    if run_file.ended.is_some() && announcements.phase != Some(Phase::Done) {
        run.add_damage(events, "the run stopped before its last phase".to_owned());
    }
    if announcements.phase.is_some_and(|phase| phase != run_file.phase) {
        run.add_damage(RUN_FILE, format!("its phase is not the last phase in {events}"));
    }
}

/// The first file of each announced read must exist, and every file before an existing numbered file.
fn missing(run: &RunFiles, announcements: &ReadIndex, files: &BTreeSet<String>) {
    let mut due: BTreeSet<String> = announced(announcements).iter().map(|file| file.name()).collect();
    let later = files.iter().filter_map(|file| ReadFile::of(file)).filter(|file| file.number > 1);
    due.extend(later.map(|file| ReadFile { number: file.number - 1, ..file }.name()));
    for file in due.difference(files) {
        run.add_damage(file, "it is missing".to_owned());
    }
}

/// The content file of each announced read must exist.
fn contents(run: &RunFiles, announcements: &ReadIndex) {
    if run.run().meta.format < SHARED_CONTENTS {
        return;
    }
    let due = announced(announcements).into_iter().map(|read| run.content(read.partition, read.kind));
    let due: BTreeSet<String> = due.collect();
    let files = list(run, CONTENT, 0);
    for file in due.difference(&files) {
        run.add_damage(file, "it is missing".to_owned());
    }
    if announcements.are_whole {
        for file in files.difference(&due).filter(|file| file.ends_with(".zst")) {
            run.add_damage(file, "no event announces it".to_owned());
        }
    }
}

/// Files with names in our format that no event announces.
fn strays(run: &RunFiles, announcements: &ReadIndex, files: &BTreeSet<String>) {
    let announced = announced(announcements);
    let is_stray = |file: &&String| match ReadFile::of(file) {
        Some(read) => !announced.contains(&ReadFile { number: 1, ..read }),
        None => file.ends_with(".zst"),
    };
    let logs: BTreeSet<String> = (0..run.run().meta.partitions).map(|partition| run.log(partition)).collect();
    let others = list(run, LOG, 0);
    let others = others.iter().filter(|file| file.ends_with(".zst") && !logs.contains(*file));
    for file in files.iter().filter(is_stray).chain(others) {
        run.add_damage(file, "no event announces it".to_owned());
    }
}

/// The first file of each folder, partition and kind for which lines are announced.
fn announced(announcements: &ReadIndex) -> BTreeSet<ReadFile<'_>> {
    let with_lines = announcements.reads.values().filter(|read| read.lines > 0);
    with_lines
        .map(|ExpectedRead { folder, partition, kind, .. }| ReadFile {
            folder,
            partition: *partition,
            kind: *kind,
            number: 1,
        })
        .collect()
}

/// The files `depth` folders below `at`, relative to the run folder.
fn list(run: &RunFiles, at: &str, depth: u32) -> BTreeSet<String> {
    let mut files = Vec::new();
    if let Err(error) = walk(run.dir(), at, depth, &mut files) {
        run.add_damage(at, format!("cannot list the files: {error}"));
    }
    files.into_iter().collect()
}
