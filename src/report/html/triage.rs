//! How to find one's way: the chart of the first question with the path taken, and the checklist of an
//! incident with what the run shows.

use super::figure::px;
use super::parts::prose;
use crate::report::answers::checklist::steps;
use crate::report::answers::triage::{BRANCHES, branch, caution};
use crate::report::format::Clock;
use dissent_core::checker::verdict::{Divergence, Verdict};
use maud::{Markup, html};

const WIDTH: f64 = 660.0;
/// The height of a box, and of a branch with the space below it.
const BOX: f64 = 44.0;
const ROW: f64 = 56.0;
/// The x of the trunk from which branches leave, and of their boxes.
const TRUNK: f64 = 24.0;
const ACTION: f64 = 236.0;

/// The section for a divergence, the first finding of its verdict.
pub(super) fn section(d: &Divergence, verdict: &Verdict, clock: &Clock) -> Markup {
    html! {
        section id="triage" {
            h2 { "Triage" }
            (chart(branch(d)))
            @if let Some(caution) = caution(d) { p.more { (caution) } }
            h3 { "The 2 AM checklist" }
            ol.checklist {
                @for step in steps(d, verdict, clock) {
                    li {
                        strong { (step.step) }
                        p {
                            @if step.done { span.good { "✓ shown: " } }
                            @else { span.doubtful { "→ open: " } }
                            (prose(&step.shown))
                        }
                    }
                }
            }
        }
    }
}

fn chart(taken: usize) -> Markup {
    let top = 2.0;
    let first = top + ROW + 30.0;
    let height = first + ROW * BRANCHES.len() as f64;
    let label = format!(
        "Incident report, then raw state per replica. Here: {}, so {}",
        BRANCHES[taken].0, BRANCHES[taken].1
    );
    html! {
        figure {
            svg.flow viewBox=(format!("0 0 {WIDTH} {}", px(height))) role="img" aria-label=(label) {
                (step(0.0, top, 150.0, "incident report", true))
                (arrow(150.0, top + BOX / 2.0, 186.0, true))
                (step(186.0, top, 240.0, "query raw state per replica", true))
                text.title x="0" y=(px(first - 12.0)) { "What do the replicas show?" }
                @for row in (0..BRANCHES.len()).filter(|row| *row != taken).chain([taken]) {
                    (branch_row(row, first, row == taken))
                }
            }
            figcaption { "Bold: the path that this run takes." }
        }
    }
}

fn branch_row(row: usize, first: f64, taken: bool) -> Markup {
    let (shown, action) = BRANCHES[row];
    let y = first + ROW * row as f64;
    let middle = y + BOX / 2.0;
    html! {
        path.path.taken[taken] d=(format!("M{TRUNK} {}V{}H38", px(first - 6.0), px(middle))) {}
        text.taken[taken] x="44" y=(px(middle + 4.5)) { (shown) }
        (arrow(206.0, middle, ACTION, taken))
        (step(ACTION, y, WIDTH - ACTION - 2.0, action, taken))
    }
}

fn step(x: f64, y: f64, width: f64, words: &str, taken: bool) -> Markup {
    html! {
        rect.step.taken[taken] x=(px(x + 1.0)) y=(px(y)) width=(px(width)) height=(px(BOX)) rx="6" {}
        text.taken[taken] x=(px(x + 12.0)) y=(px(y + BOX / 2.0 + 4.5)) { (words) }
    }
}

fn arrow(from: f64, y: f64, to: f64, taken: bool) -> Markup {
    html! {
        path.path.taken[taken] d=(format!(
            "M{} {y:.1}H{}m-7 -4l7 4l-7 4", px(from), px(to - 1.0), y = y
        )) {}
    }
}
