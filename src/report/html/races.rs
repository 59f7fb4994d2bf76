//! How often writers strand that share a shard, arm by arm.

use super::parts::scroll;
use crate::report::format::count;
use crate::report::sweep::rate_words;
use dissent_core::campaign::document::{ArmEntry, CampaignDocument, RaceEntry};
use maud::{Markup, html};

/// The arms whose writers raced each other.
fn raced(campaign: &CampaignDocument) -> impl Iterator<Item = (&ArmEntry, &RaceEntry)> {
    campaign.arms.iter().filter_map(|arm| Some((arm, arm.writer_races.as_ref()?)))
}

/// Whether there is anything to show.
pub(super) fn has_races(campaign: &CampaignDocument) -> bool {
    raced(campaign).next().is_some()
}

/// The section of the page.
pub(super) fn section(campaign: &CampaignDocument) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th { "arm" } th { "some writer strands" } th { "one that leaves" } th { "one that stays" }
                    th { "visible freeze" } th { "in one tick" } th.number { "ticks" }
                }
            }
            tbody {
                @for (arm, races) in raced(campaign) {
                    tr {
                        th { (arm.name) }
                        @for rate in [
                            &races.some_writer, &races.leaving_writer, &races.surviving_writer,
                            &races.visible_freeze, &races.per_tick,
                        ] {
                            td { (rate_words(rate)) }
                        }
                        td.number { (count(races.per_tick.trials)) }
                    }
                }
            }
        }
    };
    html! {
        section #races {
            h2 { "Writers that share a shard" }
            p.lead {
                "A writer strands when it keeps what the shard has passed: it waits for ever, and nobody \
                 notices while another writer moves the shard on. A tick is a timestamp that two or more \
                 writers could write, up to the first that made one of them strand."
            }
            (scroll("Writers that strand", table))
        }
    }
}
