//! What was never recorded: events and the data of their reads are gone, and the rest is renumbered, as if
//! the recorder had never seen them. Nothing is torn: only owed reads show that something is missing.

use super::kept::Kept;
use super::{Mutation, damage, owed};
use crate::draw::Draw;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The file of events.
const EVENTS: &str = "events.jsonl.zst";

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
    damage::loss(format!("{what} never recorded"), without(kept, &events, &gone), is_owed)
}

fn which(events: &[Value], gone: impl Fn(&Value) -> bool) -> BTreeSet<usize> {
    (0..events.len()).filter(|at| gone(&events[*at])).collect()
}

fn is_read(event: &Value) -> bool {
    event["type"] == "read" || event["type"] == "current-read"
}

/// The files of a record without these events and the data of their reads.
fn without<'k>(
    kept: &'k Kept,
    events: &[Value],
    gone: &BTreeSet<usize>,
) -> BTreeMap<&'k str, Option<Vec<u8>>> {
    let left: Vec<usize> = (0..events.len()).filter(|at| !gone.contains(at)).collect();
    let numbered = (1..).zip(&left).map(|(number, at)| numbered(number, &kept.lines[EVENTS][*at]));
    let numbered: Vec<Vec<u8>> = numbered.collect();
    let mut files = BTreeMap::from([(EVENTS, Some(kept.file(EVENTS, &numbered)))]);
    let mut run: Value = serde_json::from_slice(&kept.bytes["run.json"]).expect("JSON");
    run["ended"]["events"] = Value::from(left.len());
    let phase = left.iter().rev().find_map(|at| events[*at].get("phase"));
    run["phase"] = phase.cloned().unwrap_or(Value::from("set-up"));
    files.insert("run.json", Some(serde_json::to_vec(&run).expect("JSON")));
    let reads: BTreeSet<u64> =
        gone.iter().filter(|at| is_read(&events[**at])).filter_map(|at| events[*at]["id"].as_u64()).collect();
    for (name, lines) in kept.lines.iter().filter(|(name, _)| name.starts_with("reads/")) {
        let stays = |line: &&Vec<u8>| {
            let line: Value = serde_json::from_slice(line).expect("JSON");
            !reads.contains(&line["at"]["read"].as_u64().expect("a read"))
        };
        let kept_lines: Vec<Vec<u8>> = lines.iter().filter(stays).cloned().collect();
        if kept_lines.len() < lines.len() {
            let file = (!kept_lines.is_empty()).then(|| kept.file(name, &kept_lines));
            files.insert(name, file);
        }
    }
    files
}

/// The line of an event under another number.
fn numbered(number: u64, line: &[u8]) -> Vec<u8> {
    let rest = line.iter().position(|byte| *byte == b',').expect("more than a number");
    [format!("{{\"n\":{number}").as_bytes(), &line[rest..]].concat()
}
