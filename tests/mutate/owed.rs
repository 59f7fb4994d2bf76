//! What is not owed: no verdict rests on it, so its loss may go unreported. All else is owed.

use serde_json::Value;

/// Files that no check reads.
pub(crate) fn file(name: &str) -> bool {
    match name {
        // Messages of the run, for people.
        "tool.log" => false,
        // How to undo faults, for `heal`. The events say whether they were undone.
        "cures.jsonl" => false,
        _ => true,
    }
}

/// Fields of `run.json` that no check reads; those of `facts` are all owed.
pub(crate) fn field(path: &[String]) -> bool {
    match path.first().map(String::as_str) {
        // Which version wrote it, and when, for reports.
        Some("build" | "wall") => false,
        _ => true,
    }
}

/// Whether a later event says at least as much about the same segment.
pub(crate) fn is_superseded(events: &[Value], at: usize) -> bool {
    let of = |event: &Value| {
        let segment = &event["segment"];
        (event["type"] == "segment").then(|| (segment["partition"].clone(), segment["seq"].clone()))
    };
    let segment = of(&events[at]);
    segment.is_some() && events[at + 1..].iter().any(|later| of(later) == segment)
}

/// Events without which the record is still consistent.
pub(crate) fn event(event: &Value) -> bool {
    match event["type"].as_str().expect("a type") {
        // What the target says about its own life explains a finding, but proves nothing.
        "lifecycle" => false,
        // One look of many: the looks before and after it show the same.
        "sample" | "frontier" => false,
        // A request for a segment boundary. The segments say whether it came.
        "boundary" => false,
        // A phase only dates what happened. What is owed at the end follows from the reads.
        "phase" => event["phase"] == "done",
        // An op without an answer may or may not be in the log, so nothing is promised about it.
        "complete" => false,
        // An answer to an unknown op promises nothing either: the log says what the op was.
        "invoke" => false,
        _ => true,
    }
}
