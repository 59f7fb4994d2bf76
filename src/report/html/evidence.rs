//! Rows as evidence: what every replica shows at one offset. The columns that differ come first, and the
//! wrong replica stands next to the expected row, so that both fit on a phone.

use super::parts::{folded, scroll};
use crate::report::answers::divergence::{is_flag, is_wrong};
use crate::report::format::{count, counted, listed, modelled, printable, shortened, value};
use dissent_core::checker::verdict::{Anomaly, Divergence, Origin, RowEvidence, ShownRow};
use dissent_core::history::row::CopyState;
use dissent_core::history::schema::{Schema, Value};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Rows of evidence shown of a finding.
const EVIDENCE_MAX: usize = 6;
/// Columns shown of a row.
const COLUMNS_MAX: usize = 30;
/// Characters of a name from the target before it is cut.
const NAME_MAX: usize = 80;

/// Keeps a mark and its text on one line.
pub(super) const NBSP: &str = "\u{a0}";

/// The first row in full, its equal columns folded; further rows are folded whole.
pub(super) fn evidence(d: &Divergence, schema: &Schema) -> Markup {
    let Some((first, others)) = d.evidence.split_first() else {
        return html! { p { "No row was kept as evidence." } };
    };
    let others = &others[..others.len().min(EVIDENCE_MAX - 1)];
    html! {
        (row_evidence(first, d, schema))
        @if !others.is_empty() {
            (folded(
                &format!("{} of this finding", counted(others.len() as u64, "more row")),
                html! { @for row in others { (row_evidence(row, d, schema)) } },
            ))
        }
    }
}

/// One offset: one line per column, with the expected value and what each replica shows.
fn row_evidence(row: &RowEvidence, d: &Divergence, schema: &Schema) -> Markup {
    let origin = match row.origin {
        Origin::Root => "went wrong here",
        Origin::Inherited => "merged correctly onto a row that was already wrong",
        Origin::Copied => "downloaded",
    };
    let key = shortened(&printable(&row.key), NAME_MAX);
    let (differ, equal): (Vec<String>, Vec<String>) =
        columns(row, schema).into_iter().partition(|column| differs(column, row, d));
    html! {
        h4 {
            "Key " code { (key) }
            span.where {
                @if let Some(off) = row.off { " offset " (count(off)) }
                @if row.off.is_some() && !schema.rules.has_own_log() {
                    " · segment " (shortened(&printable(&row.segment), NAME_MAX))
                }
                @if modelled(d) && row.off.is_some() { " · " (origin) }
            }
        }
        @let label = format!("What each replica shows for key {key}");
        (scroll(&label, table(&differ, true, row, d, schema)))
        @if !equal.is_empty() {
            (folded(
                &format!("{} without a difference", counted(equal.len() as u64, "column")),
                scroll(&label, table(&equal, false, row, d, schema)),
            ))
        }
    }
}

/// Whether any replica is marked in this column. If a row is missing, its columns are told apart too.
fn differs(column: &str, row: &RowEvidence, d: &Divergence) -> bool {
    row.shown.iter().any(|shown| match shown.row.as_ref().and_then(|row| row.get(column)) {
        // Where others rightly have no row, all of it is told.
        Some(got) => is_wrong(column, got, shown, row, d) || (d.what == Anomaly::Extra && shown.wrong),
        None => shown.wrong,
    })
}

fn table(
    columns: &[String],
    with_copies: bool,
    row: &RowEvidence,
    d: &Divergence,
    schema: &Schema,
) -> Markup {
    let mut shown: Vec<&ShownRow> = row.shown.iter().collect();
    shown.sort_by_key(|it| (!it.wrong, !d.replicas.contains(&it.replica)));
    html! {
        table.rows {
            thead {
                tr {
                    th { "" }
                    @if modelled(d) { th.expected { "expected" br; small { "from the log" } } }
                    @for shown in &shown { (replica_head(shown, d)) }
                }
            }
            tbody {
                @for column in columns { (line(column, row, &shown, d, schema)) }
                @if with_copies && row.off.is_some() {
                    tr.held {
                        th scope="row" { "current" }
                        @if modelled(d) { td.expected { "" } }
                        @for shown in &shown { (current_cell(shown, d)) }
                    }
                    tr.held {
                        th scope="row" { "copy" }
                        @if modelled(d) { td.expected { "" } }
                        @for shown in &shown { td { (held_as(shown)) } }
                    }
                }
            }
        }
    }
}

/// Whether a replica was compared and rightly has no row.
fn rightly_absent(shown: &ShownRow, d: &Divergence) -> bool {
    d.since.is_none() && !shown.wrong && shown.row.is_none() && d.last.comparable.contains(&shown.replica)
}

fn replica_head(shown: &ShownRow, d: &Divergence) -> Markup {
    html! {
        th.bad[shown.wrong] {
            (printable(&shown.replica)) br;
            small {
                @match (shown.wrong, modelled(d), &shown.row) {
                    _ if rightly_absent(shown, d) => "✓ agrees",
                    (true, true, _) => "✗ wrong",
                    (true, false, _) => "≠ differs",
                    (false, _, Some(_)) => "✓ agrees",
                    (false, _, None) => "– not compared",
                }
            }
        }
    }
}

/// The columns of a row in schema order, then those that every row has; wrong ones first if not all fit.
fn columns(row: &RowEvidence, schema: &Schema) -> Vec<String> {
    let rows = row.expected.iter().chain(row.shown.iter().filter_map(|shown| shown.row.as_ref()));
    let mut left: BTreeSet<&String> = rows.flat_map(|row| row.keys()).chain(&row.columns).collect();
    let mut columns: Vec<String> = Vec::new();
    for column in &schema.columns {
        if left.remove(&column.name) {
            columns.push(column.name.clone());
        }
    }
    columns.extend(left.into_iter().cloned());
    if columns.len() > COLUMNS_MAX {
        columns.sort_by_key(|column| !row.columns.contains(column));
        columns.truncate(COLUMNS_MAX);
    }
    columns
}

fn line(column: &str, row: &RowEvidence, shown: &[&ShownRow], d: &Divergence, schema: &Schema) -> Markup {
    let expected = row.expected.as_ref().and_then(|expected| expected.get(column));
    let is_stale = |shown: &ShownRow| shown.stale.iter().any(|stale| stale == column);
    let default = schema.position(column).map(|at| schema.columns[at].ty.default_value());
    html! {
        tr.named[row.columns.iter().any(|wrong| wrong == column)] {
            th scope="row" { (shortened(&printable(column), NAME_MAX)) }
            @if modelled(d) {
                td.expected {
                    @match expected { Some(expected) => (value(expected)), None => span.faint { "no row" } }
                }
            }
            @for shown in shown {
                @match shown.row.as_ref().and_then(|row| row.get(column)) {
                    None => td.bad[shown.wrong] { (absent(shown, d)) },
                    Some(got) if is_wrong(column, got, shown, row, d) => td.bad {
                        span.mark { @if modelled(d) { "✗" } @else { "≠" } } (NBSP)
                        b { (value(got)) }
                        @for note in notes(got, expected, default.as_ref(), is_stale(shown)) {
                            small { (note) }
                        }
                    },
                    Some(got) => td { (value(got)) },
                }
            }
        }
    }
}

fn absent(shown: &ShownRow, d: &Divergence) -> Markup {
    html! {
        @if rightly_absent(shown, d) { span.faint { "no row" } }
        @else if shown.wrong { span.mark { "✗" } (NBSP) "no row" }
        @else { span.faint { "not compared" } }
    }
}

/// Notes on a wrong cell: a type's default, an older value, the expected value, missing list items.
fn notes(got: &Value, expected: Option<&Value>, default: Option<&Value>, stale: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if default == Some(got) {
        notes.push("the type's default".to_owned());
    }
    if stale {
        notes.push("an older value".to_owned());
    }
    match (got, expected) {
        (Value::Longs(got), Some(Value::Longs(expected))) => notes.extend(lacks(got, expected)),
        (Value::Strings(got), Some(Value::Strings(expected))) => notes.extend(lacks(got, expected)),
        _ => {}
    }
    notes
}

/// Which items of a list are missing, and which should not be there.
fn lacks<T: ToString + Ord>(got: &[T], expected: &[T]) -> Vec<String> {
    let without = |all: &[T], of: &[T]| -> Vec<String> {
        let known: BTreeSet<_> = of.iter().collect();
        all.iter().filter(|item| !known.contains(item)).map(T::to_string).collect()
    };
    let (missing, extra) = (without(expected, got), without(got, expected));
    let told = |items: &[String]| shortened(&listed(items, 5), 60);
    let mut notes = Vec::new();
    if !missing.is_empty() {
        notes.push(format!("{} of {} missing: {}", missing.len(), expected.len(), told(&missing)));
    }
    if !extra.is_empty() {
        notes.push(format!("{} too many: {}", extra.len(), told(&extra)));
    }
    if notes.is_empty() {
        notes.push("the same items in another order, or twice".to_owned());
    }
    notes
}

fn current_cell(shown: &ShownRow, d: &Divergence) -> Markup {
    let word = if shown.current { "yes: queries see it" } else { "no" };
    let bad = shown.wrong && is_flag(d);
    html! {
        @match &shown.row {
            Some(_) => td.bad[bad] { @if bad { span.mark { "✗" } (NBSP) } (word) },
            None => td { span.faint { "–" } },
        }
    }
}

fn held_as(shown: &ShownRow) -> Markup {
    let state = match shown.state {
        Some(CopyState::Consuming) => "consuming",
        Some(CopyState::CommittedLocal) => "committed by this replica",
        Some(CopyState::Downloaded) => "downloaded",
        None => "–",
    };
    html! { (state) @if let Some(read) = shown.read { small { "read " (read) } } }
}
