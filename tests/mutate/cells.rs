//! Changed values: in rows of one replica or of all, in current rows, in a shard.

use super::kept::Kept;
use super::{Accusation, Expects, Mutation, cell, damage};
use crate::draw::Draw;
use dissent_core::history::event::Event;
use dissent_core::history::row::{CurrentRead, Read, ReadValidity, Row};
use dissent_core::history::schema::Value;
use dissent_store::codec;
use std::collections::{BTreeMap, BTreeSet};

/// The file of events.
const EVENTS: &str = "events.jsonl.zst";

/// A changed value somewhere, which must be found.
pub(crate) fn changed(kept: &Kept, draw: &mut Draw) -> Mutation {
    if !kept.record.meta.has_segments() {
        return of_shard(kept, draw);
    }
    match draw.below(4) {
        0 => of_flags(kept, draw),
        1 => of_rows(kept, draw, true),
        _ => of_rows(kept, draw, false),
    }
}

/// A column of a row, on one replica or on all.
fn of_rows(kept: &Kept, draw: &mut Draw, on_all: bool) -> Mutation {
    let schema = &kept.record.meta.schema;
    let (target, row) = loop {
        let name = *draw.pick(&files(kept, false));
        let line = draw.pick(&kept.lines[name]);
        let (id, row) = codec::decode_row(schema, line).expect("a row");
        let read = read(kept, id);
        // If all agree on another value of a calibration row, model and target disagree: the model is
        // switched off.
        let is_of_load = row.op > kept.record.meta.calibration_ops;
        if read.soundness == ReadValidity::Sound && (is_of_load || !on_all) {
            break (read, row);
        }
    };
    let told: Vec<usize> = (0..row.cols.len()).filter(|at| row.cols[*at] != Value::Null).collect();
    let column = *draw.pick(&told);
    let partition = target.before.partition;
    let mut accused = BTreeSet::new();
    let mut changed = BTreeMap::new();
    for name in files(kept, false) {
        let lines = kept.lines[name].iter().map(|line| {
            let (id, mut at) = codec::decode_row(schema, line).expect("a row");
            let read = read(kept, id);
            let is_here = read.before.partition == partition && at.off == row.off;
            if !is_here || !on_all && read.replica != target.replica {
                return line.clone();
            }
            at.cols[column] = other(&at.cols[column]);
            accused.extend(
                (read.soundness == ReadValidity::Sound).then(|| cell(partition, &at.key, &read.replica)),
            );
            serde_json::to_vec(&codec::row(schema, id, &at)).expect("JSON")
        });
        let lines: Vec<Vec<u8>> = lines.collect();
        if lines != kept.lines[name] {
            changed.insert(name, Some(kept.file(name, &lines)));
        }
    }
    let whom = if on_all { "all replicas" } else { &target.replica };
    let Row { key, off, op, .. } = &row;
    let what = format!(
        "{} of {key} at {off} (op {op}) of {partition} changed on {whom}",
        schema.columns[column].name
    );
    mutation(what, changed, accused)
}

/// The current rows of a key, in a read during which nothing moved.
fn of_flags(kept: &Kept, draw: &mut Draw) -> Mutation {
    let (name, at, read, mut current) = loop {
        let name = *draw.pick(&files(kept, true));
        let at = draw.below(kept.lines[name].len());
        let (id, current) = codec::decode_flags(&kept.lines[name][at]).expect("flags");
        let read = flags_read(kept, id);
        if read.soundness == ReadValidity::Sound && read.before == read.after {
            break (name, at, read, current);
        }
    };
    let was = current.offs.clone();
    match was.first() {
        Some(_) if draw.once_in(2) => current.offs.clear(),
        Some(off) => current.offs = vec![off + 1],
        None => current.offs = vec![0],
    }
    let mut lines = kept.lines[name].clone();
    lines[at] = serde_json::to_vec(&codec::flags(read.id, &current)).expect("JSON");
    let accused = BTreeSet::from([cell(read.partition, &current.key, &read.replica)]);
    let what = format!("{name}: flags of {} from {was:?} to {:?}", current.key, current.offs);
    mutation(what, BTreeMap::from([(name, Some(kept.file(name, &lines)))]), accused)
}

/// A column of a row that a shard holds.
fn of_shard(kept: &Kept, draw: &mut Draw) -> Mutation {
    let events = kept.record.events.iter().enumerate();
    let held = events.filter(|(_, it)| matches!(&it.event, Event::Contents(held) if !held.rows.is_empty()));
    let held: Vec<usize> = held.map(|(at, _)| at).collect();
    let at = *draw.pick(&held);
    let mut stamped = kept.record.events[at].clone();
    let Event::Contents(contents) = &mut stamped.event else { return damage::bytes(kept, draw) };
    let row = draw.below(contents.rows.len());
    let row = &mut contents.rows[row];
    let column = draw.below(row.cols.len());
    row.cols[column] = other(&row.cols[column]);
    let accused = BTreeSet::from([cell(0, &row.key, &contents.object)]);
    let what = format!("column {column} of {} in the shard at capture {} changed", row.key, contents.capture);
    let mut lines = kept.lines[EVENTS].clone();
    lines[at] = serde_json::to_vec(&codec::event(at as u64 + 1, &stamped)).expect("JSON");
    mutation(what, BTreeMap::from([(EVENTS, Some(kept.file(EVENTS, &lines)))]), accused)
}

fn mutation(what: String, files: BTreeMap<&str, Option<Vec<u8>>>, accused: BTreeSet<Accusation>) -> Mutation {
    let Mutation { what, files, .. } = damage::loss(what, files, true);
    Mutation { what, files, expects: Expects::Accused(accused) }
}

/// The files of rows, or of current rows.
fn files(kept: &Kept, of_flags: bool) -> Vec<&str> {
    let reads = kept.lines.keys().filter(|file| file.starts_with("reads/"));
    reads.filter(|file| file.contains(".current") == of_flags).map(String::as_str).collect()
}

fn read(kept: &Kept, id: u64) -> &Read {
    let found = kept.record.events.iter().find_map(|stamped| match &stamped.event {
        Event::Read(read) if read.id == id => Some(read),
        _ => None,
    });
    found.expect("it is announced")
}

fn flags_read(kept: &Kept, id: u64) -> &CurrentRead {
    let found = kept.record.events.iter().find_map(|stamped| match &stamped.event {
        Event::CurrentRead(read) if read.id == id => Some(read),
        _ => None,
    });
    found.expect("it is announced")
}

/// Another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Boolean(boolean) => Value::Boolean(!boolean),
        Value::Long(long) => Value::Long(long.wrapping_add(1)),
        Value::Double(double) => Value::double(double.get() / 2.0 + 1.0),
        Value::String(text) => Value::String(format!("{text}x")),
        Value::Longs(longs) => Value::Longs(longs.iter().copied().chain([-1]).collect()),
        Value::Strings(texts) => Value::Strings(texts.iter().cloned().chain(["x".to_owned()]).collect()),
    }
}
