//! The evidence for one finding: what every replica shows, side by side, in the first and the last capture.

use crate::report::answers::divergence::{is_flag, is_wrong, standing_words};
use crate::report::answers::frontier_order::preceding_event;
use crate::report::format::{
    Clock, count, joined, listed, modelled, printable, shortened, spaced, span, value,
};
use dissent_core::checker::verdict::{
    CaptureState, Course, Divergence, Finding, FindingKind, FreezeCourse, Frozen, ObjectKind, Origin,
    RowEvidence, ShownRow,
};
use dissent_core::history::row::CopyState;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::{Schema, Value};
use dissent_core::history::stored_name::stored_name;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Rows of evidence shown of a finding.
const EVIDENCE_MAX: usize = 6;
/// Columns shown of a row, wrong ones first if there are more.
const COLUMNS_MAX: usize = 30;
/// Characters of a name from the target before it is cut.
const NAME_MAX: usize = 80;

/// Keeps a mark and its text on one line.
const NBSP: &str = "\u{a0}";

/// The evidence for a finding.
pub(super) fn proof(finding: &Finding, meta: &RunMeta, clock: &Clock) -> Markup {
    match &finding.kind {
        FindingKind::Divergence(d) => html! {
            @for row in d.evidence.iter().take(EVIDENCE_MAX) { (evidence(row, d, &meta.schema)) }
            @if d.evidence.is_empty() { p { "No row was kept as evidence." } }
            h3 { "First and last capture" }
            (course(d, meta, clock))
        },
        FindingKind::Frozen(f) => pairs(&frozen_pairs(f, clock)),
        FindingKind::Regressed(r) => pairs(&[
            ("object", printable(&r.object)),
            ("replica", r.replica.as_deref().map_or_else(|| "none".to_owned(), printable)),
            ("from", count(r.from)),
            ("to", count(r.to)),
            ("seen", clock.both(r.t)),
            ("previous sample", clock.both(r.after)),
            ("incarnation", format!("{}, then {}", r.incarnations.0, r.incarnations.1)),
            ("declared durable", if r.durable { "yes" } else { "no" }.to_owned()),
            ("just before", preceding_event(r.before.as_ref(), clock)),
            ("number of times", count(r.times)),
        ]),
        FindingKind::Ahead(a) => pairs(&[
            ("object", printable(&a.object)),
            ("replica", a.replica.as_deref().map_or_else(|| "none".to_owned(), printable)),
            ("position", count(a.position)),
            match &a.input {
                Some(_) => ("position of the input, read last", count(a.upper)),
                None => ("end of the upstream, read last", count(a.upper)),
            },
            ("input", a.input.as_deref().map_or_else(|| "none".to_owned(), printable)),
            ("first seen", clock.both(a.t)),
            ("samples", count(a.samples)),
        ]),
        FindingKind::LostAck(lost) => {
            pairs(&[("partition", lost.partition.to_string()), ("ops", listed(&lost.ops, 50))])
        }
    }
}

fn frozen_pairs(f: &Frozen, clock: &Clock) -> Vec<(&'static str, String)> {
    let none = || "none".to_owned();
    let mut pairs = vec![
        ("object", printable(&f.object)),
        ("kind", spaced(&stored_name(&f.kind))),
        ("replica", f.replica.as_deref().map_or_else(none, printable)),
    ];
    match f.kind {
        ObjectKind::ConsumingPosition => pairs.extend([
            ("partition", f.partition.map_or_else(none, |partition| partition.to_string())),
            ("segment", f.segment.clone().unwrap_or_else(none)),
            ("stuck at offset", count(f.position)),
            ("end of the log", count(f.log_end)),
        ]),
        ObjectKind::ShardUpper | ObjectKind::WriterOutput => pairs.extend([
            ("pinned by", joined(&f.pinned_by)),
            ("stuck at", count(f.position)),
            ("end of the upstream", count(f.log_end)),
        ]),
    }
    pairs.extend([
        ("upstream advanced by", count(f.upstream_moved)),
        ("not processed", f.invisible.map_or_else(|| "unknown".to_owned(), count)),
        (
            "last move",
            f.last_move.map_or_else(none, |it| {
                format!("{}: {} to {}", clock.both(it.t), count(it.from), count(it.to))
            }),
        ),
        ("just before the stop", preceding_event(f.before.as_ref(), clock)),
        ("stuck since", clock.both(f.since)),
        ("watched for", span(f.watched)),
        ("threshold", span(f.threshold)),
        ("visibility", stored_name(&f.grade)),
        ("how it ended", ended(f.course).to_owned()),
        ("status when it stopped", printable(&f.status_at_freeze)),
        ("status at the end", printable(&f.status)),
        ("incarnation", count(f.incarnation)),
        ("samples", count(f.samples)),
        ("number of stops", count(f.times)),
    ]);
    pairs
}

fn ended(course: FreezeCourse) -> &'static str {
    match course {
        FreezeCourse::Sticky => "still stuck at the end (sticky)",
        FreezeCourse::SelfHealed => "resumed by itself (self-healed)",
        FreezeCourse::ClearedByRestart => "resumed after a restart (cleared-by-restart)",
    }
}

fn pairs(rows: &[(&str, String)]) -> Markup {
    html! {
        table.pairs {
            tbody {
                @for (label, text) in rows {
                    tr { th scope="row" { (label) } td { (shortened(text, 400)) } }
                }
            }
        }
    }
}

/// One offset: one line per column, with the expected value and what each replica shows.
fn evidence(row: &RowEvidence, d: &Divergence, schema: &Schema) -> Markup {
    let origin = match row.origin {
        Origin::Root => "went wrong here",
        Origin::Inherited => "merged correctly onto a row that was already wrong",
        Origin::Copied => "downloaded",
    };
    html! {
        h3 {
            "Key " code { (shortened(&printable(&row.key), NAME_MAX)) }
            span.where {
                " offset " (count(row.off)) " · segment " (shortened(&printable(&row.segment), NAME_MAX))
                @if modelled(d) { " · " (origin) }
            }
        }
        div.scroll {
            table.rows {
                thead {
                    tr {
                        th { "" }
                        @if modelled(d) { th.expected { "expected" br; small { "from the log" } } }
                        @for shown in &row.shown { (replica_head(shown, modelled(d))) }
                    }
                }
                tbody {
                    @for column in columns(row, schema) { (line(&column, row, d, schema)) }
                    tr.held {
                        th scope="row" { "current" }
                        @if modelled(d) { td.expected { "" } }
                        @for shown in &row.shown { (current_cell(shown, d)) }
                    }
                    tr.held {
                        th scope="row" { "copy" }
                        @if modelled(d) { td.expected { "" } }
                        @for shown in &row.shown { td { (held_as(shown)) } }
                    }
                }
            }
        }
    }
}

fn replica_head(shown: &ShownRow, modelled: bool) -> Markup {
    html! {
        th.bad[shown.wrong] {
            (printable(&shown.replica)) br;
            small {
                @match (shown.wrong, modelled, &shown.row) {
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

fn line(column: &str, row: &RowEvidence, d: &Divergence, schema: &Schema) -> Markup {
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
            @for shown in &row.shown {
                @match shown.row.as_ref().and_then(|row| row.get(column)) {
                    None => td.bad[shown.wrong] { (absent(shown)) },
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

fn absent(shown: &ShownRow) -> Markup {
    html! {
        @if shown.wrong { span.mark { "✗" } (NBSP) "no row" }
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
        (_, Some(expected)) => notes.push(format!("expected {}", value(expected))),
        (_, None) => {}
    }
    notes
}

fn lacks<T: ToString + Ord>(got: &[T], expected: &[T]) -> Option<String> {
    let got: BTreeSet<_> = got.iter().collect();
    let lacking: Vec<_> = expected.iter().filter(|item| !got.contains(item)).map(T::to_string).collect();
    match lacking.len() {
        0 => Some("different items or order".to_owned()),
        n => Some(format!("{n} of {} missing: {}", expected.len(), shortened(&listed(&lacking, 5), 60))),
    }
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

/// First and last capture, replica by replica.
fn course(d: &Divergence, meta: &RunMeta, clock: &Clock) -> Markup {
    let last = if d.course == Course::Healed { "last seen" } else { "last" };
    html! {
        div.scroll {
            table.rows {
                thead {
                    tr {
                        th { "" } th { "capture" }
                        @for replica in &meta.roster { th { (printable(replica)) } }
                        th { "pattern, side" }
                    }
                }
                tbody {
                    (standing("first", &d.first, d, meta, clock))
                    (standing(last, &d.last, d, meta, clock))
                }
            }
        }
    }
}

fn standing(label: &str, at: &CaptureState, d: &Divergence, meta: &RunMeta, clock: &Clock) -> Markup {
    html! {
        tr {
            th scope="row" { (label) }
            td { (at.capture) small { (clock.both(at.t)) } }
            @for replica in &meta.roster {
                @match (at.wrong.contains(replica), at.comparable.contains(replica)) {
                    (true, _) => td.bad {
                        @if modelled(d) { span.mark { "✗" } (NBSP) "wrong" }
                        @else { span.mark { "≠" } (NBSP) "differs" }
                    },
                    (false, true) => td { @if modelled(d) { "✓ correct" } @else { "= agrees" } },
                    (false, false) => td { span.faint { "– not compared" } },
                }
            }
            td { (standing_words(at)) }
        }
    }
}
