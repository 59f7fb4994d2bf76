//! Pictures of rates: all arms side by side, a rate over a setting that varies, and a rate over time.

use super::figure::px;
use crate::report::format::shortened;
use dissent_core::campaign::document::{ArmEntry, RateEntry};
use dissent_core::campaign::trend::TrendPoint;
use dissent_core::history::duration;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// The width of a picture.
const WIDTH: f64 = 860.0;
/// Where the axis of all arms begins.
const LEFT: f64 = 330.0;
/// The height of an arm.
const ROW: f64 = 26.0;
/// Letters of an arm's name.
const NAME_MAX: usize = 48;
/// The height of a curve's plot, and its place.
const PLOT: (f64, f64, f64) = (20.0, 200.0, 60.0);
/// Lines of one picture: there are so many colours.
const LINES_MAX: usize = 6;
/// The sweeps that a trend shows.
pub(super) const SPARKS: usize = 14;

/// Each arm's rate with both its intervals.
pub(super) fn by_arm(arms: &[ArmEntry]) -> Markup {
    let most = ceiling(arms.iter().map(|arm| &arm.failure));
    let x = |share: f64| LEFT + (WIDTH - LEFT - 20.0) * (share / most).min(1.0);
    let bottom = ROW * arms.len() as f64 + 8.0;
    html! {
        figure {
            svg viewBox=(view_box(bottom + 22.0)) role="img" aria-label="Failure rate of each arm" {
                @for tick in ticks(most) {
                    line.grid x1=(px(x(tick))) x2=(px(x(tick))) y1="0" y2=(px(bottom)) {}
                    text.tick x=(px(x(tick))) y=(px(bottom + 15.0)) text-anchor="middle" { (percent(tick)) }
                }
                @for (i, arm) in arms.iter().enumerate() {
                    @let y = ROW * i as f64 + ROW / 2.0;
                    text x="0" y=(px(y + 4.0)) { title { (arm.name) } (shortened_start(&arm.name)) }
                    (interval(&arm.failure, &x, y))
                }
            }
        }
    }
}

fn interval(rate: &RateEntry, x: &impl Fn(f64) -> f64, y: f64) -> Markup {
    let class = if rate.hits > 0 { "rate hit" } else { "rate" };
    let (from, to) = (x(rate.low), x(rate.high));
    html! {
        g class=(class) {
            line.anytime x1=(px(x(rate.anytime_low))) x2=(px(x(rate.anytime_high))) y1=(px(y)) y2=(px(y)) {}
            rect x=(px(from)) y=(px(y - 4.0)) height="8" width=(px((to - from).max(1.0))) {}
            @if let Some(share) = rate.share { circle cx=(px(x(share))) cy=(px(y)) r="4.5" {} }
        }
    }
}

/// A point of a curve.
struct Point<'c> {
    at: f64,
    label: &'c str,
    rate: &'c RateEntry,
}

/// A curve: the names of its arms without the setting that varies, and its points.
#[derive(Default)]
struct Curve<'c> {
    names: BTreeSet<String>,
    points: Vec<Point<'c>>,
}

/// Curves, by the command of their arms without the setting that varies.
type Curves<'c> = BTreeMap<String, Curve<'c>>;

/// One picture for every setting that is a number and varies while all else is the same.
pub(super) fn curves(arms: &[ArmEntry]) -> Vec<Markup> {
    let names: BTreeSet<&String> = arms.iter().flat_map(|arm| arm.settings.keys()).collect();
    names.into_iter().filter_map(|name| curve(name, arms)).collect()
}

fn curve(setting: &str, arms: &[ArmEntry]) -> Option<Markup> {
    let mut lines = Curves::new();
    for arm in arms {
        let Some((at, label)) = arm.settings.get(setting).and_then(|value| Some((number(value)?, value)))
        else {
            continue;
        };
        let name = arm.name.replace(&format!(" {setting}={label}"), "");
        let rest = arm.command.replace(&format!(" --set {setting}={label}"), "");
        let curve = lines.entry(rest).or_default();
        curve.names.insert(name);
        curve.points.push(Point { at, label, rate: &arm.failure });
    }
    lines.retain(|_, curve| curve.points.len() > 1);
    lines.values_mut().for_each(|curve| curve.points.sort_by(|a, b| a.at.total_cmp(&b.at)));
    (!lines.is_empty()).then(|| picture(setting, &lines))
}

fn picture(setting: &str, lines: &Curves<'_>) -> Markup {
    let (top, bottom, left) = PLOT;
    let points = || lines.values().flat_map(|curve| &curve.points);
    let most = ceiling(points().map(|point| point.rate));
    let mut ats: Vec<(f64, &str)> = points().map(|point| (point.at, point.label)).collect();
    ats.sort_by(|a, b| a.0.total_cmp(&b.0));
    ats.dedup_by(|a, b| a.0 == b.0);
    // Values are often far apart, so they stand at equal distances.
    let place = |at: f64| ats.iter().position(|(known, _)| *known == at).unwrap_or(0) as f64;
    let step = (WIDTH - left - 60.0) / (ats.len() as f64 - 1.0).max(1.0);
    let x = |at: f64| left + 20.0 + step * place(at);
    let y = |share: f64| bottom - (bottom - top) * (share / most).min(1.0);
    let below = bottom + 40.0 + 18.0 * lines.len().min(LINES_MAX) as f64;
    html! {
        figure {
            h3 { "Over " code { (setting) } }
            svg viewBox=(view_box(below)) role="img" aria-label=(format!("Failure rate over {setting}")) {
                @for tick in ticks(most) {
                    line.grid x1=(px(left)) x2=(px(WIDTH - 20.0)) y1=(px(y(tick))) y2=(px(y(tick))) {}
                    text.tick x=(px(left - 8.0)) y=(px(y(tick) + 4.0)) text-anchor="end" { (percent(tick)) }
                }
                @for (at, label) in &ats {
                    text.tick x=(px(x(*at))) y=(px(bottom + 16.0)) text-anchor="middle" { (label) }
                }
                @for (i, (command, Curve { names, points })) in lines.iter().take(LINES_MAX).enumerate() {
                    @let shift = 3.0 * (i as f64 - lines.len().min(LINES_MAX) as f64 / 2.0);
                    g class=(format!("line line-{i}")) {
                        (one_line(points, &|at| x(at) + shift, &y))
                        rect.key x=(px(left)) y=(px(bottom + 29.0 + 18.0 * i as f64)) width="14" height="4" {}
                        @let y = px(bottom + 35.0 + 18.0 * i as f64);
                        @let name = names.first().filter(|_| names.len() == 1).unwrap_or(command);
                        text x=(px(left + 22.0)) y=(y) { (shortened(name, 2 * NAME_MAX)) }
                    }
                }
            }
            @if lines.len() > LINES_MAX {
                figcaption { (lines.len() - LINES_MAX) " more lines are in the table of arms." }
            }
        }
    }
}

fn one_line(points: &[Point<'_>], x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> Markup {
    let known = points.iter().filter_map(|point| Some((x(point.at), y(point.rate.share?))));
    let path: Vec<String> = known.map(|(x, y)| format!("{},{}", px(x), px(y))).collect();
    html! {
        @for point in points {
            @let (at, low, high) = (px(x(point.at)), px(y(point.rate.low)), px(y(point.rate.high)));
            line.whisker x1=(at) x2=(at) y1=(low) y2=(high) {}
            @if let Some(share) = point.rate.share { circle cx=(at) cy=(px(y(share))) r="3.5" {} }
        }
        @if path.len() > 1 { polyline points=(path.join(" ")) {} }
    }
}

/// The rate of a finding, sweep by sweep, as bars.
pub(super) fn spark(sweeps: &[TrendPoint]) -> Markup {
    let shown = &sweeps[sweeps.len().saturating_sub(SPARKS)..];
    let share =
        |sweep: &TrendPoint| if sweep.trials == 0 { 0.0 } else { sweep.hits as f64 / sweep.trials as f64 };
    let most = shown.iter().map(share).fold(0.0, f64::max).max(1e-9);
    html! {
        svg.spark viewBox="0 0 170 22" role="img" aria-label="Rate in each sweep" {
            @for (i, sweep) in shown.iter().enumerate() {
                @let high = (18.0 * share(sweep) / most).max(1.5);
                @let x = px(12.0 * i as f64);
                rect.zero[sweep.hits == 0] x=(x) width="9" y=(px(20.0 - high)) height=(px(high)) {}
            }
        }
    }
}

/// The top of an axis for these rates: a round share above the largest upper end.
fn ceiling<'r>(rates: impl Iterator<Item = &'r RateEntry>) -> f64 {
    let most = rates.filter(|rate| rate.trials > 0).map(|rate| rate.high).fold(0.0, f64::max);
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].into_iter().find(|top| most <= *top).unwrap_or(1.0)
}

fn view_box(height: f64) -> String {
    format!("0 0 {WIDTH} {}", px(height))
}

fn ticks(most: f64) -> impl Iterator<Item = f64> {
    (0..=5).map(move |i| most * f64::from(i) / 5.0)
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A setting's value as a number: plain, or a length of time in seconds.
fn number(value: &str) -> Option<f64> {
    value.parse().ok().or_else(|| duration::parse(value).ok().map(|time| time.0 as f64 / 1e9))
}

/// The end of a long name: names of arms differ there.
fn shortened_start(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len() > NAME_MAX {
        true => format!("…{}", letters[letters.len() - NAME_MAX + 1..].iter().collect::<String>()),
        false => name.to_owned(),
    }
}
