//! What was never recorded: events and the data of their reads are gone, and the rest is renumbered, as if
//! the recorder had never seen them. Nothing is torn: only owed reads show that something is missing.

use super::kept::Kept;
use super::{Expects, Mutation, owed};
use crate::draw::Draw;
use dissent_core::history::event::Event;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The file of events.
const EVENTS: &str = "events.table.zst";

/// Something that happened, or was read, is not in the record.
pub(crate) fn unrecorded(kept: &Kept, draw: &mut Draw) -> Mutation {
    let lines = &kept.lines[EVENTS];
    let events: Vec<Value> =
        lines.iter().map(|line| serde_json::from_slice(line).expect("an event")).collect();
    let at = draw.below(events.len());
    let of = |wanted: fn(&Value) -> bool| -> Vec<&Value> { events.iter().filter(|it| wanted(it)).collect() };
    let (reads, flags) = (of(|it| it["type"] == "read"), of(|it| it["type"] == "current-read"));
    let looks = of(|it| it["type"] == "sample" || it["type"] == "frontier");
    let captures = of(|it| it["type"] == "capture-begin");
    let (what, gone): (String, BTreeSet<usize>) = match draw.below(7) {
        0 if !reads.is_empty() => {
            let read = *draw.pick(&[&reads[..], &flags].concat());
            (format!("read {}", read["id"]), which(&events, |it| is_read(it) && it["id"] == read["id"]))
        }
        1 if !reads.is_empty() => {
            let replica = &draw.pick(&reads)["replica"];
            let gone = which(&events, |it| it["type"] == "read" && it["replica"] == *replica);
            (format!("all rows of {replica}"), gone)
        }
        2 if !flags.is_empty() => {
            let replica = &draw.pick(&flags)["replica"];
            let gone = which(&events, |it| it["type"] == "current-read" && it["replica"] == *replica);
            (format!("all flags of {replica}"), gone)
        }
        3 => {
            let look = *draw.pick(&looks);
            let same = |it: &Value, field| it[field] == look[field];
            let alike =
                |it: &Value| ["type", "replica", "partition", "object"].iter().all(|field| same(it, field));
            (format!("all looks at {}{}", look["replica"], look["object"]), which(&events, alike))
        }
        4 => {
            let capture = &draw.pick(&captures)["capture"];
            (format!("capture {capture}"), which(&events, |it| it["capture"] == *capture))
        }
        5 => (format!("all from event {} on", at + 1), (at..events.len()).collect()),
        _ => (format!("event {}", String::from_utf8_lossy(&lines[at])), BTreeSet::from([at])),
    };
    let is_owed = gone.len() > 1 && !what.starts_with("all from")
        || gone.iter().any(|&at| owed::event(&events[at]) && !owed::is_superseded(&events, at));
    let what = format!("{what} never recorded");
    Mutation { what, files: without(kept, &gone), expects: Expects::Loss { is_owed } }
}

fn which(events: &[Value], gone: impl Fn(&Value) -> bool) -> BTreeSet<usize> {
    (0..events.len()).filter(|at| gone(&events[*at])).collect()
}

fn is_read(event: &Value) -> bool {
    event["type"] == "read" || event["type"] == "current-read"
}

/// The files of a record without these events and the data of their reads.
fn without(kept: &Kept, gone: &BTreeSet<usize>) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut record = kept.record.clone();
    let (mut rows, mut flags) = (BTreeSet::new(), BTreeSet::new());
    for &at in gone {
        match &record.events[at].event {
            Event::Read(read) => drop(rows.insert(read.id)),
            Event::CurrentRead(read) => drop(flags.insert(read.id)),
            _ => {}
        }
    }
    let mut at = 0..;
    record.events.retain(|_| at.next().is_some_and(|at| !gone.contains(&at)));
    record.rows.iter_mut().for_each(|of| of.retain(|(read, _)| !rows.contains(read)));
    record.current_rows.iter_mut().for_each(|of| of.retain(|(read, _)| !flags.contains(read)));
    kept.rewritten(&record)
}
