//! Explanations and spread, one line for each thing that a case may ask for.

use super::{seconds, word};
use dissent_core::checker::verdict::{
    EventPoint, Explanation, LoggedCount, Prediction, Risk, ShownCause, Spread,
};
use std::collections::BTreeMap;

pub(super) fn describe_explanation(it: &Explanation, lines: &mut Vec<String>) {
    for cause in std::iter::once(&it.cause).chain(&it.further) {
        describe_cause(cause, lines);
    }
    let guard = &it.guard;
    lines.push(format!(
        "guard {} name={} enforced={} required={} released-by={} evaluated={}ms counts={} {}",
        word(&guard.state),
        guard.name.as_deref().unwrap_or("-"),
        listed(&guard.enforced_scope),
        listed(&guard.required_scope),
        guard.released_by.as_deref().unwrap_or("-"),
        number(guard.evaluated_ms),
        guard.counts.map_or("-".to_owned(), |(wanted, registered)| format!("{registered}/{wanted}")),
        word(&guard.confidence),
    ));
    for timeline in &it.timelines {
        for told in &timeline.events {
            let broken = if timeline.broken { "broken" } else { "healthy" };
            lines.push(format!(
                "timeline {} {broken} {}ms {} {} {}",
                timeline.node,
                told.at_ms,
                told.event.kind,
                told.event.segment.as_deref().unwrap_or("-"),
                word(&told.role),
            ));
        }
    }
}

fn describe_cause(cause: &ShownCause, lines: &mut Vec<String>) {
    match cause {
        ShownCause::OrderingBreak(it) => {
            let not: Vec<String> =
                it.no_witnesses.iter().map(|(peer, reason)| format!("{peer}:{}", word(reason))).collect();
            let Prediction { roots, explained, predicted, found, from, to, logged } = it.prediction;
            lines.push(format!(
                "cause ordering-break {} anchor={}@{} late={} visible={} dependent={} late-by={}ms {} \
                 explained={explained}/{roots} found={found}/{predicted} window={from}..{to} {} \
                 witnesses={} not={}",
                it.replica,
                it.anchor.key,
                it.anchor.off,
                listed(&it.dependencies),
                point(it.visible.as_ref()),
                it.dependent,
                number(it.late_by_ms),
                word(&it.strength),
                if logged { "logged" } else { "estimated" },
                listed(&it.witnesses),
                listed(&not),
            ));
            if let Some(setup) = &it.setup {
                let peers = |peers: &BTreeMap<String, u64>| {
                    listed(&peers.iter().map(|(peer, n)| format!("{peer}:{n}")).collect::<Vec<_>>())
                };
                let counted = |it: &Option<LoggedCount>| match it {
                    Some(it) => format!("{}/{}", it.here, peers(&it.peers)),
                    None => "-".to_owned(),
                };
                lines.push(format!(
                    "setup {} {} {} took={}ms peers={} outcome={} snapshot={} catch-up={}",
                    setup.segment,
                    setup.transition,
                    word(&setup.edge),
                    setup.took_ms,
                    peers(&setup.peers_ms),
                    setup.outcome.as_deref().unwrap_or("-"),
                    counted(&setup.snapshot),
                    counted(&setup.catch_up),
                ));
            }
        }
        ShownCause::DroppedKeys(it) => lines.push(format!(
            "cause dropped-keys {} anchor={}@{} event={} keys={} beyond={}",
            it.replica,
            it.anchor.key,
            it.anchor.off,
            point(Some(&it.event)),
            number(it.keys),
            number(it.beyond_end),
        )),
        ShownCause::NeverBegan(it) => lines.push(format!(
            "cause never-began {} dependent={} waits-for={} tested={} visible={}",
            it.replica,
            it.dependent,
            listed(&it.dependencies),
            point(Some(&it.tested)),
            point(it.visible.as_ref()),
        )),
        ShownCause::NotShown { reason } => lines.push(format!("cause not-shown {}", word(reason))),
    }
}

pub(super) fn describe_spread(it: &Spread, lines: &mut Vec<String>) {
    for moment in &it.moments {
        lines.push(format!(
            "moment {} wrong={} right={}",
            moment.capture,
            listed(&moment.wrong),
            listed(&moment.right)
        ));
    }
    for commit in &it.commits {
        lines.push(format!(
            "commit {} winner={} offset={} equal={} wrong={}",
            commit.segment,
            commit.winner.as_deref().unwrap_or("-"),
            number(commit.offset),
            listed(&commit.at_equal_offset),
            truth(commit.wrong),
        ));
    }
    for it in &it.replacements {
        let checksums = it.checksums.as_ref().map_or("-".to_owned(), |(own, new)| format!("{own}->{new}"));
        lines.push(format!(
            "replaced {} {} wrong={}->{} checksums={checksums} event={}",
            it.replica,
            it.segment,
            truth(it.wrong_before),
            truth(it.wrong_after),
            point(it.event.as_ref()),
        ));
    }
    for risk in &it.at_risk {
        lines.push(match risk {
            Risk::NextCommit { segment } => format!("risk next-commit {segment}"),
            Risk::Reload { segment, replicas } => format!("risk reload {segment} {}", listed(replicas)),
            Risk::Compaction => "risk compaction".to_owned(),
            Risk::Retention { from } => format!("risk retention {from}"),
        });
    }
    if let Some(gone) = &it.last_right_gone {
        let (seen, gone_at) = (seconds(gone.last_seen), seconds(gone.gone));
        lines.push(format!("last-right gone {} between {seen}s {gone_at}s", listed(&gone.replicas)));
    }
    if !it.last_right.is_empty() {
        lines.push(format!("last-right held {}", listed(&it.last_right)));
    }
}

fn point(point: Option<&EventPoint>) -> String {
    point.map_or("-".to_owned(), |it| format!("{}:{}", it.kind, it.segment.as_deref().unwrap_or("-")))
}

fn number(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn truth(truth: Option<bool>) -> &'static str {
    match truth {
        Some(true) => "wrong",
        Some(false) => "right",
        None => "-",
    }
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}
