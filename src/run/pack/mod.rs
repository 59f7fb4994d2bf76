//! `dissent pack`: a run as one file for an upstream issue, without what must stay at home ([`redaction`]).
//! The reports in it are made anew from what was redacted, so no sentence of theirs can quote what was not.

mod free_text;
mod redaction;
mod rows;

use super::judging::{JudgedRun, REPORT, SUMMARY, VERDICT};
use crate::report::html::timeline::Timeline;
use crate::report::run_facts::RunFacts;
use crate::report::{html, json, markdown};
use dissent_core::checker::verdict::{DoubtKind, Verdict};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::run_record::{MemoryRecord, RunMeta, RunRecord};
use dissent_store::run_reader::RunReader;
use redaction::Redactor;
use rows::{affected_keys, log_lines, push, row_lines};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What the pack says of itself.
const README: &str = include_str!("README.txt");
/// The level of zstd: it takes seconds where a higher one takes minutes, and is 10 % larger.
const LEVEL: i32 = 9;

/// Why there is no pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The file could not be written.
    #[error("cannot write {file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A redacted document is not what it was: a bug in dissent.
    #[error("cannot redact {what}: {source}")]
    Redact {
        /// The document.
        what: &'static str,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// A file of a pack.
#[derive(Debug)]
pub struct PackedFile {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The files of a pack. `target_file` is the text of the run's target file, if it can still be read.
pub fn files(
    record: &RunReader,
    judged: &JudgedRun,
    target_file: Option<&str>,
    with_values: bool,
) -> Result<Vec<PackedFile>, PackError> {
    let hosts = target_file.map_or_else(BTreeSet::new, free_text::hosts);
    let redactor = Redactor::of(record, !with_values, hosts);
    let meta = redacted_meta(record.meta(), &redactor)?;
    let verdict = redacted_verdict(&judged.verdict, &redactor, with_values)?;
    let keys = affected_keys(&judged.verdict);
    let (events, shown) = redacted_events(record, &redactor, &keys)?;
    let timeline = Timeline::of(&MemoryRecord {
        meta: meta.clone(),
        events,
        log: Vec::new(),
        rows: Vec::new(),
        current_rows: Vec::new(),
    });
    let facts = RunFacts { folder: None, report: Some(REPORT.into()), ..judged.facts() };
    let told = json::verdict_json(&verdict, &meta, &facts, judged.exit as u8).map_err(failed(VERDICT))?;
    let file = |name, bytes| PackedFile { name, bytes };
    let cures: Vec<_> = record.cures().iter().map(|cure| redacted("cures", cure, &redactor)).collect();
    Ok(vec![
        file("README.txt", README.into()),
        file(VERDICT, told.into_bytes()),
        file(SUMMARY, markdown::summary(&verdict, &meta).into_bytes()),
        file(REPORT, html::page(&verdict, &meta, &timeline).into_bytes()),
        file("run.json", serde_json::to_vec_pretty(&meta).map_err(failed("run.json"))?),
        file("schedule.jsonl", lines("schedule.jsonl", meta.steps.iter().map(Ok))?),
        file("cures.jsonl", lines("cures.jsonl", cures.into_iter())?),
        file("events.jsonl", lines("events.jsonl", shown.iter().map(Ok))?),
        file("log.jsonl", log_lines(record, &keys, &redactor).map_err(failed("log.jsonl"))?),
        file("rows.jsonl", row_lines(record, &keys, &redactor).map_err(failed("rows.jsonl"))?),
    ])
}

fn failed(what: &'static str) -> impl Fn(serde_json::Error) -> PackError {
    move |source| PackError::Redact { what, source }
}

fn lines<T: Serialize>(
    what: &'static str,
    items: impl Iterator<Item = Result<T, PackError>>,
) -> Result<Vec<u8>, PackError> {
    let mut out = Vec::new();
    for item in items {
        push(&mut out, &item?).map_err(failed(what))?;
    }
    Ok(out)
}

/// A document without what must not be told.
fn redacted(
    what: &'static str,
    document: &impl Serialize,
    redactor: &Redactor,
) -> Result<serde_json::Value, PackError> {
    let mut document = serde_json::to_value(document).map_err(failed(what))?;
    redactor.redact("", &mut document);
    Ok(document)
}

/// The same, as what it was.
fn redacted_as<T: Serialize + DeserializeOwned>(
    what: &'static str,
    document: &T,
    redactor: &Redactor,
) -> Result<T, PackError> {
    serde_json::from_value(redacted(what, document, redactor)?).map_err(failed(what))
}

/// The path of the target file and the command line, which has paths too, are left out.
fn redacted_meta(meta: &RunMeta, redactor: &Redactor) -> Result<RunMeta, PackError> {
    let target_file = meta.target_file.as_ref().map(|_| "TARGET.toml".to_owned());
    Ok(RunMeta { target_file, ..redacted_as("run.json", meta, redactor)? })
}

fn redacted_verdict(verdict: &Verdict, redactor: &Redactor, with_values: bool) -> Result<Verdict, PackError> {
    let mut verdict = redacted_as(VERDICT, verdict, redactor)?;
    if !with_values {
        // Its detail is an example, with numbers that nothing marks as values.
        let examples = verdict.doubts.iter_mut().filter(|doubt| doubt.kind == DoubtKind::Uncalibrated);
        examples.for_each(|doubt| "an example, which is left out here".clone_into(&mut doubt.detail));
    }
    Ok(verdict)
}

/// All events, for the page; and those to show, which are without ops on keys that are not affected.
fn redacted_events(
    record: &RunReader,
    redactor: &Redactor,
    keys: &BTreeSet<(u32, &str)>,
) -> Result<(Vec<TimedEvent>, Vec<TimedEvent>), PackError> {
    let (mut all, mut shown, mut ops) = (Vec::new(), Vec::new(), BTreeSet::new());
    for stamped in record.events() {
        let TimedEvent { t, event } = stamped.into_owned();
        let (event, is_shown) = match event {
            Event::Invoke { mut op } => {
                let is_affected = keys.contains(&(op.partition, op.key.as_ref()));
                if is_affected {
                    ops.insert(op.id);
                }
                op.key = redactor.key(&op.key).into();
                op.cols = redactor.cols(&op.cols);
                (Event::Invoke { op }, is_affected)
            }
            Event::Complete { op, .. } => (event, ops.contains(&op)),
            Event::Contents(mut contents) => {
                contents.rows.retain(|row| keys.iter().any(|(_, key)| **key == *row.key));
                for row in &mut contents.rows {
                    row.key = redactor.key(&row.key).into();
                    row.cols = redactor.cols(&row.cols);
                }
                (Event::Contents(contents), true)
            }
            other => (redacted_as("events.jsonl", &other, redactor)?, true),
        };
        let event = TimedEvent { t, event };
        if is_shown {
            shown.push(event.clone());
        }
        all.push(event);
    }
    Ok((all, shown))
}

/// Writes a pack: a tar archive, compressed with zstd. Returns its size. Never replaces a file.
pub fn write(out: &Path, files: &[PackedFile]) -> Result<u64, PackError> {
    let failed = |source| PackError::Io { file: out.display().to_string(), source };
    let compressed = File::create_new(out).and_then(|file| zstd::Encoder::new(file, LEVEL));
    let mut archive = tar::Builder::new(compressed.map_err(failed)?);
    let written = files.iter().try_for_each(|file| {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, file.name, file.bytes.as_slice())
    });
    let ended = written.and_then(|()| archive.into_inner()).and_then(|compressed| compressed.finish());
    ended.and_then(|file| file.sync_all()).map_err(failed)?;
    Ok(fs::metadata(out).map_err(failed)?.len())
}
