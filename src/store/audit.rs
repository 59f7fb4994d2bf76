//! Holds the files of a run's folder against its events and against `run.json`: each is to account for the
//! others. What does not fit is damage.
//!
//! ```text
//! the record lost `reads/0003/c/0.jsonl.zst`, and the event of the read that it holds
//! nobody saw a difference in what was left
//! ```

use super::files::{RunFiles, walk};
use super::names::{READS, RUN_FILE, ReadFile, SCHEDULE, log_name};
use super::reads::AnnouncedRead;
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::fault::Step;
use dissent_core::history::run_record::EVENTS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The folder of the input logs.
const LOG: &str = "log";

/// What the events say of the other files.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// By id.
    pub(super) reads: BTreeMap<u64, AnnouncedRead>,
    /// The last phase that began.
    pub(super) phase: Option<Phase>,
    /// Whether all events could be read: what the others announce is not known.
    pub(super) are_whole: bool,
}

impl Announcements {
    /// Takes the next event.
    pub(super) fn note(&mut self, event: &Event) {
        self.reads.extend(AnnouncedRead::by(event));
        if let Event::Phase { phase } = event {
            self.phase = Some(*phase);
        }
    }
}

/// Notes what is missing, and what nobody speaks of.
pub(super) fn audit(run: &RunFiles, told: &Announcements) {
    schedule(run);
    let files = listed(run, READS, 2);
    missing(run, told, &files);
    if told.are_whole {
        run_file(run, told);
        strays(run, told, &files);
    }
}

/// The steps drawn are those of `run.json`.
fn schedule(run: &RunFiles) {
    let text = fs::read(run.dir().join(SCHEDULE)).map_err(|error| error.to_string());
    let steps = text.and_then(|text| {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let steps: Result<Vec<Step>, _> = lines.map(serde_json::from_slice).collect();
        steps.map_err(|error| error.to_string())
    });
    match steps {
        Ok(steps) if steps == run.run().meta.steps => {}
        Ok(_) => run.damaged(SCHEDULE, format!("its steps differ from those in {RUN_FILE}")),
        Err(error) => run.damaged(SCHEDULE, error),
    }
}

/// A run that ended says so, and in which phase; its events end in the same.
fn run_file(run: &RunFiles, told: &Announcements) {
    let run_file = run.run();
    if run.has_marks() && run_file.ended.is_none() {
        run.damaged(RUN_FILE, format!("it does not say that the run has ended, but {EVENTS} does"));
    }
    if run_file.ended.is_some() && told.phase != Some(Phase::Done) {
        run.damaged(EVENTS, "the run stopped before its last phase".to_owned());
    }
    if told.phase.is_some_and(|phase| phase != run_file.phase) {
        run.damaged(RUN_FILE, format!("its phase is not the last phase in {EVENTS}"));
    }
}

/// Which files under `reads/` must be there: the first of each, and the one before one that is there.
fn missing(run: &RunFiles, told: &Announcements, files: &BTreeSet<String>) {
    let mut due: BTreeSet<String> = announced(told).iter().map(|file| file.name()).collect();
    let later = files.iter().filter_map(|file| ReadFile::of(file)).filter(|file| file.number > 1);
    due.extend(later.map(|file| ReadFile { number: file.number - 1, ..file }.name()));
    for file in due.difference(files) {
        run.damaged(file, "it is missing".to_owned());
    }
}

/// Files of ours, by their names, of which no event speaks.
fn strays(run: &RunFiles, told: &Announcements, files: &BTreeSet<String>) {
    let announced = announced(told);
    let is_stray = |file: &&String| match ReadFile::of(file) {
        Some(read) => !announced.contains(&ReadFile { number: 1, ..read }),
        None => file.ends_with(".zst"),
    };
    let logs: BTreeSet<String> = (0..run.run().meta.partitions).map(log_name).collect();
    let others = listed(run, LOG, 0);
    let others = others.iter().filter(|file| file.ends_with(".zst") && !logs.contains(*file));
    for file in files.iter().filter(is_stray).chain(others) {
        run.damaged(file, "no event announces it".to_owned());
    }
}

/// The first file of each folder, partition and kind of which lines are announced.
fn announced(told: &Announcements) -> BTreeSet<ReadFile<'_>> {
    let with_lines = told.reads.values().filter(|read| read.lines > 0);
    with_lines
        .map(|AnnouncedRead { folder, partition, kind, .. }| ReadFile {
            folder,
            partition: *partition,
            kind: *kind,
            number: 1,
        })
        .collect()
}

/// The files so many folders below one of the run's.
fn listed(run: &RunFiles, at: &str, depth: u32) -> BTreeSet<String> {
    let mut files = Vec::new();
    if let Err(error) = walk(run.dir(), at, depth, &mut files) {
        run.damaged(at, format!("cannot list the files: {error}"));
    }
    files.into_iter().collect()
}
