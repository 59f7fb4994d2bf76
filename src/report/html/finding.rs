//! The evidence for one finding.

use super::divergence;
use super::parts::folded;
use super::timeline::Timeline;
use crate::report::answers::frontier_order::preceding_event;
use crate::report::catalogue;
use crate::report::format::{Clock, count, joined, listed, printable, shortened, spaced, span};
use dissent_core::checker::verdict::{
    Ahead, Finding, FindingKind, FreezeCourse, Frozen, ObjectKind, Regressed,
};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;
use maud::{Markup, html};

/// What the page knows besides the finding.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) meta: &'c RunMeta,
    pub(super) timeline: &'c Timeline,
    pub(super) clock: &'c Clock,
    /// The plot of frontiers; none if another finding shows it.
    pub(super) frontiers: Option<&'c Markup>,
}

/// The evidence for a finding. `id` begins the anchors of its parts.
pub(super) fn proof(finding: &Finding, id: &str, context: Context<'_>) -> Markup {
    let Context { meta, timeline, clock, frontiers } = context;
    let internals = |rows: &[(&str, String)]| {
        html! {
            @if let Some(plot) = frontiers { (plot) }
            (folded("Everything that was recorded of it", pairs(rows)))
        }
    };
    match &finding.kind {
        FindingKind::Divergence(d) => divergence::proof(d, id, meta, timeline, clock),
        FindingKind::Frozen(f) => html! {
            (internals(&frozen_pairs(f, clock)))
            @if let Some(explanation) = f.explanation.as_deref() {
                h3 id=(format!("{id}-why")) { "Why: the stuck node beside a healthy one" }
                (divergence::why(explanation))
            }
        },
        FindingKind::Regressed(r) => internals(&regressed_pairs(r, clock)),
        FindingKind::Ahead(a) => internals(&ahead_pairs(a, clock)),
        FindingKind::LostAck(lost) => {
            pairs(&[("partition", lost.partition.to_string()), ("ops", listed(&lost.ops, 50))])
        }
    }
}

/// What this kind of finding means, how it can be wrong, and what to do about it.
pub(super) fn meaning(finding: &Finding) -> Markup {
    let name = catalogue::name_of(finding);
    html! {
        @if let Some(text) = catalogue::finding(&name) {
            (folded(&format!("What {name} means"), html! {
                dl.answers {
                    @for (question, answer) in text.told() { div { dt { (question) } dd { p { (answer) } } } }
                }
            }))
        }
    }
}

fn regressed_pairs(r: &Regressed, clock: &Clock) -> Vec<(&'static str, String)> {
    vec![
        ("object", printable(&r.object)),
        ("replica", r.replica.as_deref().map_or_else(|| "none".to_owned(), printable)),
        ("from", count(r.from)),
        ("to", count(r.to)),
        ("seen", clock.both(r.t)),
        ("previous sample", clock.both(r.after)),
        ("incarnation", format!("{}, then {}", r.incarnations.0, r.incarnations.1)),
        ("declared durable", if r.durable { "yes" } else { "no" }.to_owned()),
        ("just before", preceding_event(r.before.as_ref(), clock)),
        ("number of times", count(r.times)),
    ]
}

fn ahead_pairs(a: &Ahead, clock: &Clock) -> Vec<(&'static str, String)> {
    vec![
        ("object", printable(&a.object)),
        ("replica", a.replica.as_deref().map_or_else(|| "none".to_owned(), printable)),
        ("position", count(a.position)),
        match &a.input {
            Some(_) => ("position of the input, read last", count(a.upper)),
            None => ("end of the upstream, read last", count(a.upper)),
        },
        ("input", a.input.as_deref().map_or_else(|| "none".to_owned(), printable)),
        ("first seen", clock.both(a.t)),
        ("samples", count(a.samples)),
    ]
}

fn frozen_pairs(f: &Frozen, clock: &Clock) -> Vec<(&'static str, String)> {
    let none = || "none".to_owned();
    let mut pairs = vec![
        ("object", printable(&f.object)),
        ("kind", spaced(&stored_name(&f.kind))),
        ("replica", f.replica.as_deref().map_or_else(none, printable)),
    ];
    match f.kind {
        ObjectKind::ConsumingPosition => pairs.extend([
            ("partition", f.partition.map_or_else(none, |partition| partition.to_string())),
            ("segment", f.segment.clone().unwrap_or_else(none)),
            ("stuck at offset", count(f.position)),
            ("end of the log", count(f.log_end)),
        ]),
        ObjectKind::ShardUpper | ObjectKind::WriterOutput => pairs.extend([
            ("pinned by", joined(&f.pinned_by)),
            ("stuck at", count(f.position)),
            ("end of the upstream", count(f.log_end)),
        ]),
    }
    pairs.extend([
        ("upstream advanced by", count(f.upstream_moved)),
        ("not processed", f.invisible.map_or_else(|| "unknown".to_owned(), count)),
        (
            "last move",
            f.last_move.map_or_else(none, |it| {
                format!("{}: {} to {}", clock.both(it.t), count(it.from), count(it.to))
            }),
        ),
        ("just before the stop", preceding_event(f.before.as_ref(), clock)),
        ("stuck since", clock.both(f.since)),
        ("watched for", span(f.watched)),
        ("threshold", span(f.threshold)),
        ("visibility", stored_name(&f.grade)),
        ("how it ended", ended(f.course).to_owned()),
        ("status when it stopped", printable(&f.status_at_freeze)),
        ("status at the end", printable(&f.status)),
        ("incarnation", count(f.incarnation)),
        ("samples", count(f.samples)),
        ("number of stops", count(f.times)),
    ]);
    pairs
}

fn ended(course: FreezeCourse) -> &'static str {
    match course {
        FreezeCourse::Sticky => "still stuck at the end (sticky)",
        FreezeCourse::SelfHealed => "resumed by itself (self-healed)",
        FreezeCourse::ClearedByRestart => "resumed after a restart (cleared-by-restart)",
    }
}

fn pairs(rows: &[(&str, String)]) -> Markup {
    html! {
        table.pairs {
            tbody {
                @for (label, text) in rows {
                    tr { th scope="row" { (label) } td { (shortened(text, 400)) } }
                }
            }
        }
    }
}
