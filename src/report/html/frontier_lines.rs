//! The samples of frontiers that the page draws.

use dissent_core::history::frontier::FrontierReading;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;

/// Points kept per frontier; beyond that, every other one is dropped.
const POINTS_MAX: usize = 400;

/// The samples kept of each frontier, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct FrontierLines {
    pub(super) lines: BTreeMap<String, FrontierLine>,
}

/// One frontier, thinned out evenly.
#[derive(Clone, Debug)]
pub(super) struct FrontierLine {
    /// When, the upstream's end, and the frontier.
    pub(super) points: Vec<(Nanos, u64, Option<u64>)>,
    /// Keep every n-th sample.
    every: u64,
    seen: u64,
}

impl FrontierLines {
    /// Adds a sample.
    pub(super) fn take(&mut self, t: Nanos, look: &FrontierReading) {
        if let Some(line) = self.lines.get_mut(&look.object) {
            return line.take((t, look.u1, look.f));
        }
        let line = FrontierLine { points: vec![(t, look.u1, look.f)], every: 1, seen: 1 };
        self.lines.insert(look.object.clone(), line);
    }
}

impl FrontierLine {
    fn take(&mut self, point: (Nanos, u64, Option<u64>)) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        if self.points.len() >= POINTS_MAX {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 0
            });
            self.every *= 2;
        }
        self.points.push(point);
    }
}
