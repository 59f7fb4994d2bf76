//! The figure: completions per second and latency over the run, with the faults shaded. Inline SVG, written
//! by hand: it needs no script and no font, follows the colours of the page, and has at most 400 points.

use super::parts::scroll;
use super::timeline::Timeline;
use crate::report::format::{shortened, spaced, span};
use dissent_core::history::completions::Bucket;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use maud::{Markup, html};

pub(super) const WIDTH: f64 = 960.0;
pub(super) const LEFT: f64 = 112.0;
pub(super) const RIGHT: f64 = 40.0;
const LANE: f64 = 20.0;
pub(super) const PANEL: f64 = 130.0;
const GAP: f64 = 34.0;
/// Faults that get a lane of their own; a plan has two or three.
const LANES_MAX: usize = 12;
/// Capture marks drawn.
const CAPTURES_MAX: usize = 200;
/// The percentiles drawn, with the class that tells their lines apart.
const PERCENTILES: [(f64, &str); 3] = [(0.50, "p50"), (0.95, "p95"), (0.99, "p99")];

/// A vertical span of the drawing with a scale from 0 to 1, bottom to top.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) top: f64,
}

impl Panel {
    pub(super) fn y(self, share: f64) -> f64 {
        self.top + PANEL * (1.0 - share.clamp(0.0, 1.0))
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + PANEL
    }
}

/// Maps times to x coordinates.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    end: f64,
}

impl Scale {
    /// The whole run.
    pub(super) fn to(end: Nanos) -> Scale {
        Scale { end: (end.0 as f64).max(1.0) }
    }

    pub(super) fn x(self, t: Nanos) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (t.0 as f64 / self.end).min(1.0)
    }
}

/// The figure, with one moment marked and named if there is one to mark.
pub(super) fn figure(timeline: &Timeline, mark: Option<(Nanos, &str)>) -> Markup {
    let scale = Scale::to(timeline.end);
    let lanes = timeline.fault_bars.len().min(LANES_MAX);
    let rate = Panel { top: LANE * (lanes as f64 + 2.0) + 24.0 };
    let latency = Panel { top: rate.bottom() + GAP };
    let height = latency.bottom() + 44.0;
    html! {
        figure {
            (scroll("Completions and latency", html! {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                    aria-label="Completions per second and latency over the run, with faults shaded" {
                    (faults(timeline, scale, latency.bottom()))
                    (phases(timeline, scale, lanes, latency.bottom()))
                    (captures(timeline, scale, lanes))
                    (rate_panel(timeline, scale, rate))
                    (latency_panel(timeline, scale, latency))
                    (time_axis(timeline, scale, latency.bottom()))
                    @if let Some((t, label)) = mark {
                        (moment(scale.x(t), label, rate.top, latency.bottom()))
                    }
                }
            }))
            figcaption {
                "Shaded: a fault was in force. Each point covers " (span(timeline.completions.width)) ". "
                "Latency is measured from when an op was due, so it includes queueing. "
                @if timeline.fault_bars.len() > LANES_MAX {
                    "Only the first " (LANES_MAX) " of " (timeline.fault_bars.len()) " faults are drawn."
                }
            }
        }
    }
}

fn faults(timeline: &Timeline, scale: Scale, bottom: f64) -> Markup {
    html! {
        @for (lane, window) in timeline.fault_bars.iter().take(LANES_MAX).enumerate() {
            @let (x, y) = (scale.x(window.begin), LANE * lane as f64);
            @let width = (scale.x(window.end.unwrap_or(timeline.end)) - x).max(1.0);
            rect.shade x=(px(x)) y=(px(y)) width=(px(width)) height=(px(bottom - y)) {}
            rect.fault x=(px(x)) y=(px(y + 3.0)) width=(px(width)) height=(px(LANE - 6.0)) {}
            text.lane x=(px(LEFT - 8.0)) y=(px(y + 14.0)) text-anchor="end" {
                (shortened(&window.step, 14))
            }
            @let label = match window.seq {
                Some(seq) => format!("{}, segment {seq}", window.replica),
                None => window.replica.clone(),
            };
            (beside(x, x + width, y + 14.0, &shortened(&label, 40)))
        }
    }
}

/// The room that a label needs, with a gap at its side.
fn room_for(label: &str) -> f64 {
    7.0 * label.chars().count() as f64 + 8.0
}

/// Whether there is room for a label to the right of `x`.
fn fits(x: f64, label: &str) -> bool {
    WIDTH - x > room_for(label)
}

/// Labels of one height, from left to right. One that would cover the one before it is left out.
pub(super) struct LabelLine {
    y: f64,
    /// Where the last label ends.
    end: f64,
}

impl LabelLine {
    pub(super) fn at(y: f64) -> LabelLine {
        LabelLine { y, end: 0.0 }
    }

    /// The label of a line at `x`.
    pub(super) fn beside(&mut self, x: f64, label: &str) -> Option<Markup> {
        let room = room_for(label);
        let begin = if fits(x, label) { x } else { x - room };
        (begin >= self.end).then(|| {
            self.end = begin + room;
            beside(x, x, self.y, label)
        })
    }
}

/// A label to the right of a bar, or to the left if there is no room.
pub(super) fn beside(left: f64, right: f64, y: f64, label: &str) -> Markup {
    let (x, anchor) = if fits(right, label) { (right + 5.0, "start") } else { (left - 5.0, "end") };
    html! { text.note x=(px(x)) y=(px(y)) text-anchor=(anchor) { (label) } }
}

fn phases(timeline: &Timeline, scale: Scale, lanes: usize, bottom: f64) -> Markup {
    let y = LANE * lanes as f64;
    let ends = timeline.phases.iter().skip(1).map(|(t, _)| *t).chain([timeline.end]);
    html! {
        text.lane x=(px(LEFT - 8.0)) y=(px(y + 14.0)) text-anchor="end" { "phase" }
        @for ((begin, phase), end) in timeline.phases.iter().zip(ends) {
            @let (x, width) = (scale.x(*begin), scale.x(end) - scale.x(*begin));
            line.phase x1=(px(x)) y1=(px(y + 2.0)) x2=(px(x)) y2=(px(bottom)) {}
            @let word = spaced(&stored_name(phase));
            @if width > 6.5 * word.chars().count() as f64 + 6.0 {
                text.note x=(px(x + 4.0)) y=(px(y + 14.0)) { (word) }
            }
        }
    }
}

fn captures(timeline: &Timeline, scale: Scale, lanes: usize) -> Markup {
    let y = LANE * (lanes as f64 + 1.0);
    html! {
        text.lane x=(px(LEFT - 8.0)) y=(px(y + 14.0)) text-anchor="end" { "captures" }
        @for (_, t, _) in timeline.captures.iter().take(CAPTURES_MAX) {
            @let x = scale.x(*t);
            path.capture d=(format!("M{} {}l4 8h-8z", px(x), px(y + 5.0))) {}
        }
    }
}

fn rate_panel(timeline: &Timeline, scale: Scale, panel: Panel) -> Markup {
    let a_second = 1e9 / timeline.completions.width.0 as f64;
    let rate = |n: u64| n as f64 * a_second;
    let highest = timeline.completions.buckets.iter().map(|b| rate(b.ok.max(b.not_ok))).fold(1.0, f64::max);
    let top = round_up(highest);
    let line = |of: fn(&Bucket) -> Option<u64>| {
        path(timeline, scale, |bucket| of(bucket).map(|n| panel.y(rate(n) / top)))
    };
    let any_not_ok = timeline.completions.buckets.iter().any(|bucket| bucket.not_ok > 0);
    html! {
        text.title x=(px(LEFT)) y=(px(panel.top - 7.0)) {
            "completions, ops/s"
            @if any_not_ok { " (red, dashed: failed or unknown)" }
        }
        @for share in [0.0, 0.5, 1.0] { (level(panel.y(share), &number(top * share))) }
        path.rate d=(line(|bucket| Some(bucket.ok))) {}
        @if any_not_ok { path.notok d=(line(|bucket| (bucket.not_ok > 0).then_some(bucket.not_ok))) {} }
    }
}

fn latency_panel(timeline: &Timeline, scale: Scale, panel: Panel) -> Markup {
    let quantiles = |bucket: &Bucket, q: f64| Some(bucket.latency_us(q)? as f64);
    let values =
        || timeline.completions.buckets.iter().flat_map(|b| PERCENTILES.map(|(q, _)| quantiles(b, q)));
    let lowest = values().flatten().fold(f64::INFINITY, f64::min);
    let highest = values().flatten().fold(1.0, f64::max);
    let low = if lowest.is_finite() { decades(lowest).floor() } else { 0.0 };
    let high = decades(highest).ceil().max(low + 1.0);
    let share = move |us: f64| (decades(us) - low) / (high - low);
    html! {
        text.title x=(px(LEFT)) y=(px(panel.top - 7.0)) { "latency (logarithmic)" }
        @for decade in (low as i32)..=(high as i32) {
            @let us = 10u64.pow(decade.unsigned_abs());
            (level(panel.y(share(us as f64)), &span(Nanos(us * 1_000))))
        }
        @for (q, class) in PERCENTILES {
            path class=(class) d=(path(timeline, scale, |b| Some(panel.y(share(quantiles(b, q)?))))) {}
        }
        (legend(panel))
    }
}

fn legend(panel: Panel) -> Markup {
    html! {
        @for (i, (_, class)) in PERCENTILES.iter().enumerate() {
            @let x = WIDTH - RIGHT - 70.0 * (PERCENTILES.len() - i) as f64;
            path class=(class) d=(format!("M{} {}h22", px(x), px(panel.top - 11.0))) {}
            text.note x=(px(x + 27.0)) y=(px(panel.top - 7.0)) { (class) }
        }
    }
}

/// A line through the buckets that have a value, with gaps elsewhere. A single point gets a stroke of length
/// zero, which the round caps turn into a dot.
fn path(timeline: &Timeline, scale: Scale, y: impl Fn(&Bucket) -> Option<f64>) -> String {
    let mut out = String::new();
    let mut drawing = false;
    for (i, bucket) in timeline.completions.buckets.iter().enumerate() {
        let middle = timeline.completions.width.0 * i as u64 + timeline.completions.width.0 / 2;
        match y(bucket) {
            None => drawing = false,
            Some(y) => {
                let verb = if drawing { "L" } else { "M" };
                out.push_str(&format!("{verb}{} {}", px(scale.x(Nanos(middle))), px(y)));
                if !drawing {
                    out.push_str("h0");
                }
                drawing = true;
            }
        }
    }
    out
}

pub(super) fn level(y: f64, label: &str) -> Markup {
    html! {
        line.grid x1=(px(LEFT)) y1=(px(y)) x2=(px(WIDTH - RIGHT)) y2=(px(y)) {}
        text.tick x=(px(LEFT - 8.0)) y=(px(y + 4.0)) text-anchor="end" { (label) }
    }
}

pub(super) fn time_axis(timeline: &Timeline, scale: Scale, bottom: f64) -> Markup {
    let seconds = timeline.end.0 as f64 / 1e9;
    let step = round_up(seconds / 10.0);
    let ticks = (seconds / step) as u32;
    html! {
        @for tick in 0..=ticks {
            @let at = f64::from(tick) * step;
            @let x = scale.x(Nanos((at * 1e9) as u64));
            line.axis x1=(px(x)) y1=(px(bottom)) x2=(px(x)) y2=(px(bottom + 5.0)) {}
            text.tick x=(px(x)) y=(px(bottom + 18.0)) text-anchor="middle" { (number(at)) }
        }
        text.title x=(px((LEFT + WIDTH - RIGHT) / 2.0)) y=(px(bottom + 36.0)) text-anchor="middle" {
            "seconds since the start of the run"
        }
    }
}

pub(super) fn moment(x: f64, label: &str, top: f64, bottom: f64) -> Markup {
    html! {
        line.since x1=(px(x)) y1=(px(top)) x2=(px(x)) y2=(px(bottom)) {}
        (beside(x, x, top + 12.0, label))
    }
}

/// Coordinates rounded to a tenth: precise enough, and the same text on every machine.
pub(super) fn px(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

pub(super) fn number(n: f64) -> String {
    if n.fract() == 0.0 {
        crate::report::format::count(n as u64)
    } else {
        format!("{n:.2}").trim_end_matches('0').to_owned()
    }
}

/// The next of 1, 2, 5, 10, 20, 50, .. (and .01, .02, ..) that is not smaller.
pub(super) fn round_up(n: f64) -> f64 {
    let mut hundredths = 1u64;
    loop {
        for digit in [1, 2, 5] {
            let candidate = (digit * hundredths) as f64 / 100.0;
            if candidate >= n || hundredths > u64::MAX / 100 {
                return candidate;
            }
        }
        hundredths *= 10;
    }
}

/// A logarithm to base 10 good enough to draw with: exact at 1, 2 and 5 and straight between them. It is
/// made of additions and one division, so that a page has the same bytes on every platform, which `log10`
/// has not.
fn decades(n: f64) -> f64 {
    const STEPS: [(f64, f64); 4] = [(1.0, 0.0), (2.0, 0.301), (5.0, 0.699), (10.0, 1.0)];
    let (mut rest, mut decade) = (n.max(1.0), 0.0);
    while rest >= 10.0 {
        rest /= 10.0;
        decade += 1.0;
    }
    for pair in STEPS.windows(2) {
        let ((low, at_low), (high, at_high)) = (pair[0], pair[1]);
        if rest < high {
            return decade + at_low + (at_high - at_low) * (rest - low) / (high - low);
        }
    }
    decade
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_would_cover_the_one_before_it_is_left_out() {
        let mut line = LabelLine::at(14.0);
        let last = WIDTH - 10.0;
        let is_drawn = [100.0, 110.0, 200.0, last - 10.0, last].map(|x| line.beside(x, "commit").is_some());
        assert_eq!(
            is_drawn,
            [true, false, true, true, false],
            "the last ones are to the left of their lines"
        );
    }

    #[test]
    fn scales_are_round() {
        for (n, up) in [(0.0, 0.01), (0.7, 1.0), (1.0, 1.0), (1.1, 2.0), (23.0, 50.0), (501.0, 1_000.0)] {
            assert_eq!(round_up(n), up, "{n}");
        }
        for (n, log) in [(1.0, 0.0), (10.0, 1.0), (2_000.0, 3.301), (1e6, 6.0)] {
            assert!((decades(n) - log).abs() < 1e-9, "{n}: {}", decades(n));
        }
    }
}
