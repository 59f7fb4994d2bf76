//! What a comparison of contents was given, and how much it read.

use super::parts::{answer_list, code, scroll};
use crate::report::answers::comparison::amount;
use crate::report::format::{count, printable, repeat};
use dissent_core::checker::verdict::Verdict;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;
use maud::{Markup, html};

/// Columns listed; the rest is counted.
const COLUMNS_MAX: usize = 60;

/// The section on what was compared.
pub(super) fn section(verdict: &Verdict, meta: &RunMeta) -> Markup {
    let Some(comparison) = &verdict.comparison else { return html! {} };
    let columns = &meta.schema.columns;
    let is_audit = comparison.audit.is_some();
    html! {
        section id="compared" {
            h2 { "What was compared" }
            (answer_list(&[amount(verdict, comparison)]))
            (scroll("Replicas", html! {
                table {
                    thead {
                        tr {
                            th { "replica" }
                            @if !is_audit { th { "read from" } }
                            th.number { "rows" }
                            @if !is_audit { th.number { "position" } }
                        }
                    }
                    tbody {
                        @for (replica, rows) in &comparison.rows {
                            tr {
                                th scope="row" { (printable(replica)) }
                                @if !is_audit {
                                    @let from = meta.settings.get(replica);
                                    td { @if let Some(from) = from { (printable(from)) } }
                                }
                                td.number { (count(*rows)) }
                                @if !is_audit {
                                    td.number {
                                        @match comparison.positions.get(replica) {
                                            Some(position) => (count(*position)),
                                            None => span.faint { "not known" },
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }))
            h3 { "Columns" }
            p {
                "Key: " (code(&meta.schema.key)) ". Compared: "
                @for (at, column) in columns.iter().take(COLUMNS_MAX).enumerate() {
                    @if at > 0 { ", " }
                    (printable(&column.name)) " (" (stored_name(&column.ty)) ")"
                }
                @if columns.len() > COLUMNS_MAX { " and " (columns.len() - COLUMNS_MAX) " more" }
                "."
            }
            p { "Again: " (code(&repeat(meta))) }
        }
    }
}
