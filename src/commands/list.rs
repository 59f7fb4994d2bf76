//! `dissent list`: lists what is built in, with a description of each.

use super::list_fitting::{print_fits, settings};
use super::output;
use crate::cli::{self, Kind};
use crate::config::catalogue::{EmbeddedFile, NEMESES, WORKLOADS};
use crate::config::error::ConfigError;
use crate::config::file_schema::{self, Field};
use crate::exit::Exit;
use crate::report::catalogue::{FINDINGS, FindingText, faults, targets};
use crate::report::terminal::wrapped;
use dissent_core::nearest::advise;

/// Lists everything, one kind, or one thing in full.
pub(super) fn list(args: &cli::ListArgs) -> Exit {
    match (args.kind, &args.name) {
        (Some(Kind::Fits), _) => {
            print_fits();
            Exit::Pass
        }
        (Some(kind), Some(name)) => show(kind, name),
        (Some(kind), None) => {
            list_kind(kind);
            Exit::Pass
        }
        (None, _) => {
            for kind in IN_SHORT {
                output::result(heading(kind));
                list_kind(kind);
                output::result("");
            }
            output::result("more: dissent list fits, dissent list fields");
            Exit::Pass
        }
    }
}

/// What is listed if nothing is asked for.
const IN_SHORT: [Kind; 6] =
    [Kind::Workloads, Kind::Nemeses, Kind::Targets, Kind::Faults, Kind::Findings, Kind::Settings];

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Workloads => "workloads",
        Kind::Nemeses => "nemeses",
        Kind::Targets => "targets",
        Kind::Faults => "faults",
        Kind::Findings => "findings",
        Kind::Fields => "fields",
        Kind::Settings => "settings",
        Kind::Fits => "fits",
    }
}

/// Name, one-line description and full text of each thing of a kind.
fn things(kind: Kind) -> Vec<(String, String, String)> {
    let told = |table: Vec<(&'static str, String)>| {
        table.into_iter().map(|(name, about)| (name.to_owned(), about.clone(), about)).collect()
    };
    let files = |files: &'static [EmbeddedFile]| {
        let thing =
            |file: &EmbeddedFile| (file.name.to_owned(), opening(file.text).to_owned(), file.text.to_owned());
        files.iter().map(thing).collect()
    };
    match kind {
        Kind::Workloads => files(WORKLOADS),
        Kind::Nemeses => files(NEMESES),
        Kind::Targets => told(targets()),
        Kind::Faults => told(faults()),
        Kind::Findings => {
            let thing = |text: &FindingText| (text.name.to_owned(), text.about.to_owned(), whole(text));
            FINDINGS.iter().map(thing).collect()
        }
        Kind::Settings => settings(),
        Kind::Fits => Vec::new(),
        Kind::Fields => {
            file_schema::ALL.into_iter().flat_map(|(name, schema)| fields(name, schema)).collect()
        }
    }
}

/// The fields of a kind of file, as things to list.
fn fields(file: &str, schema: &str) -> Vec<(String, String, String)> {
    let thing = |field: Field| {
        let default = field.default.map(|default| format!("; default {default}"));
        let given = if field.is_required { Some("; required".to_owned()) } else { default };
        let about = format!("{}{}. {}", field.form, given.unwrap_or_default(), field.about);
        let choices = field.choices.iter().map(|(form, about)| format!("\n  {form}: {about}"));
        let text = about.clone() + &choices.collect::<String>();
        (format!("{file}.{}", field.path), about, text)
    };
    file_schema::fields(schema).into_iter().map(thing).collect()
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
    print(things(kind));
}

fn print(things: Vec<(String, String, String)>) {
    let width = things.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    for (name, about, _) in things {
        let mut label = name.as_str();
        for line in wrapped(&about, output::width().saturating_sub(width + 4)) {
            output::result(&format!("  {label:<width$}  {line}"));
            label = "";
        }
    }
}

fn show(kind: Kind, name: &str) -> Exit {
    let file = file_schema::ALL.into_iter().find(|(file, _)| kind == Kind::Fields && *file == name);
    if let Some((file, schema)) = file {
        print(fields(file, schema));
        return Exit::Pass;
    }
    let things = things(kind);
    match things.iter().find(|(known, ..)| *known == name) {
        Some((.., text)) => {
            output::result(text.trim_end());
            Exit::Pass
        }
        None => {
            let known: Vec<&str> = things.iter().map(|(known, ..)| known.as_str()).collect();
            let kind = match kind {
                Kind::Workloads => "workload",
                Kind::Nemeses => "nemesis plan",
                Kind::Targets => "target",
                Kind::Faults => "fault",
                Kind::Findings => "finding",
                Kind::Fields => "field",
                Kind::Settings => "setting",
                Kind::Fits => "table",
            };
            output::refusal(ConfigError::UnknownName {
                kind,
                name: name.to_owned(),
                help: advise(name, &known),
            })
        }
    }
}
