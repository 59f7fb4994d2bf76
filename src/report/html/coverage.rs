//! The matrix of faults and the events under them. An empty cell was never tried.

use super::parts::{prose, scroll};
use crate::report::coverage::TargetCoverage;
use crate::report::format::{count, counted};
use dissent_core::campaign::coverage::{CoverageRow, ELSEWHERE};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The matrices, one for each target.
pub(super) fn section(coverage: &[TargetCoverage]) -> Markup {
    html! {
        section #coverage {
            h2 { "What was tried" }
            p.lead {
                "The runs in which an event happened while a fault was in force: on the faulted replica, and \
                 on another one. What is not certain is not counted, such as an event in the same sample as \
                 the begin of the fault. Marked cells were never met."
            }
            @for of_target in coverage {
                p { (prose(&of_target.words())) }
                (scroll("Faults and events", matrix(&of_target.rows)))
            }
        }
    }
}

fn matrix(rows: &[CoverageRow]) -> Markup {
    let cells = rows.iter().flat_map(|row| row.cells.keys());
    let events: BTreeSet<&str> = cells.map(|cell| cell.strip_suffix(ELSEWHERE).unwrap_or(cell)).collect();
    html! {
        table.coverage {
            thead {
                tr {
                    th rowspan="2" { "event" }
                    @for row in rows {
                        th.first colspan="2" { (row.fault) small { (counted(row.runs, "run")) } }
                    }
                }
                tr { @for _ in rows { th.first { "same" } th { "another" } } }
            }
            tbody {
                @for event in events {
                    tr {
                        th { (event) }
                        @for row in rows { (cells_of(event, row)) }
                    }
                }
            }
        }
    }
}

/// The cells of an event under a fault. There is one if the event is of no replica in particular, or if the
/// fault is of all.
fn cells_of(event: &str, row: &CoverageRow) -> Markup {
    let elsewhere = row.cells.get(&format!("{event}{ELSEWHERE}")).copied();
    let class = |runs: u64| if runs == 0 { "number never" } else { "number" };
    let first = |runs: u64| format!("first {}", class(runs));
    html! {
        @match (row.cells.get(event).copied(), elsewhere) {
            (None, _) => td.first colspan="2" {},
            (Some(same), None) => td class=(first(same)) colspan="2" { (count(same)) },
            (Some(same), Some(another)) => {
                td class=(first(same)) { (count(same)) }
                td class=(class(another)) { (count(another)) }
            },
        }
    }
}
