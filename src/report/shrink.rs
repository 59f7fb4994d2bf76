//! What a failing run was shrunk to, in words and as JSON.

use super::format::{count, counted, run_command};
use super::plan_files::inline;
use dissent_core::history::duration;
use dissent_core::history::fault::{Condition, StepEdge};
use dissent_core::history::nemesis::{Select, StepSpec};
use dissent_core::history::schema::Value;
use dissent_core::history::stored_name::stored_name;
use dissent_core::shrink::candidate::Candidate;
use serde::Serialize;
use std::fmt::Write as _;

/// How large a run is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShrinkSize {
    /// The steps of its plan.
    pub steps: usize,
    /// The writes of its load.
    pub writes: usize,
}

impl ShrinkSize {
    /// The size of a candidate.
    pub fn of(candidate: &Candidate) -> ShrinkSize {
        ShrinkSize { steps: candidate.steps(), writes: candidate.writes() }
    }
}

/// How often the whole run showed the finding.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ShownOf {
    /// Runs that showed it.
    pub hits: u32,
    /// All runs.
    pub runs: u32,
}

/// The result of `dissent shrink`.
#[derive(Clone, Debug, Serialize)]
pub struct ShrinkDocument {
    /// The name of the run that was shrunk.
    pub run: String,
    /// Its seed.
    pub seed: u64,
    /// The finding that was kept: anomaly, root cause, and how replicas fall into groups.
    pub finding: String,
    /// The size of the run.
    pub before: ShrinkSize,
    /// The size of what is left.
    pub after: ShrinkSize,
    /// The runs that it took.
    pub tries: u64,
    /// How often the whole run showed the finding; null in virtual time, where it always does.
    pub shown: Option<ShownOf>,
    /// Whether the finding is lost without any one step, write, boundary, column or value that is left.
    pub minimal: bool,
    /// What ended the search before that was known.
    pub stopped_by: Option<String>,
    /// Whether the files were run in the end, and showed the finding.
    pub verified: bool,
    /// The folder of the results.
    pub folder: String,
    /// The report of the run that was kept.
    pub report: Option<String>,
    /// The command that shows the finding.
    pub command: String,
    /// The exit code.
    pub exit_code: u8,
}

impl ShrinkDocument {
    /// The command of a run with these arguments and this seed.
    pub fn command_of(words: &[String], seed: u64) -> String {
        run_command(words, seed)
    }

    /// What the finding was shrunk from and to.
    fn sizes(&self) -> String {
        let size = |size: ShrinkSize| {
            format!("{} and {}", counted(size.steps as u64, "step"), counted(size.writes as u64, "write"))
        };
        format!("{} of {}", size(self.after), size(self.before))
    }

    /// Whether something more could be taken away.
    fn certainty(&self) -> String {
        match (&self.stopped_by, self.shown) {
            (Some(by), _) => format!("the smallest so far: stopped by {by}, so a smaller one may be left"),
            (None, None) => {
                "without any one step, write, boundary, column or value that is left, the finding is lost"
                    .to_owned()
            }
            (None, Some(ShownOf { hits, runs })) => format!(
                "without any one step, write, boundary, column or value that is left, the finding is lost at \
                 95 %, as the whole run showed it in {hits} of {runs} repeats"
            ),
        }
    }

    /// The opening comment of the files.
    pub fn comment(&self) -> String {
        format!(
            "{}.\n\nShrunk from {}: {}.\nThe writes and boundaries are given, so rate, keys and segment-rows \
             do not count.\n\n{}",
            self.finding,
            self.run,
            self.sizes(),
            self.command
        )
    }
}

/// The result for a terminal.
pub fn words(document: &ShrinkDocument) -> String {
    format!(
        "{}\n  {}\n  {}\n  {}: workload.toml, nemesis.toml, summary.md\n  run      {}",
        document.finding,
        document.sizes(),
        document.certainty(),
        document.folder,
        document.command
    )
}

/// The one line to grep for. No newline.
pub fn last_line(document: &ShrinkDocument) -> String {
    let ShrinkDocument { before, after, tries, seed, folder, finding, .. } = document;
    let word = match (document.verified, document.minimal) {
        (true, true) => "SHRUNK",
        (true, false) => "SMALLER",
        (false, _) => "UNVERIFIED",
    };
    format!(
        "{word} {finding}: {} -> {} steps, {} -> {} writes, {tries} tries seed={seed} shrink={folder}",
        before.steps, after.steps, before.writes, after.writes
    )
}

/// `summary.md`: what is left, as tables, and how to run it.
pub fn summary(document: &ShrinkDocument, left: &Candidate) -> String {
    let mut out = format!(
        "# {}\n\n{} are left, after {} tries: {}.\n\n```sh\n{}\n```\n\n",
        document.finding,
        document.sizes(),
        count(document.tries),
        document.certainty(),
        document.command
    );
    out.push_str("It exits with 1 as long as the finding is there. ");
    out.push_str(match document.verified {
        true => "The files were run in the end, and showed it.\n",
        false => "The files were not run in the end.\n",
    });
    let columns = left.workload.columns.iter();
    let columns = columns.map(|column| format!("`{}` ({})", column.name, stored_name(&column.merge)));
    let _ = write!(out, "\nColumns: {}.\n", columns.collect::<Vec<_>>().join(", "));
    out.push_str("\n## Steps\n\n| step | fault | where | begins | ends |\n| --- | --- | --- | --- | --- |\n");
    for step in &left.nemesis.steps {
        let (id, fault) = (&step.id, inline(&step.fault).unwrap_or_default());
        let (begin, until) = (condition(&step.begin), condition(&step.until));
        let _ = writeln!(out, "| {id} | `{fault}` | {} | {begin} | {until} |", victim(step));
    }
    out.push_str(
        "\n## Writes and boundaries\n\n| at | partition | key | what |\n| ---: | ---: | --- | --- |\n",
    );
    for (_, line) in timeline(left) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// A line for each write and each boundary, in order. A write at the time of a boundary comes first.
fn timeline(left: &Candidate) -> Vec<((u64, bool), String)> {
    let writes = left.workload.writes.iter().flatten().map(|write| {
        let cell = |(name, value): (&String, &Value)| {
            format!("`{name}` = `{}`", serde_json::to_string(value).unwrap_or_default().replace('|', "\\|"))
        };
        let what = match (write.delete, write.set.is_empty()) {
            (true, _) => "delete".to_owned(),
            (false, true) => "set nothing".to_owned(),
            (false, false) => write.set.iter().map(cell).collect::<Vec<_>>().join(", "),
        };
        let (at, key) = (duration::format(write.at), &write.key);
        ((write.at.0, false), format!("| {at} | {} | `{key}` | {what} |", write.partition))
    });
    let boundaries = left.workload.boundaries.iter().flatten().map(|boundary| {
        let line =
            format!("| {} | | | boundary: the open segments are committed |", duration::format(boundary.at));
        ((boundary.at.0, true), line)
    });
    let mut all: Vec<((u64, bool), String)> = writes.chain(boundaries).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

fn victim(step: &StepSpec) -> String {
    let replica = match &step.select {
        Select::Replica(name) => name.clone(),
        other => stored_name(other),
    };
    step.partition.map_or(replica.clone(), |partition| format!("{replica}, partition {partition}"))
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::At(at) => format!("at {}", duration::format(*at)),
        Condition::After(span) => format!("after {}", duration::format(*span)),
        Condition::Boundaries(0) => "at once".to_owned(),
        Condition::Boundaries(count) => format!("after {}", counted(u64::from(*count), "boundary")),
        Condition::AfterStep { step, edge, wait } => {
            let edge = if *edge == StepEdge::End { "is over" } else { "begins" };
            format!("{} after {step} {edge}", duration::format(*wait))
        }
        Condition::OthersCommitted => "when all others have committed the segment".to_owned(),
        Condition::EventsInNext { events, or_after, .. } => format!(
            "after {} in the next segment, or {}",
            counted(*events, "entry"),
            duration::format(*or_after)
        ),
    }
}
