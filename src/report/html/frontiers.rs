//! The upstream and its frontiers over the run, with the faults shaded and stops marked. Inline SVG, like
//! the other figure.

use super::figure::{
    LEFT, PANEL, Panel, RIGHT, Scale, WIDTH, beside, level, moment, number, px, round_up, time_axis,
};
use super::frontier_lines::FrontierLine;
use super::timeline::Timeline;
use crate::report::format::{count, counted, printable, shortened};
use dissent_core::checker::verdict::{FindingKind, Frozen, PassedValue, Verdict, WaitsFor};
use dissent_core::history::frontier::Domain;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::time::Nanos;
use maud::{Markup, html};

/// Frontiers drawn: those that a finding names first.
const DRAWN_MAX: usize = 8;
/// Labels closer than this would overlap, in pixels.
const LABEL_WIDTH: f64 = 120.0;
const LABEL_HEIGHT: f64 = 12.0;
/// The figure; none if no frontier with the units of its upstream was sampled.
pub(super) fn plot(timeline: &Timeline, meta: &RunMeta, verdict: &Verdict) -> Option<Markup> {
    let frozen = || {
        verdict
            .findings
            .iter()
            .filter_map(|finding| match &finding.kind {
                FindingKind::Frozen(frozen) => Some(frozen.all()),
                _ => None,
            })
            .flatten()
    };
    let same = meta.frontiers.iter().filter(|it| it.domain == Domain::Same).map(|it| it.object.as_str());
    let mut names: Vec<&str> = same.filter(|name| timeline.lines.lines.contains_key(*name)).collect();
    names.sort_by_key(|name| !frozen().any(|it| it.object == *name));
    let left_out = names.len().saturating_sub(DRAWN_MAX);
    names.truncate(DRAWN_MAX);
    let drawn: Vec<(&str, &FrontierLine)> =
        names.iter().filter_map(|name| Some((*name, timeline.lines.lines.get(*name)?))).collect();
    let (_, first) = drawn.first()?;
    let marks: Vec<&Frozen> = frozen().filter(|it| names.contains(&it.object.as_str())).collect();
    Some(figure(timeline, first, &drawn, &marks, left_out))
}

fn figure(
    timeline: &Timeline,
    upstream: &FrontierLine,
    drawn: &[(&str, &FrontierLine)],
    marks: &[&Frozen],
    left_out: usize,
) -> Markup {
    let scale = Scale::to(timeline.end);
    let panel = Panel { top: 24.0 };
    let values = drawn.iter().flat_map(|(_, line)| &line.points).map(|(_, u, f)| (*u).max(f.unwrap_or(0)));
    let top = round_up(values.max().unwrap_or(1) as f64);
    let y = |value: u64| panel.y(value as f64 / top);
    let height = panel.bottom() + 44.0;
    html! {
        figure {
            div.scroll {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                    aria-label="The upstream and the frontiers over the run, with faults shaded" {
                    @for window in &timeline.fault_bars {
                        @let x = scale.x(window.begin);
                        @let width = (scale.x(window.end.unwrap_or(timeline.end)) - x).max(1.0);
                        rect.shade x=(px(x)) y=(px(panel.top)) width=(px(width)) height=(px(PANEL)) {}
                    }
                    text.title x=(px(LEFT)) y=(px(panel.top - 7.0)) {
                        "frontiers (dashed: end of the upstream)"
                    }
                    @for share in [0.0, 0.5, 1.0] { (level(panel.y(share), &number(top * share))) }
                    path.upstream d=(path(upstream, scale, |(_, u, _)| Some(y(u)))) {}
                    @for (name, line) in drawn {
                        @let stopped = marks.iter().any(|it| it.object == *name);
                        path.frontier.stopped[stopped] d=(path(line, scale, |(_, _, f)| f.map(y))) {}
                    }
                    @for (x, y, name) in labels(drawn, scale, y) {
                        (beside(x, WIDTH, y, &shortened(&printable(name), 30)))
                    }
                    @for it in marks { (moment(scale.x(it.since), "stopped", panel.top, panel.bottom())) }
                    @for it in marks.iter().filter_map(|it| passed(it)) {
                        circle.passed cx=(px(scale.x(it.first_beyond.t))) cy=(px(y(it.value))) r="4" {}
                    }
                    (time_axis(timeline, scale, panel.bottom()))
                }
            }
            figcaption {
                "Shaded: a fault was in force. A flat line below the dashed one has stopped while there is "
                "more to process."
                @for it in marks {
                    @if let Some(passed) = passed(it) {
                        " The ring: " (printable(&passed.shared)) " passed " (count(passed.value))
                        ", where " (printable(&it.object)) " is pinned."
                    }
                }
                @if left_out > 0 { " " (counted(left_out as u64, "more frontier")) " not drawn." }
            }
        }
    }
}

/// The value that pins an object, if the frontier that it feeds has passed that.
fn passed(frozen: &Frozen) -> Option<&PassedValue> {
    match &frozen.freeze_explanation.as_ref()?.waits_for {
        WaitsFor::PassedValue(passed) => Some(passed),
        _ => None,
    }
}

/// The name of each frontier and its place: at the last point, or below another label.
fn labels<'d>(
    drawn: &[(&'d str, &FrontierLine)],
    scale: Scale,
    y: impl Fn(u64) -> f64,
) -> Vec<(f64, f64, &'d str)> {
    let mut placed: Vec<(f64, f64, &str)> = Vec::new();
    for (name, line) in drawn {
        let Some((t, f)) = line.points.iter().rev().find_map(|(t, _, f)| Some((*t, (*f)?))) else { continue };
        let (x, mut y) = (scale.x(t).min(WIDTH - RIGHT - 1.0), y(f) - 4.0);
        let is_taken = |y: f64| {
            placed.iter().any(|(ox, oy, _)| (x - ox).abs() < LABEL_WIDTH && (y - oy).abs() < LABEL_HEIGHT)
        };
        while is_taken(y) {
            y += LABEL_HEIGHT / 2.0;
        }
        placed.push((x, y, *name));
    }
    placed
}

/// A line through the points that have a value, with gaps elsewhere.
fn path(line: &FrontierLine, scale: Scale, y: impl Fn((Nanos, u64, Option<u64>)) -> Option<f64>) -> String {
    let mut out = String::new();
    let mut drawing = false;
    for &point in &line.points {
        let Some(y) = y(point) else {
            drawing = false;
            continue;
        };
        let verb = if drawing { "L" } else { "M" };
        out.push_str(&format!("{verb}{} {}", px(scale.x(point.0)), px(y)));
        drawing = true;
    }
    out
}
