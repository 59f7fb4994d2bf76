//! All looks at consuming positions and declared frontiers, compactly: one track an object, in time.

use crate::history::frontier::{Domain, Frontier, FrontierReading};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, HashMap};

/// One look at one object. There are millions of them: the status is a number in [`Tracks::status`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrontierSample {
    pub(crate) t: Nanos,
    pub(crate) u1: u64,
    /// None: sealed.
    pub(crate) f: Option<u64>,
    pub(crate) u2: u64,
    /// The furthest that its group had shown its upstream by then.
    pub(crate) known: u64,
    pub(crate) incarnation: u64,
    status: u32,
}

/// What was read of a consuming position.
pub(crate) struct PositionReading<'s> {
    pub(crate) u1: u64,
    pub(crate) f: u64,
    pub(crate) u2: u64,
    pub(crate) status: &'s str,
    pub(crate) incarnation: u64,
}

/// Every object's track.
pub(crate) struct FrontierSamples<'e> {
    /// By (replica, partition).
    pub(crate) positions: BTreeMap<(usize, u32), Vec<FrontierSample>>,
    /// As declared, in that order.
    pub(crate) frontiers: Vec<(&'e Frontier, Vec<FrontierSample>)>,
    index: HashMap<&'e str, usize>,
    /// By frontier: its group.
    groups: Vec<usize>,
    /// By group: the furthest upstream, and the furthest frontier, so far.
    furthest: Vec<(u64, u64)>,
    statuses: Vec<String>,
    known: HashMap<String, u32>,
}

impl<'e> FrontierSamples<'e> {
    /// Room for what is declared.
    pub(crate) fn of(declared: &'e [Frontier]) -> FrontierSamples<'e> {
        let mut groups: Vec<(&str, Domain)> = Vec::new();
        let group_of = |frontier: &'e Frontier| {
            let group = (frontier.group.as_str(), frontier.domain);
            groups.iter().position(|known| *known == group).unwrap_or_else(|| {
                groups.push(group);
                groups.len() - 1
            })
        };
        let group_of: Vec<usize> = declared.iter().map(group_of).collect();
        FrontierSamples {
            furthest: vec![(0, 0); groups.len()],
            groups: group_of,
            positions: BTreeMap::new(),
            frontiers: declared.iter().map(|frontier| (frontier, Vec::new())).collect(),
            index: declared.iter().enumerate().map(|(at, it)| (it.object.as_str(), at)).collect(),
            statuses: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Takes in a consuming position.
    pub(crate) fn add_position(&mut self, at: (usize, u32), t: Nanos, reading: &PositionReading<'_>) {
        let PositionReading { u1, f, u2, status, incarnation } = *reading;
        let status = self.intern(status);
        let sight = FrontierSample { t, u1, f: Some(f), u2, known: u1, incarnation, status };
        self.positions.entry(at).or_default().push(sight);
    }

    /// Takes in a look at a declared frontier; false if nobody declared it.
    pub(crate) fn add_frontier(&mut self, t: Nanos, look: &FrontierReading) -> bool {
        let Some(&at) = self.index.get(look.object.as_str()) else { return false };
        let status = self.intern(&look.status);
        let FrontierReading { u1, f, u2, incarnation, .. } = *look;
        let (frontier, sights) = &mut self.frontiers[at];
        let furthest = &mut self.furthest[self.groups[at]];
        *furthest = (furthest.0.max(u1), furthest.1.max(f.unwrap_or(0)));
        let known = if frontier.upstream.own { furthest.1 } else { furthest.0 };
        sights.push(FrontierSample { t, u1, f, u2, known, incarnation, status });
        true
    }

    /// The status that an object reported.
    pub(crate) fn status(&self, sight: &FrontierSample) -> &str {
        &self.statuses[sight.status as usize]
    }

    /// For each status whether it says that the object is not meant to move.
    pub(crate) fn held(&self) -> Vec<bool> {
        self.statuses.iter().map(|status| says_one_of(status, &HELD)).collect()
    }

    fn intern(&mut self, status: &str) -> u32 {
        if let Some(&known) = self.known.get(status) {
            return known;
        }
        let at = self.statuses.len() as u32;
        self.statuses.push(status.to_owned());
        self.known.insert(status.to_owned(), at);
        at
    }
}

impl FrontierSample {
    /// Whether its status is one of those that hold an object back.
    pub(crate) fn is_held(&self, held: &[bool]) -> bool {
        held[self.status as usize]
    }

    /// Whether it tells nothing of where the object stands: it is sealed, or not meant to move.
    pub(crate) fn tells_nothing(&self, held: &[bool]) -> bool {
        self.f.is_none() || self.is_held(held)
    }

    /// Whether two looks saw one place, under one life.
    pub(crate) fn same_position(&self, other: &FrontierSample) -> bool {
        self.f == other.f
    }
}

/// Statuses of an object that is not meant to move.
const HELD: [&str; 10] = [
    "paused",
    "pausing",
    "suspended",
    "created",
    "starting",
    "hydrating",
    "unhydrated",
    "read-only",
    "promoting",
    "dropped",
];

/// Statuses that show why an object does not move.
const CAUSES: [&str; 8] =
    ["stalled", "failed", "failing", "error", "errored", "offline", "unhealthy", "degraded"];

/// Whether a status shows that something is wrong.
pub(crate) fn shows_a_cause(status: &str) -> bool {
    says_one_of(status, &CAUSES)
}

/// Whether a status begins with one of these words: `stalled: no broker`.
fn says_one_of(status: &str, words: &[&str]) -> bool {
    let first = status.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next();
    let first = first.unwrap_or_default().to_ascii_lowercase().replace('_', "-");
    words.contains(&first.as_str())
}

/// What is declared of an object, or what holds for every consuming position.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object<'h> {
    /// Of this replica, in this partition.
    Position { replica: usize, partition: u32 },
    /// As its target declares it.
    Declared(&'h Frontier),
}

impl Object<'_> {
    pub(crate) fn is_foreign(self) -> bool {
        matches!(self, Object::Declared(Frontier { domain: Domain::Foreign, .. }))
    }

    /// Whether its upstream had come further than it when it was looked at, as far as numbers tell.
    pub(crate) fn is_below(self, sight: &FrontierSample) -> bool {
        sight.f.is_some_and(|f| f < sight.u1)
    }

    /// The partition of the input log whose offsets it counts.
    pub(crate) fn partition(self) -> Option<u32> {
        match self {
            Object::Position { partition, .. } => Some(partition),
            Object::Declared(frontier) => frontier.upstream.partition,
        }
    }

    /// The time in which it heals by itself, as declared.
    pub(crate) fn heals_within(self) -> Nanos {
        match self {
            Object::Declared(frontier) => frontier.heals_within.unwrap_or(Nanos(0)),
            Object::Position { .. } => Nanos(0),
        }
    }
}
