//! What the other checks rely on, checked first: an unmet assumption is its own result, not a pass
//! (`semantics` 3, 10).

use super::history::{FlagsRead, History, Look, RowsRead};
use super::ledger::Ledger;
use super::verdict::{CheckName, CheckResult, Doubt, DoubtKind, Status};
use crate::record::evidence::Damage;
use crate::record::row::{Nanos, Soundness};
use std::collections::BTreeMap;

/// Workloads whose comparison values tie or run backwards on purpose.
const DISORDERLY: [&str; 2] = ["ties", "out-of-order"];

/// Checks what the run must have done for its other checks to mean anything.
pub(super) fn check(
    history: &History<'_>,
    ledgers: &[Ledger],
    damage: &[Damage],
) -> (CheckResult, Vec<Doubt>) {
    let mut doubts = history.doubts.clone();
    doubts.extend(damage.iter().map(|damage| Doubt {
        kind: DoubtKind::Damage,
        detail: format!("{}: {}", damage.file, damage.detail),
    }));
    faults(history, &mut doubts);
    restarts(history, &mut doubts);
    reads(history, &mut doubts);
    for ledger in ledgers {
        segments(history, ledger, &mut doubts);
        if let Some((earlier, later)) = ledger.disorder
            && !DISORDERLY.contains(&history.facts.workload.name.as_str())
        {
            let partition = ledger.partition;
            doubts.push(Doubt {
                kind: DoubtKind::UnmetAssumption,
                detail: format!(
                    "partition {partition}: the comparison value falls behind, offset {earlier} to {later}"
                ),
            });
        }
    }
    let looked_at = history.segments.iter().map(Vec::len).sum::<usize>()
        + history.facts.steps.len()
        + history.reads.len()
        + history.flag_reads.len()
        + ledgers.iter().map(|ledger| ledger.keys.len()).sum::<usize>();
    let result = CheckResult {
        name: CheckName::Assumptions,
        status: if doubts.is_empty() && looked_at > 0 { Status::Pass } else { Status::Unknown },
        compared: looked_at as u64,
        unit: "facts".to_owned(),
        reason: doubts.first().map(|doubt| doubt.detail.clone()),
    };
    (result, doubts)
}

fn faults(history: &History<'_>, doubts: &mut Vec<Doubt>) {
    for step in &history.facts.steps {
        let span = history.faults.iter().find(|span| span.step == step.id);
        let failed = match span.map(|span| &span.begun) {
            None => "never began".to_owned(),
            Some(None) => "was not seen in force".to_owned(),
            Some(Some(Err(error))) => format!("could not be begun: {error}"),
            Some(Some(Ok(()))) => continue,
        };
        doubts.push(Doubt { kind: DoubtKind::FailedFault, detail: format!("step {}: {failed}", step.id) });
    }
    for span in &history.faults {
        let failed = match &span.cured {
            None => "was not seen cured".to_owned(),
            Some((_, Err(error))) => format!("could not be cured: {error}"),
            Some((_, Ok(()))) => continue,
        };
        doubts.push(Doubt { kind: DoubtKind::FailedCure, detail: format!("step {}: {failed}", span.step) });
    }
}

/// A replica that began a new life without a restart of ours.
fn restarts(history: &History<'_>, doubts: &mut Vec<Doubt>) {
    let mut lives: BTreeMap<usize, Vec<(Nanos, u64)>> = BTreeMap::new();
    let tracks = &history.tracks;
    let positions = tracks.positions.iter().map(|((replica, _), sights)| (*replica, sights));
    let declared = tracks
        .frontiers
        .iter()
        .filter_map(|(frontier, sights)| Some((history.replica(frontier.replica.as_deref()?)?, sights)));
    for (replica, sights) in positions.chain(declared) {
        let seen = sights.iter().map(|sight| (sight.t, sight.incarnation));
        lives.entry(replica).or_default().extend(seen);
    }
    for (replica, mut seen) in lives {
        seen.sort();
        let change =
            seen.windows(2).find(|pair| pair[0].1 != pair[1].1 && !history.restarting(replica, pair[1].0));
        if let Some(pair) = change {
            let name = &history.facts.roster[replica];
            doubts.push(Doubt {
                kind: DoubtKind::UnmetAssumption,
                detail: format!("{name} restarted unasked: incarnation {} became {}", pair[0].1, pair[1].1),
            });
        }
    }
}

/// Reads that do not count, unless a later one made up for them: of the same capture, or of a later one that
/// brought the rows of the very same copy, or the flags of the same life. While we restart a replica
/// ourselves it may be silent, and a segment that is taken away from it is not its own to show any more.
///
/// ```text
/// a router hides c while it lacks a segment: its rows cannot be read, and are once the segment has come
/// ```
fn reads(history: &History<'_>, doubts: &mut Vec<Doubt>) {
    let rows = &history.reads;
    let flags = &history.flag_reads;
    let later = |look: &Look, later: &Look| {
        later.soundness == Soundness::Sound
            && later.id > look.id
            && (later.replica, later.partition) == (look.replica, look.partition)
    };
    let unsound = |look: &Look| look.soundness != Soundness::Sound;
    for RowsRead { look, held, .. } in rows.iter().filter(|read| unsound(&read.look)) {
        let again = rows.iter().any(|read| {
            let same =
                read.look.capture == look.capture || read.held.copy == held.copy && read.held.end >= held.end;
            later(look, &read.look) && read.held.seq == held.seq && same
        });
        let again = again || was_taken_away(history, look, |seq| seq == held.seq);
        doubts.extend(doubt(history, look, again, &format!("segment {} of", held.seq)));
    }
    for FlagsRead { look, .. } in flags.iter().filter(|read| unsound(&read.look)) {
        let again = flags.iter().any(|read| {
            let same = read.look.capture == look.capture || read.look.incarnation == look.incarnation;
            later(look, &read.look) && same
        });
        let again = again || was_taken_away(history, look, |_| true);
        doubts.extend(doubt(history, look, again, "current flags of"));
    }
}

/// Whether these segments of the partition are assigned to others by the end.
fn was_taken_away(history: &History<'_>, look: &Look, of: impl Fn(u32) -> bool) -> bool {
    let spans = &history.segments[look.partition as usize];
    let last = history.captures.len().saturating_sub(1);
    let mut own = spans.iter().filter(|span| of(span.seq)).peekable();
    own.peek().is_some() && own.all(|span| !span.assigned(last).contains(&look.replica))
}

fn doubt(history: &History<'_>, look: &Look, again: bool, of: &str) -> Option<Doubt> {
    let replica = &history.facts.roster[look.replica];
    let capture = history.captures[look.capture].number;
    let place = format!("{of} partition {} on {replica}, capture {capture}", look.partition);
    let (kind, detail) = match look.soundness {
        Soundness::Truncated if !again => {
            (DoubtKind::TruncatedRead, format!("{place}: {} rows are not the target's own count", look.count))
        }
        Soundness::Failed if !again && !history.restarting(look.replica, look.t) => {
            (DoubtKind::Unreadable, format!("{place}: no answer"))
        }
        _ => return None,
    };
    Some(Doubt { kind, detail })
}

/// Segments follow one another without a gap, and hold the whole log.
fn segments(history: &History<'_>, ledger: &Ledger, doubts: &mut Vec<Doubt>) {
    let partition = ledger.partition;
    let spans = &history.segments[partition as usize];
    let mut unmet = |detail| doubts.push(Doubt { kind: DoubtKind::UnmetAssumption, detail });
    for pair in spans.windows(2) {
        if pair[0].end != Some(pair[1].start) {
            unmet(format!(
                "segment {} of partition {partition} ends at {:?}, {} starts at {}",
                pair[0].name, pair[0].end, pair[1].name, pair[1].start
            ));
        }
    }
    let outside = ledger.lines().find(|line| line.segment.is_none() && history.facts.has_segments());
    if let Some(line) = outside {
        unmet(format!("no segment holds offset {} of partition {partition}", line.off));
    }
    let known = |seq| spans.iter().any(|span| span.seq == seq);
    let stray = history.reads.iter().find(|read| read.look.partition == partition && !known(read.held.seq));
    if let Some(read) = stray {
        unmet(format!("segment {} of partition {partition} was read, and nobody knows it", read.held.seq));
    }
}
