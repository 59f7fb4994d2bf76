//! Changed values: in rows of one replica or of all, in current rows, in a shard.

use super::kept::Kept;
use super::{Expects, Mutation, cell, damage};
use crate::draw::Draw;
use dissent_core::history::event::Event;
use dissent_core::history::row::{CurrentRead, Read, ReadValidity, Row};
use dissent_core::history::schema::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

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
    let mut record = kept.record.clone();
    let (target, row) = loop {
        let rows = draw.pick(&kept.record.rows);
        if rows.is_empty() {
            continue;
        }
        let (id, row) = draw.pick(rows).clone();
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
    for (id, at) in record.rows[partition as usize].iter_mut().filter(|(_, at)| at.off == row.off) {
        let read = read(kept, *id);
        if on_all || read.replica == target.replica {
            let at = Arc::make_mut(at);
            at.cols[column] = other(&at.cols[column]);
            accused.extend(
                (read.soundness == ReadValidity::Sound).then(|| cell(partition, &at.key, &read.replica)),
            );
        }
    }
    let whom = if on_all { "all replicas" } else { &target.replica };
    let Row { key, off, op, .. } = row.as_ref();
    let name = &record.meta.schema.columns[column].name;
    let what = format!("{name} of {key} at {off} (op {op}) of {partition} changed on {whom}");
    Mutation { what, files: kept.rewritten(&record), expects: Expects::Accused(accused) }
}

/// The current rows of a key, in a read during which nothing moved.
fn of_flags(kept: &Kept, draw: &mut Draw) -> Mutation {
    let mut record = kept.record.clone();
    let (read, current) = loop {
        let partition = draw.below(record.current_rows.len());
        let all = record.current_rows[partition].len();
        if all == 0 {
            continue;
        }
        let at = draw.below(all);
        let read = flags_read(kept, record.current_rows[partition][at].0);
        if read.soundness == ReadValidity::Sound && read.before == read.after {
            break (read, &mut record.current_rows[partition][at].1);
        }
    };
    let was = current.offs.clone();
    match was.first() {
        Some(_) if draw.once_in(2) => current.offs.clear(),
        Some(off) => current.offs = vec![off + 1],
        None => current.offs = vec![0],
    }
    let accused = BTreeSet::from([cell(read.partition, &current.key, &read.replica)]);
    let what = format!("read {}: flags of {} from {was:?} to {:?}", read.id, current.key, current.offs);
    Mutation { what, files: kept.rewritten(&record), expects: Expects::Accused(accused) }
}

/// A column of a row that a shard holds.
fn of_shard(kept: &Kept, draw: &mut Draw) -> Mutation {
    let events = kept.record.events.iter().enumerate();
    let held = events.filter(|(_, it)| matches!(&it.event, Event::Contents(held) if !held.rows.is_empty()));
    let held: Vec<usize> = held.map(|(at, _)| at).collect();
    let mut record = kept.record.clone();
    let Event::Contents(contents) = &mut record.events[*draw.pick(&held)].event else {
        return damage::bytes(kept, draw);
    };
    let row = draw.below(contents.rows.len());
    let row = &mut contents.rows[row];
    let column = draw.below(row.cols.len());
    row.cols[column] = other(&row.cols[column]);
    let accused = BTreeSet::from([cell(0, &row.key, &contents.object)]);
    let what = format!("column {column} of {} in the shard at capture {} changed", row.key, contents.capture);
    Mutation { what, files: kept.rewritten(&record), expects: Expects::Accused(accused) }
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
        Value::String(text) => Value::String(format!("{text}x").into()),
        Value::Longs(longs) => Value::Longs(longs.iter().copied().chain([-1]).collect()),
        Value::Strings(texts) => Value::Strings(texts.iter().cloned().chain(["x".into()]).collect()),
    }
}
