//! The proof of a divergence, pictures first: the replicas over the run, one row, why it went wrong, how far
//! it spread, and how to contain it.

use super::evidence::{NBSP, evidence};
use super::lanes::moments;
use super::parts::{answer_list, folded, scroll};
use super::timeline::Timeline;
use super::{key_map, lanes, node_timelines};
use crate::report::answers::divergence::standing_words;
use crate::report::answers::{containment, explanation, spread};
use crate::report::format::{Clock, modelled, printable};
use dissent_core::checker::verdict::{Divergence, Explanation, Spread, SpreadMoment};
use dissent_core::history::run_record::{Activity, RunMeta};
use maud::{Markup, html};

/// Captures listed in the table.
const MOMENTS_MAX: usize = 40;

/// The proof. `id` begins the anchors of its parts.
pub(super) fn proof(d: &Divergence, id: &str, meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    if meta.activity != Activity::Run {
        return html! {
            h3 id=(format!("{id}-rows")) { "One row on every replica" }
            (evidence(d, &meta.schema))
        };
    }
    html! {
        h3 id=(format!("{id}-replicas")) { "Replicas over the run" }
        (lanes::figure(d, meta, timeline))
        (folded("The same as a table", captures(d, meta, clock)))
        h3 id=(format!("{id}-rows")) { "One row on every replica" }
        (evidence(d, &meta.schema))
        @if let Some(explanation) = d.explanation.as_deref() {
            h3 id=(format!("{id}-why")) { "Why: the broken node beside a healthy one" }
            (why(explanation))
        }
        @if let Some(spread) = d.spread.as_deref().filter(|_| modelled(d)) {
            h3 id=(format!("{id}-spread")) { "How far it spread" }
            (how_far(d, spread, meta, clock))
        }
        h3 id=(format!("{id}-contain")) { "Containment" }
        (answer_list(&containment::answers(d, meta, clock)))
    }
}

/// The cause: two nodes side by side, then what follows from that.
pub(super) fn why(explanation: &Explanation) -> Markup {
    html! {
        @if let Some(figure) = node_timelines::figure(explanation) { (figure) }
        (answer_list(&explanation::answers(explanation)))
    }
}

fn how_far(d: &Divergence, spread: &Spread, meta: &RunMeta, clock: &Clock) -> Markup {
    html! {
        @if let Some(map) = key_map::map(d, spread, &meta.roster) { (map) }
        (answer_list(&spread::answers(spread, clock)))
    }
}

/// Every capture that shows the rows, replica by replica; of older verdicts, the first and the last.
fn captures(d: &Divergence, meta: &RunMeta, clock: &Clock) -> Markup {
    let rows = html! {
        table.rows {
            thead {
                tr {
                    th { "capture" }
                    @for replica in &meta.roster { th { (printable(replica)) } }
                    th { "pattern, side" }
                }
            }
            tbody {
                @for it in moments(d).iter().take(MOMENTS_MAX) {
                    tr {
                        th scope="row" { (it.capture) small { (clock.both(it.t)) } }
                        @for replica in &meta.roster { (standing(replica, it, modelled(d))) }
                        td { (words(d, it.capture)) }
                    }
                }
            }
        }
    };
    scroll("The replicas at each capture", rows)
}

fn standing(replica: &String, at: &SpreadMoment, modelled: bool) -> Markup {
    html! {
        @match (at.wrong.contains(replica), at.right.contains(replica)) {
            (true, _) => td.bad {
                @if modelled { span.mark { "✗" } (NBSP) "wrong" }
                @else { span.mark { "≠" } (NBSP) "differs" }
            },
            (false, true) => td { @if modelled { "✓ correct" } @else { "= agrees" } },
            (false, false) => td { span.faint { "– not compared" } },
        }
    }
}

/// The pattern at the first and the last capture that shows the rows.
fn words(d: &Divergence, capture: u32) -> String {
    let is = [&d.first, &d.last].into_iter().find(|state| state.capture == capture);
    is.map_or(String::new(), standing_words)
}
