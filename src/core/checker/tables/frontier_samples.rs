//! All samples of consuming positions and declared frontiers, compactly: one list per object, in time order.

use crate::history::frontier::{Domain, Frontier, FrontierReading};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, HashMap};

/// One sample of one object. There are millions of them, so the status is an index of
/// [`FrontierSamples::statuses`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrontierSample {
    pub(crate) t: Nanos,
    pub(crate) u1: u64,
    /// `None`: sealed.
    pub(crate) f: Option<u64>,
    pub(crate) u2: u64,
    /// The furthest upstream that its group had shown by then.
    pub(crate) known: u64,
    pub(crate) incarnation: u64,
    status: u32,
}

/// The values read at a consuming position.
pub(crate) struct PositionReading<'s> {
    pub(crate) u1: u64,
    pub(crate) f: u64,
    pub(crate) u2: u64,
    pub(crate) status: &'s str,
    pub(crate) incarnation: u64,
}

/// The samples of every object.
pub(crate) struct FrontierSamples<'e> {
    /// By (replica, partition).
    pub(crate) positions: BTreeMap<(usize, u32), Vec<FrontierSample>>,
    /// The declared frontiers, in that order.
    pub(crate) frontiers: Vec<(&'e Frontier, Vec<FrontierSample>)>,
    index: HashMap<&'e str, usize>,
    /// By frontier: the index of its group.
    groups: Vec<usize>,
    /// By group: the furthest upstream and the furthest frontier so far.
    furthest: Vec<(u64, u64)>,
    statuses: Vec<String>,
    known: HashMap<String, u32>,
}

impl<'e> FrontierSamples<'e> {
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

    pub(crate) fn add_position(&mut self, at: (usize, u32), t: Nanos, reading: &PositionReading<'_>) {
        let PositionReading { u1, f, u2, status, incarnation } = *reading;
        let status = self.intern(status);
        let sample = FrontierSample { t, u1, f: Some(f), u2, known: u1, incarnation, status };
        self.positions.entry(at).or_default().push(sample);
    }

    /// Adds a sample of a declared frontier. Returns false if the target declares no such frontier.
    pub(crate) fn add_frontier(&mut self, t: Nanos, reading: &FrontierReading) -> bool {
        let Some(&at) = self.index.get(reading.object.as_str()) else { return false };
        let status = self.intern(&reading.status);
        let FrontierReading { u1, f, u2, incarnation, .. } = *reading;
        let (frontier, samples) = &mut self.frontiers[at];
        let furthest = &mut self.furthest[self.groups[at]];
        *furthest = (furthest.0.max(u1), furthest.1.max(f.unwrap_or(0)));
        let known = if frontier.upstream.own { furthest.1 } else { furthest.0 };
        samples.push(FrontierSample { t, u1, f, u2, known, incarnation, status });
        true
    }

    /// The status that an object reported.
    pub(crate) fn status(&self, sample: &FrontierSample) -> &str {
        &self.statuses[sample.status as usize]
    }

    /// For each status, whether it means that the object is not meant to move.
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
    pub(crate) fn is_held(&self, held: &[bool]) -> bool {
        held[self.status as usize]
    }

    /// Whether it gives no information on the object's position: the object is sealed, or not meant to move.
    pub(crate) fn is_uninformative(&self, held: &[bool]) -> bool {
        self.f.is_none() || self.is_held(held)
    }

    /// Whether two samples show the same position.
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

/// Statuses that explain why an object does not move.
const CAUSES: [&str; 8] =
    ["stalled", "failed", "failing", "error", "errored", "offline", "unhealthy", "degraded"];

/// Whether a status shows that something is wrong.
pub(crate) fn shows_a_cause(status: &str) -> bool {
    says_one_of(status, &CAUSES)
}

/// Whether a status begins with one of these words, as in `stalled: no broker`.
fn says_one_of(status: &str, words: &[&str]) -> bool {
    let first = status.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').next();
    let first = first.unwrap_or_default().to_ascii_lowercase().replace('_', "-");
    words.contains(&first.as_str())
}

/// A consuming position, or a declared frontier.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object<'h> {
    /// The consuming position of this replica in this partition.
    Position { replica: usize, partition: u32 },
    /// A frontier, as its target declares it.
    Declared(&'h Frontier),
}

impl Object<'_> {
    pub(crate) fn is_foreign(self) -> bool {
        matches!(self, Object::Declared(Frontier { domain: Domain::Foreign, .. }))
    }

    /// Whether it was behind its upstream in this sample, by the numbers.
    pub(crate) fn is_below(self, sample: &FrontierSample) -> bool {
        sample.f.is_some_and(|f| f < sample.u1)
    }

    /// The partition of the input log whose offsets it counts.
    pub(crate) fn partition(self) -> Option<u32> {
        match self {
            Object::Position { partition, .. } => Some(partition),
            Object::Declared(frontier) => frontier.upstream.partition,
        }
    }

    /// The target declares that it heals a freeze of this length by itself; 0 if it declares nothing.
    pub(crate) fn heals_within(self) -> Nanos {
        match self {
            Object::Declared(frontier) => frontier.heals_within.unwrap_or(Nanos(0)),
            Object::Position { .. } => Nanos(0),
        }
    }
}
