//! The replicas as swim lanes: faults, restarts, and at each capture whether the copies were right or wrong,
//! with the ratio below. A spread and a repair then show by themselves. Inline SVG, like the other figures.

use super::cells::Cells;
use super::figure::{LEFT, LabelLine, RIGHT, Scale, WIDTH, moment, px, time_axis};
use super::parts::scroll;
use super::timeline::Timeline;
use crate::report::format::{modelled, printable, shortened};
use dissent_core::checker::verdict::{CaptureState, Divergence, SpreadMoment};
use dissent_core::history::run_record::RunMeta;
use maud::{Markup, html};

/// Lanes drawn: replicas that were ever wrong first.
const LANES_MAX: usize = 12;
/// Captures closer than this are drawn as one, unless they differ.
const APART: f64 = 18.0;
/// Captures drawn.
const MOMENTS_MAX: usize = 60;
/// Restarts, commits and replacements drawn of each.
const MARKS_MAX: usize = 60;

const TOP: f64 = 38.0;
const LANE: f64 = 36.0;
const CELL: f64 = 14.0;
const RATIO: f64 = 40.0;

/// What is drawn, and where.
struct Lanes<'l> {
    d: &'l Divergence,
    timeline: &'l Timeline,
    scale: Scale,
    replicas: Vec<&'l String>,
    moments: Vec<SpreadMoment>,
    /// Whether there are more changes than a picture has room for.
    is_thinned: bool,
}

impl<'l> Lanes<'l> {
    fn of(d: &'l Divergence, meta: &'l RunMeta, timeline: &'l Timeline) -> Lanes<'l> {
        let scale = Scale::to(timeline.end);
        let mut moments: Vec<SpreadMoment> = Vec::new();
        for next in self::moments(d) {
            let close = moments.last().is_some_and(|last| {
                let same = last.wrong == next.wrong && last.right == next.right;
                same && scale.x(next.t) - scale.x(last.t) < APART
            });
            if !close {
                moments.push(next);
            }
        }
        let is_thinned = moments.len() > MOMENTS_MAX;
        if is_thinned {
            // Evenly, so that the picture still shows the whole run.
            let every = moments.len().div_ceil(MOMENTS_MAX);
            moments = moments.into_iter().step_by(every).collect();
        }
        let mut replicas: Vec<&String> = meta.roster.iter().collect();
        if replicas.len() > LANES_MAX {
            replicas.sort_by_key(|replica| !moments.iter().any(|it| it.wrong.contains(replica)));
            replicas.truncate(LANES_MAX);
        }
        Lanes { d, timeline, scale, replicas, moments, is_thinned }
    }

    fn y(&self, lane: usize) -> f64 {
        TOP + LANE * lane as f64
    }

    fn bottom(&self) -> f64 {
        self.y(self.replicas.len())
    }

    /// Until when captures showed the same as at a moment.
    fn until(&self, moment: usize) -> f64 {
        let last_capture = self.timeline.captures.last().map(|(_, t, _)| *t);
        match self.moments.get(moment + 1) {
            Some(next) => self.scale.x(next.t) - CELL / 2.0,
            None => last_capture.map_or(0.0, |t| self.scale.x(t)),
        }
    }

    fn lane_of(&self, replica: &str) -> Option<f64> {
        self.replicas.iter().position(|it| *it == replica).map(|lane| self.y(lane))
    }
}

/// Who was right and wrong at each capture; of older verdicts, at the first and the last one.
pub(super) fn moments(d: &Divergence) -> Vec<SpreadMoment> {
    match &d.spread {
        Some(spread) if !spread.moments.is_empty() => spread.moments.clone(),
        _ if d.first.capture == d.last.capture => vec![of_state(&d.first)],
        _ => vec![of_state(&d.first), of_state(&d.last)],
    }
}

fn of_state(state: &CaptureState) -> SpreadMoment {
    let CaptureState { capture, t, wrong, comparable, .. } = state.clone();
    let right = comparable.into_iter().filter(|replica| !wrong.contains(replica)).collect();
    SpreadMoment { capture, t, wrong, right }
}

/// The figure of a divergence.
pub(super) fn figure(d: &Divergence, meta: &RunMeta, timeline: &Timeline) -> Markup {
    let lanes = Lanes::of(d, meta, timeline);
    let bottom = lanes.bottom() + RATIO + 16.0;
    let (wrong, right) = if modelled(d) { ("wrong", "right") } else { ("differs", "agrees") };
    let drawing = html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", bottom + 44.0)) role="img" aria-label=(label(d)) {
            @for lane in 0..lanes.replicas.len() { (empty_lane(&lanes, lane)) }
            (faults(&lanes))
            (commits(&lanes))
            (captures(&lanes))
            (states(&lanes))
            (replacements(&lanes))
            (restarts(&lanes))
            (ratios(&lanes, right, wrong))
            @if let Some(t) = d.began() {
                (moment(lanes.scale.x(t), &format!("first {} row", first(d)), TOP - 22.0, lanes.bottom()))
            }
            (time_axis(timeline, lanes.scale, bottom))
        }
    };
    html! {
        figure {
            (scroll("The replicas over the run", drawing))
            figcaption {
                span.key.bad { "✗" } " " (wrong) ", " span.key.good {} " " (right)
                " at a capture, and until another one shows a change. Triangles: captures. Bars: faults on "
                "that replica. ↻ restart, ⇩ copy replaced, dotted line: commit."
                @if lanes.is_thinned { " There are too many changes to draw them all." }
                @if meta.roster.len() > lanes.replicas.len() {
                    " Only " (lanes.replicas.len()) " of " (meta.roster.len()) " replicas are drawn."
                }
            }
        }
    }
}

fn first(d: &Divergence) -> &'static str {
    if modelled(d) { "wrong" } else { "differing" }
}

fn label(d: &Divergence) -> String {
    let at = |state: &CaptureState| {
        let wrong = if state.wrong.is_empty() { "none".to_owned() } else { state.wrong.join(", ") };
        format!("capture {}: {}", state.capture, printable(&wrong))
    };
    let kind = if modelled(d) { "Wrong" } else { "Differing" };
    format!("The replicas over the run. {kind} replicas at first, {}; at last, {}", at(&d.first), at(&d.last))
}

fn empty_lane(lanes: &Lanes<'_>, lane: usize) -> Markup {
    let y = lanes.y(lane);
    html! {
        text.lane x=(px(LEFT - 8.0)) y=(px(y + 24.0)) text-anchor="end" {
            (shortened(&printable(lanes.replicas[lane]), 14))
        }
        line.grid x1=(px(LEFT)) y1=(px(y + 20.0)) x2=(px(WIDTH - RIGHT)) y2=(px(y + 20.0)) {}
    }
}

fn faults(lanes: &Lanes<'_>) -> Markup {
    html! {
        @for bar in &lanes.timeline.fault_bars {
            @if let Some(y) = lanes.lane_of(&bar.replica) {
                @let x = lanes.scale.x(bar.begin);
                @let width = (lanes.scale.x(bar.end.unwrap_or(lanes.timeline.end)) - x).max(2.0);
                rect.fault x=(px(x)) y=(px(y + 3.0)) width=(px(width)) height="5" {
                    title { (shortened(&bar.step, 40)) }
                }
            }
        }
    }
}

/// What each replica showed at each capture, and for how long captures showed the same.
fn states(lanes: &Lanes<'_>) -> Markup {
    let (mut bad, mut good) = (Cells::default(), Cells::default());
    let (mut bad_lasts, mut good_lasts) = (String::new(), String::new());
    for (i, at) in lanes.moments.iter().enumerate() {
        let (middle, until) = (lanes.scale.x(at.t), lanes.until(i));
        for (lane, replica) in lanes.replicas.iter().enumerate() {
            let (cells, lasts) = match (at.wrong.contains(replica), at.right.contains(replica)) {
                (true, _) => (&mut bad, &mut bad_lasts),
                (false, true) => (&mut good, &mut good_lasts),
                (false, false) => continue,
            };
            let y = lanes.y(lane) + 13.0;
            cells.push(middle - CELL / 2.0, y);
            if until > middle + CELL {
                lasts.push_str(&format!("M{} {}H{}", px(middle + CELL / 2.0), px(y + 7.0), px(until)));
            }
        }
    }
    html! {
        path.lasts.bad d=(bad_lasts) {}
        path.lasts.good d=(good_lasts) {}
        (bad.drawn_wrong(CELL))
        (good.drawn_right(CELL))
    }
}

fn captures(lanes: &Lanes<'_>) -> Markup {
    let y = lanes.bottom() - 1.0;
    html! {
        @for (_, t, _) in lanes.timeline.captures.iter().take(MARKS_MAX) {
            path.capture d=(format!("M{} {}l3 5h-6z", px(lanes.scale.x(*t)), px(y))) {}
        }
    }
}

fn commits(lanes: &Lanes<'_>) -> Markup {
    let commits = lanes.d.spread.iter().flat_map(|spread| &spread.commits).take(MARKS_MAX);
    let mut labels = LabelLine::at(14.0);
    html! {
        @for commit in commits {
            @if let Some(t) = commit.t {
                @let x = lanes.scale.x(t);
                @let winner: String = commit.winner.iter().map(|it| format!(": {}", printable(it))).collect();
                @let label = format!("commit {}{winner}", shortened(&printable(&commit.segment), 24));
                line.commit x1=(px(x)) y1="4" x2=(px(x)) y2=(px(lanes.bottom())) { title { (label) } }
                @if let Some(label) = labels.beside(x, &label) { (label) }
            }
        }
    }
}

fn replacements(lanes: &Lanes<'_>) -> Markup {
    let replacements = lanes.d.spread.iter().flat_map(|spread| &spread.replacements).take(MARKS_MAX);
    html! {
        @for it in replacements {
            @if let Some(y) = lanes.lane_of(&it.replica) {
                @let x = lanes.scale.x(it.t) + CELL / 2.0 + 3.0;
                text.note x=(px(x)) y=(px(y + 25.0)) { "⇩" }
            }
        }
    }
}

fn restarts(lanes: &Lanes<'_>) -> Markup {
    html! {
        @for (t, replica) in lanes.timeline.restarts.iter().take(MARKS_MAX) {
            @if let Some(y) = lanes.lane_of(replica) {
                text.note x=(px(lanes.scale.x(*t))) y=(px(y + 25.0)) text-anchor="middle" { "↻" }
            }
        }
    }
}

/// How many copies were right and wrong at each capture, as a bar and as numbers.
fn ratios(lanes: &Lanes<'_>, right: &str, wrong: &str) -> Markup {
    let top = lanes.bottom() + 10.0;
    html! {
        text.lane x=(px(LEFT - 8.0)) y=(px(top + 24.0)) text-anchor="end" { (right) ":" (wrong) }
        @for (i, at) in lanes.moments.iter().enumerate() {
            @let x = lanes.scale.x(at.t) - CELL / 2.0;
            @let all = (at.right.len() + at.wrong.len()).max(1) as f64;
            @let part = 20.0 * at.wrong.len() as f64 / all;
            rect.share.good x=(px(x)) y=(px(top)) width=(px(CELL)) height=(px(20.0 - part)) {}
            rect.share.bad x=(px(x)) y=(px(top + 20.0 - part)) width=(px(CELL)) height=(px(part)) {}
            @let before = i.checked_sub(1).map(|i| &lanes.moments[i]);
            @if before.is_none_or(|it| (it.right.len(), it.wrong.len()) != (at.right.len(), at.wrong.len())) {
                text.note x=(px(x + CELL / 2.0)) y=(px(top + 36.0)) text-anchor="middle" {
                    (at.right.len()) ":" (at.wrong.len())
                }
            }
        }
    }
}
