//! What a node did, event by event, in words.

use crate::report::format::printable;
use dissent_core::checker::verdict::{EventRole, NodeTimeline, TimelineEvent};

/// Events told of a node.
const EVENTS_MAX: usize = 40;
/// Events in a picture.
const PICTURED_MAX: usize = 12;
/// Timelines whose times all lie within this need milliseconds.
const FINE_MS: u64 = 120_000;

/// The events of a node to tell, in program order, and how many are left out.
pub(in crate::report) fn told(timeline: &NodeTimeline) -> (Vec<&TimelineEvent>, usize) {
    let told = within(timeline, EVENTS_MAX);
    let left_out = timeline.events.len() - told.len();
    (told, left_out)
}

/// The events of a node that a picture has room for.
pub(in crate::report) fn pictured(timeline: &NodeTimeline) -> Vec<&TimelineEvent> {
    within(timeline, PICTURED_MAX)
}

/// If not all events fit, those without a role in the explanation are left out first.
fn within(timeline: &NodeTimeline, most: usize) -> Vec<&TimelineEvent> {
    let all = timeline.events.len() <= most;
    let matters = |event: &&TimelineEvent| all || event.role != EventRole::Other;
    timeline.events.iter().filter(matters).take(most).collect()
}

/// Whether times need milliseconds.
pub(in crate::report) fn is_fine(timelines: &[NodeTimeline]) -> bool {
    timelines.iter().flat_map(|it| &it.events).all(|event| event.at_ms.unsigned_abs() < FINE_MS)
}

/// `T+83:42`, or `T-00:01.037`: minutes and seconds from the break.
pub(in crate::report) fn from_break(at_ms: i64, fine: bool) -> String {
    let sign = if at_ms < 0 { '-' } else { '+' };
    let ms = at_ms.unsigned_abs();
    let (minutes, seconds) = (ms / 60_000, ms % 60_000 / 1_000);
    match fine {
        true => format!("T{sign}{minutes:02}:{seconds:02}.{:03}", ms % 1_000),
        false => format!("T{sign}{minutes:02}:{seconds:02}"),
    }
}

/// What happened, in a few words, without the name of the segment.
pub(in crate::report) fn words(event: &TimelineEvent) -> String {
    let of = |name: &str| event.detail.get(name).map(|text| printable(text));
    let transition = of("transition").unwrap_or_else(|| "transition".to_owned());
    let with = |name: &str, before: &str, after: &str| {
        of(name).map_or(String::new(), |text| format!("{before}{text}{after}"))
    };
    match event.event.kind.as_str() {
        "transition-created" => format!("{transition}: message created"),
        "transition-started" => format!("{transition}: started"),
        "transition-finished" => {
            let outcome = of("outcome").unwrap_or_else(|| "finished".to_owned());
            format!("{outcome}: {}", of("result").unwrap_or(transition))
        }
        "skipped" => format!("skipped{}", with("state", ": ", "")),
        "registered" => {
            format!("visible to merges{}{}", with("from", ", from ", ""), with("rows", ", ", " rows"))
        }
        "snapshot" => format!("snapshot{}", with("registered_segments", " of ", " segments")),
        "consume-start" => format!("consumption begins{}", with("start", " at offset ", "")),
        "caught-up" => format!("caught up{}", with("rows", " after ", " rows")),
        "consume-end" => format!("consumption ends{}", with("end", " at offset ", "")),
        "gate" => format!("gate{}{}", with("name", " ", ""), with("released_by", ": ", "")),
        "crc-changed" => "the committed copy has another checksum".to_owned(),
        "position-ahead" => format!("consumed beyond the committed end{}", with("end", ", ", "")),
        "keys-not-replaced" => format!("{} keys dropped", of("keys").unwrap_or_else(|| "some".to_owned())),
        other => printable(&other.replace('-', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_break() {
        for (at_ms, coarse, fine) in [
            (5_022_000, "T+83:42", "T+83:42.000"),
            (-1_037, "T-00:01", "T-00:01.037"),
            (0, "T+00:00", "T+00:00.000"),
        ] {
            assert_eq!(from_break(at_ms, false), coarse);
            assert_eq!(from_break(at_ms, true), fine);
        }
    }
}
