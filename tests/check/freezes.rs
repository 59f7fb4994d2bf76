//! The explanation of a freeze as words.

use crate::check::{seconds, word};
use dissent_core::checker::verdict::{FreezeExplanation, LoggedAt, PassedValue, SeenAt, WaitsFor};
use std::fmt::Write as _;

pub(super) fn describe_freeze(it: &FreezeExplanation) -> String {
    let mut text = match &it.waits_for {
        WaitsFor::PassedValue(passed) => describe_passed(passed),
        WaitsFor::Downstream { object, position } => format!(" waits=downstream:{object}@{position}"),
        WaitsFor::Inputs { objects } => format!(" waits=inputs:{}", objects.join(",")),
        WaitsFor::MoreInput => " waits=more-input".to_owned(),
        WaitsFor::Unknown => " waits=unknown".to_owned(),
    };
    for link in &it.chain {
        let kind = if link.kind.is_some() { "" } else { "readers-of:" };
        write!(text, " {}={kind}{}", word(&link.role), link.object).expect("a string");
    }
    write!(text, " restart={} not-logged={}", word(&it.restart), it.not_logged.join(",")).expect("a string");
    text
}

fn describe_passed(it: &PassedValue) -> String {
    let at = |seen: Option<SeenAt>| seen.map_or("-".to_owned(), seen_at);
    let by = it.passed_by.as_ref().map_or("-".to_owned(), |by| {
        let incarnation = by.incarnation.map_or("-".to_owned(), |number| number.to_string());
        format!("{}#{incarnation}:{}..{}", by.writer, by.from, by.to)
    });
    let logged = |it: &Option<LoggedAt>| it.as_ref().map_or("-".to_owned(), |it| it.position.to_string());
    let drain = it.drain.as_ref().map_or("-".to_owned(), |it| format!("{}of{}", it.kept, it.passed));
    format!(
        " waits=passed-value:{} shared={} equal={} not-beyond={} first-beyond={} passed-by={by} \
         buffered-at={} lost-at={} kept={drain} confidence={}",
        it.value,
        it.shared,
        at(it.last_equal),
        at(it.last_not_beyond),
        seen_at(it.first_beyond),
        logged(&it.buffered),
        logged(&it.lost_append),
        word(&it.confidence),
    )
}

fn seen_at(seen: SeenAt) -> String {
    format!("{}@{}s", seen.position, seconds(seen.t))
}
