//! One key on all replicas, side by side, in plain text: one block per offset, one column per replica. A sign
//! marks what is odd: `✗` contradicts the log, `≠` differs only from most replicas. What agrees is folded.

use super::format::{count, counted, joined, len, printable, shortened, value};
use dissent_core::checker::key_view::shard::{ShardCaptureView, ShardView};
use dissent_core::checker::key_view::with_model::{KeyView, RowView, ShownCell};
use dissent_core::checker::verdict::layout::exact;
use dissent_core::history::row::CopyState;
use dissent_core::history::schema::Value;
use dissent_core::history::stored_name::stored_name;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Characters of a cell before it is cut; the JSON has all of them.
const CELL_MAX: usize = 28;
/// The narrowest cell. Replicas that do not fit side by side are shown one below the other.
const CELL_MIN: usize = 10;
/// The columns of a table that stand before the replicas: a name, and what the log says.
const HEADS: usize = 2;

/// How much of a key is shown.
#[derive(Clone, Debug)]
pub struct RawStyle {
    /// Maximum width of a line, in columns.
    pub width: usize,
    /// Also the rows and cells that agree.
    pub all: bool,
    /// Only these columns; empty: those that are odd.
    pub columns: Vec<String>,
}

/// The views of a key; the last line is made to be grepped for. No newline at the end.
pub fn text(views: &[KeyView], style: &RawStyle) -> String {
    let each: Vec<String> = views.iter().map(|it| view(it, style)).collect();
    each.join("\n\n")
}

/// The view of a key in a shard: one block per capture, one column per row.
pub fn shard_text(view: &ShardView, style: &RawStyle) -> String {
    let key = printable(&view.key);
    let mut out = format!("key {key}, in a shard\n");
    for it in &view.captures {
        let (capture, upper, end) = (it.capture, count(it.upper), count(it.log_end));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\ncapture {capture}  complete below {upper} (the log up to offset {end})");
        push_table(&mut out, &shard_table(view, it, style), style.width);
    }
    let wrong = view.captures.iter().filter(|it| it.wrong.is_some()).count();
    let (states, unseen) = (len(&view.captures), counted(view.unseen.entries, "log entry"));
    let _ = write!(
        out,
        "\n{key}: {}, {} wrong, {unseen} from offset {} on not shown",
        counted(states, "state"),
        count(wrong as u64),
        count(view.unseen.from),
    );
    out
}

fn shard_table(view: &ShardView, it: &ShardCaptureView, style: &RawStyle) -> Vec<Vec<String>> {
    let mut lines = vec![vec![String::new(), "expected".to_owned()]];
    lines[0].extend(it.rows.iter().map(|_| printable(&it.object)));
    let none = || "no row".to_owned();
    let is_chosen = |column: &&String| style.columns.is_empty() || style.columns.contains(column);
    for column in view.columns.iter().filter(is_chosen) {
        let told = |cells: &BTreeMap<String, Value>| {
            shortened(&cells.get(column).map_or_else(none, value), CELL_MAX)
        };
        let mut line = vec![printable(column), it.expected.as_ref().map_or_else(none, told)];
        line.extend(it.rows.iter().map(|row| told(&row.cells)));
        lines.push(line);
    }
    let sign = if it.wrong.is_some() { "✗ " } else { "" };
    let mut times = vec!["times".to_owned(), u8::from(it.expected.is_some()).to_string()];
    times.extend(it.rows.iter().map(|row| format!("{sign}{}", row.count)));
    lines.push(times);
    lines
}

/// One JSON document, with integers beyond 2^53 as strings.
pub fn json(views: &impl Serialize) -> Result<String, serde_json::Error> {
    exact(views, &|_| None)
}

fn view(view: &KeyView, style: &RawStyle) -> String {
    let key = printable(&view.key);
    let mut out = format!("key {key}, partition {}, capture {}\n", view.partition, view.capture);
    for unsaid in &view.unsaid {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  not shown: {}", printable(unsaid));
    }
    let (shown_rows, folded) = chosen_rows(view, style);
    for row in shown_rows {
        let segment = row.segment.as_deref().unwrap_or("unknown");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\noffset {}  segment {}", count(row.off), printable(segment));
        let (lines, hidden) = table(view, row, style);
        push_table(&mut out, &lines, style.width);
        if hidden > 0 {
            let _ = writeln!(out, "  {} agree", counted(hidden, "other column"));
        }
    }
    if let ([first, ..], [.., last]) = (folded.as_slice(), folded.as_slice()) {
        let rows = counted(len(&folded), "offset");
        let (first, last) = (count(first.off), count(last.off));
        let _ = writeln!(out, "\n{rows} without anything odd, from {first} to {last} (--all shows them)");
    }
    let (odd, replicas) = view.odd();
    let replicas: Vec<String> = replicas.into_iter().map(str::to_owned).collect();
    let shown =
        view.rows.iter().flat_map(|row| &row.held).filter(|held| **held != ShownCell::NotLoaded).count();
    let not_loaded = view.rows.len() * view.replicas.len() - shown;
    let on = if odd > 0 { format!(" (on {})", joined(&replicas)) } else { String::new() };
    let _ = write!(
        out,
        "\n{key}: {} at {}, {} odd or missing{on}, {} not loaded",
        counted(shown as u64, "row"),
        counted(len(&view.rows), "offset"),
        count(odd),
        count(not_loaded as u64),
    );
    out
}

/// The rows to show, and those that are only counted: odd rows first; the newest one if none is odd.
fn chosen_rows<'v>(view: &'v KeyView, style: &RawStyle) -> (Vec<&'v RowView>, Vec<&'v RowView>) {
    let (mut odd, mut others): (Vec<_>, Vec<_>) = view.rows.iter().partition(|row| view.is_odd(row));
    if style.all {
        odd.append(&mut others);
    } else if odd.is_empty() {
        odd.extend(others.pop());
    }
    (odd, others)
}

/// The columns of a row to show.
fn chosen_columns<'v>(view: &'v KeyView, row: &RowView, style: &RawStyle) -> Vec<&'v String> {
    let is_odd = |column: &&String| {
        let odd_on = |held: &ShownCell| matches!(held, ShownCell::Row { odd, .. } if odd.contains(*column));
        row.held.iter().any(odd_on)
    };
    let columns = view.columns.iter();
    if !style.columns.is_empty() {
        return columns.filter(|column| style.columns.contains(column)).collect();
    }
    if style.all || !view.is_odd(row) {
        return columns.collect();
    }
    columns.filter(is_odd).collect()
}

/// A column according to the log: the expected value, or without a model what the entry says.
fn of_log(view: &KeyView, row: &RowView, column: &str) -> String {
    match (&row.expected, &row.written) {
        (Some(expected), _) => expected.get(column).map_or("no model".to_owned(), value),
        (None, Some(written)) => match written.get(column) {
            None | Some(Value::Null) => "-".to_owned(),
            Some(written) => value(written),
        },
        (None, None) if row.deletes => "deleted".to_owned(),
        (None, None) if view.rows.iter().any(|row| row.written.is_some()) => "no entry".to_owned(),
        (None, None) if !view.unsaid.is_empty() => "unknown".to_owned(),
        (None, None) => "no entry".to_owned(),
    }
}

/// One line per column: its name, the log's value, and each replica's value; and how many columns are left
/// out.
fn table(view: &KeyView, row: &RowView, style: &RawStyle) -> (Vec<Vec<String>>, u64) {
    let columns = chosen_columns(view, row, style);
    let hidden = if style.columns.is_empty() { view.columns.len() - columns.len() } else { 0 };
    let of = if view.unsaid.is_empty() { "expected" } else { "in the log" };
    let mut lines = vec![vec![String::new(), of.to_owned()]];
    lines[0].extend(view.replicas.iter().map(|replica| printable(replica)));
    for column in columns {
        let mut line = vec![printable(column), shortened(&of_log(view, row, column), CELL_MAX)];
        line.extend(row.held.iter().map(|held| cell(column, held, row)));
        lines.push(line);
    }
    let mut current = vec!["current".to_owned(), String::new()];
    current.extend(row.held.iter().map(|held| match held {
        ShownCell::Row { current, odd, .. } => {
            let word = if *current { "CURRENT" } else { "no" };
            let sign = if view.unsaid.is_empty() { "✗" } else { "≠" };
            if odd.contains("current") { format!("{sign} {word}") } else { word.to_owned() }
        }
        ShownCell::Missing | ShownCell::Excused(_) | ShownCell::NotLoaded => "-".to_owned(),
    }));
    lines.push(current);
    let mut state = vec!["copy".to_owned(), String::new()];
    state.extend(row.held.iter().map(|held| match held {
        ShownCell::Row { state, doc, .. } => format!("{}, doc {doc}", state_words(*state)),
        ShownCell::Missing if view.unsaid.is_empty() => "✗ missing".to_owned(),
        ShownCell::Missing => "missing".to_owned(),
        ShownCell::Excused(reason) => format!("absent: {}", stored_name(reason)),
        ShownCell::NotLoaded => "not loaded".to_owned(),
    }));
    lines.push(state);
    (lines, hidden as u64)
}

fn cell(column: &str, held: &ShownCell, row: &RowView) -> String {
    let ShownCell::Row { cells, odd, .. } = held else { return "-".to_owned() };
    let told = cells.get(column).map_or("-".to_owned(), value);
    let modelled = row.expected.as_ref().is_some_and(|expected| expected.contains_key(column));
    let sign = match (odd.contains(column), modelled) {
        (false, _) => "",
        (true, true) => "✗ ",
        (true, false) => "≠ ",
    };
    format!("{sign}{}", shortened(&told, CELL_MAX))
}

fn state_words(state: CopyState) -> &'static str {
    match state {
        CopyState::Consuming => "consuming",
        CopyState::CommittedLocal => "committed",
        CopyState::Downloaded => "downloaded",
    }
}

/// Adds a table that is no wider than `width`: cells are cut, and if that is not enough, replicas are shown
/// one below the other.
fn push_table(out: &mut String, lines: &[Vec<String>], width: usize) {
    let columns = lines.first().map_or(0, Vec::len);
    let natural = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths = |cap: usize| -> Vec<usize> { (0..columns).map(|at| natural(at).min(cap)).collect() };
    let total = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
    let fits = |cap: &usize| total(&widths(*cap)) <= width;
    let widths = widths((CELL_MIN..=CELL_MAX + 2).rev().find(fits).unwrap_or(CELL_MIN));
    let heads = total(&widths[..HEADS.min(columns)]);
    let mut from = HEADS.min(columns);
    loop {
        let mut to = from;
        let mut used = heads;
        while to < columns && (to == from || used + widths[to] + 2 <= width) {
            used += widths[to] + 2;
            to += 1;
        }
        for line in lines {
            let shown = (0..HEADS.min(columns)).chain(from..to);
            let cells: Vec<String> = shown.map(|at| padded(&line[at], widths[at])).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
        }
        from = to;
        if from >= columns {
            return;
        }
        out.push('\n');
    }
}

fn padded(cell: &str, width: usize) -> String {
    let fits = cell.chars().count() <= width;
    let cell = if fits { cell.to_owned() } else { shortened(cell, width.saturating_sub(1)) };
    format!("{cell:<width$}")
}
