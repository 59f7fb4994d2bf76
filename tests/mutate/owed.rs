//! What is owed by nothing: no verdict rests on it, so it may be gone without a word. All else is owed.

use serde_json::Value;

/// Files that no check reads.
pub(crate) fn file(name: &str) -> bool {
    match name {
        // What the tool said while it ran, for people.
        "tool.log" => false,
        // How to undo faults, for `heal`; whether they were undone, the events say.
        "cures.jsonl" => false,
        _ => true,
    }
}

/// Fields of `run.json` that no check reads; those of `facts` are all owed.
pub(crate) fn field(path: &[String]) -> bool {
    match path.first().map(String::as_str) {
        // Which version wrote it, and when: said in reports.
        Some("build" | "wall") => false,
        _ => true,
    }
}

/// Whether a later event says all that this one says of the same segment, and more.
pub(crate) fn is_superseded(events: &[Value], at: usize) -> bool {
    let of = |event: &Value| {
        let segment = &event["segment"];
        (event["type"] == "segment").then(|| (segment["partition"].clone(), segment["seq"].clone()))
    };
    let segment = of(&events[at]);
    segment.is_some() && events[at + 1..].iter().any(|later| of(later) == segment)
}

/// Events that may never have happened, where nothing else says that they did.
pub(crate) fn event(event: &Value) -> bool {
    match event["type"].as_str().expect("a type") {
        // The target's own words about its life explain a finding, and are no evidence for or against it.
        "lifecycle" => false,
        // One look of many: what it showed is shown by those before and after it.
        "sample" | "frontier" => false,
        // A wish for a segment's end: whether it came, the segments say.
        "boundary" => false,
        // A phase dates what happened; what is owed at the end is owed by the reads themselves.
        "phase" => event["phase"] == "done",
        // An op that was never answered may or may not be in the log: then nothing is promised of it.
        "complete" => false,
        // An answer to an op that nobody knows promises nothing either: the log says what it was.
        "invoke" => false,
        _ => true,
    }
}
