//! `summary.md`: the terminal output as Markdown for the page of a CI job, with the rows of the first finding
//! side by side.

use super::answers::answer::Answer;
use super::answers::divergence::is_wrong;
use super::answers::{answers, explained, finding_headline, headline};
use super::format::{Clock, count, counted, len, modelled, printable, repeat, run_words, seed, value};
use dissent_core::checker::verdict::{Divergence, FindingKind, RowEvidence, ShownRow, Verdict};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::Value;
use dissent_core::history::stored_name::stored_name;
use std::collections::BTreeSet;

/// Findings beyond the first that get a line.
const ALSO: usize = 9;
/// Columns shown of a row, if no column is named as wrong.
const COLUMNS_MAX: usize = 8;

/// The summary of a run, ending in a newline.
pub fn summary(verdict: &Verdict, meta: &RunMeta) -> String {
    // A job's page may have several of these.
    let run = escaped(&run_words(meta).join(" "));
    let seed = seed(meta).map_or(String::new(), |seed| format!(", seed {seed}"));
    let outcome = stored_name(&verdict.outcome);
    let mut out = format!("## {outcome}: {run}{seed}\n\n**{}**\n\n", escaped(&headline(verdict)));
    for answer in answers(verdict, &Clock::of(meta)) {
        let told = match answer.short.as_slice() {
            [only] => format!(" {}", escaped(only)),
            // Numbered lines already form a list.
            several => several.iter().map(|line| format!("\n  {}{}", bullet(line), escaped(line))).collect(),
        };
        out.push_str(&format!("- **{}**{told}\n", answer.question));
    }
    if let Some(FindingKind::Divergence(divergence)) = verdict.findings.first().map(|found| &found.kind) {
        push_evidence(&mut out, divergence);
    }
    if let Some(finding) = verdict.findings.first() {
        push_explanation(&mut out, &explained(finding, meta, &Clock::of(meta)));
    }
    for finding in verdict.findings.iter().skip(1).take(ALSO) {
        let (fingerprint, told) = (&finding.fingerprint, escaped(&finding_headline(finding)));
        out.push_str(&format!("\nAlso `{fingerprint}`: {told}\n"));
    }
    let rest = len(&verdict.findings).saturating_sub(1 + ALSO as u64);
    if rest > 0 {
        out.push_str(&format!("\n{} in `verdict.json`.\n", counted(rest, "more finding")));
    }
    out.push_str(&format!("\nRun again:\n\n```sh\n{}\n```\n", printable(&repeat(meta))));
    out
}

/// Cause, spread and containment, folded.
fn push_explanation(out: &mut String, answers: &[Answer]) {
    if answers.is_empty() {
        return;
    }
    out.push_str("\n<details><summary>Cause, spread and containment</summary>\n\n");
    for answer in answers {
        let lines = answer.short.iter().chain(&answer.more);
        let told: String = lines.map(|line| format!("\n  - {}", escaped(line))).collect();
        out.push_str(&format!("- **{}**{told}\n", answer.question));
    }
    out.push_str("\n</details>\n");
}

fn bullet(line: &str) -> &'static str {
    let number = line.split_once(". ").map_or("", |(number, _)| number);
    if number.parse::<u8>().is_ok() { "" } else { "- " }
}

/// One line per row and column: the expected value, and what each replica shows.
fn push_evidence(out: &mut String, divergence: &Divergence) {
    let Some(first) = divergence.evidence.first() else { return };
    let expected = modelled(divergence);
    let mut heads: Vec<String> = ["key", "offset", "column"].map(str::to_owned).to_vec();
    heads.extend(expected.then(|| "expected".to_owned()));
    heads.extend(first.shown.iter().map(|shown| escaped(&shown.replica)));
    let rows = counted(len(&divergence.evidence), "row");
    out.push_str(&format!("\n<details>\n<summary>{rows}, side by side</summary>\n\n"));
    push_line(out, &heads);
    push_line(out, &vec!["---".to_owned(); heads.len()]);
    for row in &divergence.evidence {
        for column in columns(row) {
            let mut cells =
                vec![escaped(&row.key), row.off.map_or_else(String::new, count), escaped(&column)];
            if expected {
                let value = row.expected.as_ref().and_then(|expected| expected.get(&column));
                cells.push(value.map_or("no row".to_owned(), spelled));
            }
            cells.extend(row.shown.iter().map(|shown| cell(&column, shown, row, divergence)));
            push_line(out, &cells);
        }
    }
    out.push_str("\n</details>\n");
}

fn push_line(out: &mut String, cells: &[String]) {
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

fn columns(row: &RowEvidence) -> Vec<String> {
    if !row.columns.is_empty() {
        return row.columns.clone();
    }
    let rows = row.expected.iter().chain(row.shown.iter().filter_map(|shown| shown.row.as_ref()));
    let all: BTreeSet<&String> = rows.flat_map(|row| row.keys()).collect();
    all.into_iter().take(COLUMNS_MAX).cloned().collect()
}

fn cell(column: &str, shown: &ShownRow, row: &RowEvidence, divergence: &Divergence) -> String {
    let mark = if modelled(divergence) { "✗" } else { "≠" };
    match shown.row.as_ref().and_then(|row| row.get(column)) {
        None if shown.wrong => format!("{mark} no row"),
        None => "not compared".to_owned(),
        Some(got) if is_wrong(column, got, shown, row, divergence) => format!("{mark} **{}**", spelled(got)),
        Some(got) => spelled(got),
    }
}

fn spelled(cell: &Value) -> String {
    escaped(&value(cell))
}

/// Escapes Markdown and HTML. Otherwise a segment such as `acct__0__4` would be printed in bold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in printable(text).chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => out.extend(['\\', letter]),
            other => out.push(other),
        }
    }
    out
}
