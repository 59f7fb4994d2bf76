//! What the broken and a healthy node did, side by side, both counted from the moment at which they began
//! to consume the segment in question. Time runs down. The distances are to scale, but for gaps that would
//! dwarf all others, which are marked.

use super::figure::px;
use super::parts::{folded, scroll};
use crate::report::answers::node_events::{from_break, is_fine, pictured, told, words};
use crate::report::format::{counted, millis, printable, shortened};
use dissent_core::checker::verdict::{EventRole, Explanation, NodeTimeline, ShownCause, TimelineEvent};
use maud::{Markup, html};

const WIDTH: f64 = 400.0;
/// The line of time in each drawing.
const AXIS: f64 = 14.0;
/// Where the words begin.
const WORDS: f64 = 46.0;
/// The height that an event's words need.
const LINE: f64 = 37.0;
const TOP: f64 = 16.0;
/// A gap this many times as long as all others together is not drawn to scale.
const DWARFS: i64 = 4;
/// Characters of a line of words.
const WORDS_MAX: usize = 48;
/// The height of a gap that is not drawn to scale.
const GAP: f64 = 46.0;

/// A span of time that is not drawn to scale.
#[derive(Clone, Copy)]
struct Break {
    from: i64,
    to: i64,
}

/// Maps times to y coordinates.
struct TimeScale {
    first: i64,
    breaks: Vec<Break>,
    /// Coordinates per millisecond.
    per_ms: f64,
    height: f64,
}

impl TimeScale {
    /// A scale for all these times in a drawing of at least this height.
    fn of(mut times: Vec<i64>, height: f64) -> TimeScale {
        times.sort_unstable();
        times.dedup();
        let first = times.first().copied().unwrap_or(0);
        let span = times.last().map_or(1, |last| last.saturating_sub(first)).max(1);
        let mut gaps: Vec<Break> = times.windows(2).map(|it| Break { from: it[0], to: it[1] }).collect();
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.length()));
        let (mut rest, mut breaks) = (span, Vec::new());
        for gap in gaps {
            let others = rest.saturating_sub(gap.length());
            if others == 0 || gap.length() <= others.saturating_mul(DWARFS) {
                break;
            }
            rest = others;
            breaks.push(gap);
        }
        let left = (height - GAP * breaks.len() as f64).max(LINE);
        TimeScale { first, breaks, per_ms: left / rest as f64, height }
    }

    fn y(&self, at: i64) -> f64 {
        let broken = self.breaks.iter().filter(|it| it.to <= at);
        let (skipped, gaps) = broken.fold((0, 0), |(ms, n), it| (ms + it.length(), n + 1));
        let drawn = at.saturating_sub(self.first).saturating_sub(skipped);
        TOP + drawn as f64 * self.per_ms + GAP * f64::from(gaps)
    }
}

impl Break {
    fn length(self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// The figure, and the same as tables; none if no node logged anything.
pub(super) fn figure(explanation: &Explanation) -> Option<Markup> {
    let nodes: Vec<(&NodeTimeline, Vec<&TimelineEvent>)> = explanation
        .timelines
        .iter()
        .filter(|it| !it.events.is_empty())
        .map(|it| (it, pictured(it)))
        .collect();
    let most = nodes.iter().map(|(_, events)| events.len()).max()?;
    let late = late(explanation);
    let times = nodes.iter().flat_map(|(_, events)| events).map(|event| event.at_ms);
    let scale = TimeScale::of(times.chain([0]).chain(late).collect(), LINE * (most as f64 + 1.0));
    let fine = is_fine(&explanation.timelines);
    Some(html! {
        figure {
            div.pair {
                @for (node, events) in &nodes {
                    div {
                        (heading(node))
                        (drawing(node, events, &scale, late.filter(|_| node.broken), fine))
                    }
                }
            }
            figcaption {
                "T+00:00 is when the node began to consume the segment, on its own clock. Distances are to "
                "scale" @if !scale.breaks.is_empty() { ", but for gaps that are cut" }
                ". Thick: a message waits in a queue."
                @if late.is_some() { " Red: rows are merged without what they build on." }
            }
        }
        (folded("All events as text", html! {
            @for (node, _) in &nodes { (heading(node)) (table(node, fine)) }
        }))
    })
}

/// When what the rows build on became visible, counted from the break.
fn late(explanation: &Explanation) -> Option<i64> {
    match &explanation.cause {
        ShownCause::OrderingBreak(broken) => i64::try_from(broken.late_by_ms?).ok(),
        _ => None,
    }
}

fn heading(node: &NodeTimeline) -> Markup {
    html! {
        p.node {
            strong { (shortened(&printable(&node.node), 60)) }
            @if node.broken { span.bad { " ✗ broken" } } @else { span.good { " ✓ healthy" } }
            @if let Some((least, most)) = node.skew_ms {
                small { "its clock runs " (least) " to " (most) " ms ahead (estimated, not used)" }
            }
        }
    }
}

fn drawing(
    node: &NodeTimeline,
    events: &[&TimelineEvent],
    scale: &TimeScale,
    late: Option<i64>,
    fine: bool,
) -> Markup {
    let places = places(events, scale);
    let height = scale.height.max(places.last().copied().unwrap_or(0.0) + LINE) + TOP;
    let label = format!("What {} did, in order; the text below says the same", printable(&node.node));
    html! {
        svg.nodes viewBox=(format!("0 0 {WIDTH} {}", px(height))) role="img" aria-label=(label) {
            @if let Some(late) = late {
                @let (from, to) = (scale.y(0), scale.y(late));
                rect.unsafe x=(px(AXIS - 9.0)) y=(px(from)) width="18" height=(px((to - from).max(2.0))) {}
            }
            line.axis x1=(px(AXIS)) y1=(px(TOP)) x2=(px(AXIS)) y2=(px(scale.height + TOP)) {}
            @for gap in &scale.breaks { (cut(*gap, scale)) }
            @for (from, to) in queued(events) {
                line.queued x1=(px(AXIS)) y1=(px(scale.y(from))) x2=(px(AXIS)) y2=(px(scale.y(to))) {
                    title { "waited " (millis(to.abs_diff(from))) }
                }
            }
            line.since x1="0" y1=(px(scale.y(0))) x2=(px(AXIS + 14.0)) y2=(px(scale.y(0))) {}
            @for (event, y) in events.iter().zip(places) { (event_words(event, y, scale, fine)) }
        }
    }
}

/// Where the words of each event stand: at its time, or below the words before it.
fn places(events: &[&TimelineEvent], scale: &TimeScale) -> Vec<f64> {
    let mut places: Vec<f64> = Vec::new();
    for event in events {
        let lowest = places.last().map_or(0.0, |y| y + LINE);
        places.push((scale.y(event.at_ms) - LINE / 2.0).max(lowest));
    }
    // Words that were pushed beyond the end move up again, as far as there is room.
    let mut end = scale.height + TOP;
    for y in places.iter_mut().rev() {
        *y = y.min(end - LINE).max(0.0);
        end = *y;
    }
    places
}

fn event_words(event: &TimelineEvent, y: f64, scale: &TimeScale, fine: bool) -> Markup {
    let at = scale.y(event.at_ms);
    let class = match event.role {
        EventRole::Dependency => "dependency",
        EventRole::Dependent => "dependent",
        EventRole::Setup | EventRole::Gate | EventRole::Count => "context",
        EventRole::Other => "other",
    };
    let segment = event.event.segment.as_deref().map_or(String::new(), |it| format!(" · {}", printable(it)));
    html! {
        path.leader d=(format!("M{} {}L{} {}", px(AXIS + 4.0), px(at), px(WORDS - 5.0), px(y + 14.0))) {}
        circle class=(class) cx=(px(AXIS)) cy=(px(at)) r="4" {}
        text.tick x=(px(WORDS)) y=(px(y + 14.0)) {
            (from_break(event.at_ms, fine)) (shortened(&segment, 30))
        }
        text.words.(class) x=(px(WORDS)) y=(px(y + 29.0)) { (shortened(&words(event), WORDS_MAX)) }
    }
}

fn cut(gap: Break, scale: &TimeScale) -> Markup {
    let middle = (scale.y(gap.from) + scale.y(gap.to)) / 2.0;
    html! {
        path.cut d=(format!("M{} {}l8 -6l4 12l8 -6", px(AXIS - 10.0), px(middle))) {}
        text.note x=(px(AXIS + 14.0)) y=(px(middle + 4.0)) { (millis(gap.length().unsigned_abs())) ", cut" }
    }
}

/// From the creation of each message to the start of its transition.
fn queued(events: &[&TimelineEvent]) -> Vec<(i64, i64)> {
    let is = |event: &&TimelineEvent, kind: &str| event.event.kind == kind;
    let created = events.iter().enumerate().filter(|(_, event)| is(event, "transition-created"));
    let started = created.filter_map(|(i, created)| {
        let same = |it: &&&TimelineEvent| {
            let field = |name: &str| it.detail.get(name) == created.detail.get(name);
            is(it, "transition-started")
                && it.event.segment == created.event.segment
                && field("message")
                && field("transition")
        };
        Some((created.at_ms, events[i..].iter().find(same)?.at_ms))
    });
    started.collect()
}

fn table(node: &NodeTimeline, fine: bool) -> Markup {
    let (events, left_out) = told(node);
    let rows = html! {
        table {
            thead { tr { th { "time" } th { "segment" } th { "event" } } }
            tbody {
                @for event in events {
                    tr {
                        th scope="row" { (from_break(event.at_ms, fine)) }
                        td { (event.event.segment.as_deref().map_or_else(|| "–".to_owned(), printable)) }
                        td { (shortened(&words(event), 200)) }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Events of one node", rows))
        @if left_out > 0 { p.more { (counted(left_out as u64, "more event")) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_dwarfs_all_others_is_cut_and_no_other() {
        let seed = TimeScale::of(vec![-3_410_000, -65_000, -63_000, 0, 1_612_000], 300.0);
        assert!(seed.breaks.is_empty(), "the seed's delays are drawn to scale");
        let dwarfed = TimeScale::of(vec![-9_000_000, -65_000, -63_000, 0, 70_000], 300.0);
        assert_eq!(dwarfed.breaks.len(), 1);
        assert!(dwarfed.y(-65_000) - dwarfed.y(-9_000_000) - GAP < 0.1);
        assert!((dwarfed.y(70_000) - TOP - 300.0).abs() < 0.1, "the end of the scale is its height");
        assert!(dwarfed.y(0) > dwarfed.y(-63_000));
    }
}
