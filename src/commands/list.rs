//! `dissent list`: lists what is built in, with a description of each.

use super::output;
use crate::cli::{self, Kind};
use crate::config::catalogue::{EmbeddedFile, NEMESES, WORKLOADS};
use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::report::catalogue::{FINDINGS, FindingText, faults, targets};
use crate::report::terminal::wrapped;
use dissent_core::nearest::advise;

/// Lists everything, one kind, or one thing in full.
pub(super) fn list(args: &cli::ListArgs) -> Exit {
    match (args.kind, &args.name) {
        (Some(kind), Some(name)) => show(kind, name),
        (Some(kind), None) => {
            list_kind(kind);
            Exit::Pass
        }
        (None, _) => {
            for kind in [Kind::Workloads, Kind::Nemeses, Kind::Targets, Kind::Faults, Kind::Findings] {
                output::result(heading(kind));
                list_kind(kind);
                output::result("");
            }
            Exit::Pass
        }
    }
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Workloads => "workloads",
        Kind::Nemeses => "nemeses",
        Kind::Targets => "targets",
        Kind::Faults => "faults",
        Kind::Findings => "findings",
    }
}

/// Name, one-line description and full text of each thing of a kind.
fn things(kind: Kind) -> Vec<(&'static str, String, String)> {
    let told = |table: Vec<(&'static str, String)>| {
        table.into_iter().map(|(name, about)| (name, about.clone(), about)).collect()
    };
    let files = |files: &'static [EmbeddedFile]| {
        files.iter().map(|file| (file.name, opening(file.text).to_owned(), file.text.to_owned())).collect()
    };
    match kind {
        Kind::Workloads => files(WORKLOADS),
        Kind::Nemeses => files(NEMESES),
        Kind::Targets => told(targets()),
        Kind::Faults => told(faults()),
        Kind::Findings => {
            FINDINGS.iter().map(|text| (text.name, text.about.to_owned(), whole(text))).collect()
        }
    }
}

/// All that is said of a kind of finding, a paragraph each.
fn whole(text: &FindingText) -> String {
    let paragraphs = text.told().map(|(question, answer)| format!("\n{question}:\n  {answer}\n"));
    format!("{}: {}\n{}", text.name, text.about, paragraphs.concat())
}

/// The first line of a catalogue file, which describes it.
fn opening(text: &'static str) -> &'static str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

fn list_kind(kind: Kind) {
    let things = things(kind);
    let width = things.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    for (name, about, _) in things {
        let mut label = name;
        for line in wrapped(&about, output::width().saturating_sub(width + 4)) {
            output::result(&format!("  {label:<width$}  {line}"));
            label = "";
        }
    }
}

fn show(kind: Kind, name: &str) -> Exit {
    let things = things(kind);
    match things.iter().find(|(known, ..)| *known == name) {
        Some((.., text)) => {
            output::result(text.trim_end());
            Exit::Pass
        }
        None => {
            let known: Vec<&str> = things.iter().map(|(known, ..)| *known).collect();
            let kind = match kind {
                Kind::Workloads => "workload",
                Kind::Nemeses => "nemesis plan",
                Kind::Targets => "target",
                Kind::Faults => "fault",
                Kind::Findings => "finding",
            };
            output::refusal(ConfigError::UnknownName {
                kind,
                name: name.to_owned(),
                help: advise(name, &known),
            })
        }
    }
}
