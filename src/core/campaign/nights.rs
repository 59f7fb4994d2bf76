//! A sweep beside earlier ones of the same plan: which findings are new, which were seen before, and which
//! have gone.

use super::document::{ArmEntry, CampaignDocument};
use super::trend::{ArmSeries, SeriesPoint, TrendEntry, TrendPoint, TrendStatus};
use std::collections::BTreeSet;

/// A finding is gone if, at its old rate, so many runs without it would be this unlikely (`RULES.md` 13).
const GONE: f64 = 0.05;

/// Compares a sweep with earlier ones, the oldest one first. Only like is compared with like: an arm with the
/// same command on the same versions of the target.
pub fn trends(now: &CampaignDocument, earlier: &[CampaignDocument]) -> Vec<TrendEntry> {
    now.arms.iter().flat_map(|arm| of_arm(arm, now, earlier)).collect()
}

/// Each arm beside the same arm of earlier sweeps.
pub fn series(now: &CampaignDocument, earlier: &[CampaignDocument]) -> Vec<ArmSeries> {
    let of_arm = |arm: &ArmEntry| {
        let all = before(arm, earlier).into_iter().chain([(now.started.as_str(), arm)]);
        let point = |(started, arm): (&str, &ArmEntry)| SeriesPoint {
            started: started.to_owned(),
            runs: arm.runs,
            exposed: arm.exposed,
            write_latency: arm.write_latency,
        };
        ArmSeries { arm: arm.name.clone(), sweeps: all.map(point).collect() }
    };
    now.arms.iter().map(of_arm).collect()
}

/// The same arm in earlier sweeps, with the time when each began.
fn before<'s>(arm: &ArmEntry, earlier: &'s [CampaignDocument]) -> Vec<(&'s str, &'s ArmEntry)> {
    let is_like = |other: &&ArmEntry| {
        other.command == arm.command
            && other.target_versions == arm.target_versions
            && other.failure.trials > 0
    };
    let like = |sweep: &'s CampaignDocument| Some((sweep.started.as_str(), sweep.arms.iter().find(is_like)?));
    earlier.iter().filter_map(like).collect()
}

fn of_arm(arm: &ArmEntry, now: &CampaignDocument, earlier: &[CampaignDocument]) -> Vec<TrendEntry> {
    let before = before(arm, earlier);
    let all = before.iter().map(|(_, arm)| *arm).chain([arm]);
    let kinds: BTreeSet<&String> = all.flat_map(|arm| arm.found.iter().map(|found| &found.kind)).collect();
    let trend = |kind: &String| {
        let point = |(started, arm): (&str, &ArmEntry)| {
            let hits = arm.found.iter().find(|found| found.kind == *kind).map_or(0, |found| found.rate.hits);
            TrendPoint { started: started.to_owned(), hits, trials: arm.failure.trials }
        };
        let mut sweeps: Vec<TrendPoint> = before.iter().copied().map(point).collect();
        let last = point((&now.started, arm));
        let found = arm.found.iter().find(|found| found.kind == *kind);
        let known = found.is_some_and(|found| found.known == found.rate.hits);
        let status = status(&sweeps, &last, lowest_rate(&before, kind));
        sweeps.push(last);
        TrendEntry { arm: arm.name.clone(), kind: kind.clone(), status, known, sweeps }
    };
    kinds.into_iter().map(trend).collect()
}

/// The lower end of the interval of the rate in the last sweep that had the finding.
fn lowest_rate(before: &[(&str, &ArmEntry)], kind: &str) -> f64 {
    let of = |arm: &ArmEntry| {
        let found = arm.found.iter().find(|found| found.kind == kind && found.rate.hits > 0);
        found.map(|found| found.rate.low)
    };
    before.iter().rev().find_map(|(_, arm)| of(arm)).unwrap_or(0.0)
}

fn status(before: &[TrendPoint], now: &TrendPoint, lowest_rate: f64) -> TrendStatus {
    let had = before.iter().filter(|sweep| sweep.hits > 0).count();
    match (had, now.hits) {
        (0, _) => TrendStatus::New,
        (_, 0) => {
            // All trials since the last sweep that had it count.
            let since: u64 =
                before.iter().rev().take_while(|sweep| sweep.hits == 0).map(|it| it.trials).sum();
            match (1.0 - lowest_rate).powf((since + now.trials) as f64) < GONE {
                true => TrendStatus::Gone,
                false => TrendStatus::NotSeen,
            }
        }
        (had, _) if had == before.len() => TrendStatus::Again,
        _ => TrendStatus::Flaky,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(hits: u64, trials: u64) -> TrendPoint {
        TrendPoint { started: String::new(), hits, trials }
    }

    #[test]
    fn a_finding_is_gone_only_if_its_absence_is_no_luck() {
        use TrendStatus::{Again, Flaky, Gone, New, NotSeen};
        let seen = [point(3, 100)];
        assert_eq!(status(&[], &point(1, 10), 0.0), New);
        assert_eq!(status(&[point(0, 100)], &point(1, 10), 0.0), New);
        assert_eq!(status(&seen, &point(1, 100), 0.01), Again);
        assert_eq!(status(&[point(3, 100), point(0, 100)], &point(1, 100), 0.01), Flaky);
        // 0.99^298 is above 5 %, 0.99^299 below.
        assert_eq!(status(&seen, &point(0, 298), 0.01), NotSeen);
        assert_eq!(status(&seen, &point(0, 299), 0.01), Gone);
        assert_eq!(status(&[point(3, 100), point(0, 200)], &point(0, 99), 0.01), Gone);
        assert_eq!(status(&[point(3, 100), point(0, 200)], &point(0, 98), 0.01), NotSeen);
    }
}
