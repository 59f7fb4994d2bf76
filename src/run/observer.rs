//! Observers of a running run, and the lines they show.

use dissent_core::history::event::{Event, ProcessExit};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Receives every event as it happens, before anything is judged.
pub trait Observer: Send {
    /// Called for each event with its time in the run.
    fn event(&mut self, now: Nanos, event: &Event);
}

/// An observer that ignores everything.
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&mut self, _now: Nanos, _event: &Event) {}
}

/// Selects the events that a person who follows the run wants to read.
#[derive(Debug, Default)]
pub struct LiveLines {
    /// The replicas that do not answer, so that this is shown once and not for every sample.
    silent: BTreeSet<String>,
    /// Whether everything is selected but what happens many times a second: ops and samples.
    is_verbose: bool,
}

impl LiveLines {
    /// Selects also what the run asks of its target, and what the target tells.
    pub fn verbose() -> LiveLines {
        LiveLines { is_verbose: true, ..LiveLines::default() }
    }

    /// The line for an event. None if it is not worth one.
    pub fn of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Unreachable { replica, .. } if !self.silent.insert(replica.clone()) => None,
            Event::Sample { replica, .. } if self.silent.remove(replica) => {
                Some(format!("{replica}: answers again"))
            }
            event => line(event).or_else(|| self.is_verbose.then(|| detail(event)).flatten()),
        }
    }
}

/// The line for an event that matters only to those who look closely.
fn detail(event: &Event) -> Option<String> {
    match event {
        Event::FaultBegin { step, fault, .. } => {
            let partition = fault.partition.map(|number| format!(", partition {number}"));
            let seq = fault.seq.map(|seq| format!(", segment {seq}"));
            let at = [partition, seq].into_iter().flatten().collect::<String>();
            Some(format!("{step}: to begin {} on {}{at}", fault.kind.full_name(), fault.replica))
        }
        Event::CureBegin { step, .. } => Some(format!("{step}: to be cured")),
        Event::Segment { segment } => Some(match segment.end {
            Some(end) => format!("{}: committed, offsets {} to {end}", segment.name, segment.start),
            None => format!("{}: opened at offset {}", segment.name, segment.start),
        }),
        Event::Canary { partition, op } => Some(format!("canary of partition {partition}: op {op}")),
        Event::Read(read) => Some(format!(
            "capture {}: {} rows of {} on {}, offsets {} to {}",
            read.capture, read.rows, read.before.segment, read.replica, read.from, read.end_after
        )),
        Event::CurrentRead(read) => Some(format!(
            "capture {}: the current rows of partition {} on {}",
            read.capture, read.partition, read.replica
        )),
        Event::Contents(shard) => Some(format!("capture {}: the contents of the shard", shard.capture)),
        Event::CaptureEnd { capture } => Some(format!("capture {capture}: complete")),
        Event::ChecksumsRefuted { segment, .. } => Some(format!("{segment}: equal checksums, other rows")),
        Event::Lifecycle(told) => {
            let segment = told.segment.as_ref().map(|segment| format!(" {segment}")).unwrap_or_default();
            Some(format!("{} tells: {}{segment}", told.replica, told.kind))
        }
        _ => None,
    }
}

fn line(event: &Event) -> Option<String> {
    let failed = |error: &Option<String>, well: &str, badly: &str| match error {
        None => well.to_owned(),
        Some(error) => format!("{badly}: {error}"),
    };
    match event {
        Event::Phase { phase } => Some(stored_name(phase)),
        Event::FaultBegun { step, error } => {
            Some(format!("{step}: {}", failed(error, "in force", "not begun")))
        }
        Event::Cured { step, ended_early: Some(seen), .. } => {
            Some(format!("{step}: over before its cure: {seen}"))
        }
        Event::Cured { step, error, .. } => {
            Some(format!("{step}: {}", failed(error, "cured", "cure failed")))
        }
        Event::Boundary => Some("boundary asked for".to_owned()),
        Event::CaptureBegin { capture, reason } => {
            Some(format!("capture {capture}: {}", stored_name(reason)))
        }
        Event::Settled { all: true, .. } => Some("all replicas have settled".to_owned()),
        Event::Settled { all: false, .. } => Some("not all replicas have settled in time".to_owned()),
        Event::Unreachable { replica, error } => Some(format!("{replica}: no answer: {error}")),
        Event::ServerDied(ProcessExit { server, words }) => {
            Some(format!("{server} is gone: {words}: curing, within 5 s"))
        }
        Event::Interrupted { by } => Some(format!("interrupted by {by}: curing, within 5 s")),
        Event::Trouble { at, error } => Some(format!("trouble at {at}: {error}")),
        _ => None,
    }
}

/// The time in seconds with milliseconds.
pub fn stamp(now: Nanos) -> String {
    let ms = now.0 / 1_000_000;
    format!("{:>4}.{:03}s", ms / 1000, ms % 1000)
}

/// Writes the same lines to `tool.log` and passes events on to another observer. The file is for people:
/// nothing is judged by it, and a line that cannot be written does not stop the run.
pub struct ToolLog<'a> {
    file: Option<BufWriter<File>>,
    lines: LiveLines,
    watcher: &'a mut dyn Observer,
}

impl<'a> ToolLog<'a> {
    /// Starts a log in `file`. Events are also passed to `watcher`.
    pub fn new(file: &Path, watcher: &'a mut dyn Observer) -> ToolLog<'a> {
        ToolLog { file: File::create(file).ok().map(BufWriter::new), lines: LiveLines::default(), watcher }
    }
}

impl Observer for ToolLog<'_> {
    fn event(&mut self, now: Nanos, event: &Event) {
        if let (Some(line), Some(file)) = (self.lines.of(event), &mut self.file) {
            let written = writeln!(file, "{}  {line}", stamp(now)).and_then(|()| file.flush());
            if written.is_err() {
                self.file = None;
            }
        }
        self.watcher.event(now, event);
    }
}
