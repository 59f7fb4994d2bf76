//! The faults that can be planted, as changes to what single replicas show of one segment.

use dissent_core::history::row::Row;
use dissent_core::history::schema::{Merge, Role, Schema, Value, op_hash};
use dissent_core::seed::Seed;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The planted fault. All but `Differ` are planted once, in the last segment of partition 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// No fault.
    None,
    /// One column of one row on one replica.
    OneColumn,
    /// A row that one replica lacks.
    DroppedRow,
    /// Two rows of a key flagged as current.
    DuplicateCurrent,
    /// A superseded row flagged as current.
    StaleCurrent,
    /// No row of a key flagged as current.
    NoCurrent,
    /// The same wrong row on every replica.
    AllReplicas,
    /// The same wrong row on two of four replicas.
    TwoOfFour,
    /// A different wrong row on every replica but the first.
    AllDifferent,
    /// One column of one row on one of two replicas.
    TwoReplicas,
    /// A wrong row on one replica, and on a second that downloaded the first one's segment.
    CopiedSegment,
    /// One column on one replica, in one of this many rows of the load.
    Differ(u64),
}

/// The plants without a number, by name.
const NAMED: [(&str, Plant); 11] = [
    ("none", Plant::None),
    ("one-column", Plant::OneColumn),
    ("dropped-row", Plant::DroppedRow),
    ("duplicate-current", Plant::DuplicateCurrent),
    ("stale-current", Plant::StaleCurrent),
    ("no-current", Plant::NoCurrent),
    ("all-replicas", Plant::AllReplicas),
    ("two-of-four", Plant::TwoOfFour),
    ("all-different", Plant::AllDifferent),
    ("two-replicas", Plant::TwoReplicas),
    ("copied-segment", Plant::CopiedSegment),
];

impl fmt::Display for Plant {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, plant)| plant == self) {
            Some((name, _)) => to.write_str(name),
            None => match self {
                Plant::Differ(per) => write!(to, "differ={per}"),
                _ => write!(to, "{self:?}"),
            },
        }
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Plant, String> {
        if let Some((_, plant)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*plant);
        }
        let per = text.strip_prefix("differ=").and_then(|per| per.parse().ok()).filter(|per| *per > 0);
        per.map(Plant::Differ).ok_or_else(|| {
            let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            format!("no plant of that name: write one of {}, or differ=N", names.join(", "))
        })
    }
}

/// The changes to what one replica shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits {
    /// The changed row by offset. None if the replica lacks the row.
    pub(super) rows: BTreeMap<u64, Option<Row>>,
    /// A key and the offsets that the replica flags as current.
    pub(super) flags: Option<(Arc<str>, Vec<u64>)>,
    /// Whether the replica downloaded the segment.
    pub(super) downloaded: bool,
}

/// A key to plant a fault at, with its last two rows of the segment.
pub(super) struct PlantSite<'a> {
    pub(super) earlier: &'a Row,
    pub(super) current: &'a Row,
}

impl Plant {
    /// The required number of replicas in words, if this number does not fit.
    pub(super) fn wants_other(self, replicas: u32) -> Option<&'static str> {
        let (fits, wanted) = match self {
            Plant::TwoReplicas => (replicas == 2, "2"),
            Plant::TwoOfFour => (replicas == 4, "4"),
            Plant::AllDifferent | Plant::CopiedSegment => (replicas >= 3, "3 or more"),
            Plant::None | Plant::AllReplicas => (replicas >= 1, "1 or more"),
            _ => (replicas >= 2, "2 or more"),
        };
        (!fits).then_some(wanted)
    }

    /// The changes to the last segment of partition 0, by replica. The seed chooses the replica.
    pub(super) fn edits(
        self,
        schema: &Schema,
        seed: Seed,
        replicas: usize,
        aim: &PlantSite<'_>,
    ) -> Vec<Edits> {
        let mut edits = vec![Edits::default(); replicas];
        let one = seed.0 as usize % replicas;
        let other = (one + 1) % replicas;
        let wrong = |by| BTreeMap::from([(aim.current.off, Some(altered(schema, aim.current, by)))]);
        let flagged = |offs: &[u64]| Some((aim.current.key.clone(), offs.to_vec()));
        match self {
            Plant::None | Plant::Differ(_) => {}
            Plant::OneColumn | Plant::TwoReplicas => edits[one].rows = wrong(1),
            Plant::DroppedRow => edits[one].rows = BTreeMap::from([(aim.earlier.off, None)]),
            Plant::DuplicateCurrent => edits[one].flags = flagged(&[aim.earlier.off, aim.current.off]),
            Plant::StaleCurrent => edits[one].flags = flagged(&[aim.earlier.off]),
            Plant::NoCurrent => edits[one].flags = flagged(&[]),
            Plant::AllReplicas => edits.iter_mut().for_each(|edits| edits.rows = wrong(1)),
            Plant::TwoOfFour => {
                edits[one].rows = wrong(1);
                edits[other].rows = wrong(1);
            }
            Plant::AllDifferent => {
                (0..).zip(&mut edits).skip(1).for_each(|(by, edits)| edits.rows = wrong(by));
            }
            Plant::CopiedSegment => {
                edits[one].rows = wrong(1);
                edits[other] = Edits { rows: wrong(1), flags: None, downloaded: true };
            }
        }
        edits
    }

    /// The changed rows of one replica throughout the load.
    pub(super) fn scattered(self, schema: &Schema, rows: &[Row]) -> BTreeMap<u64, Option<Row>> {
        let Plant::Differ(per) = self else { return BTreeMap::new() };
        let hit = rows.iter().filter(|row| op_hash(row.op).cast_unsigned().is_multiple_of(per));
        hit.map(|row| (row.off, Some(altered(schema, row, 1)))).collect()
    }
}

/// A row with a different number in its counter column.
fn altered(schema: &Schema, row: &Row, by: i64) -> Row {
    let mut row = row.clone();
    let is_counter = |at: &usize| {
        let column = &schema.columns[*at];
        column.merge == Merge::Increment && column.role == Role::Data
    };
    if let Some(at) = (0..row.cols.len()).find(is_counter)
        && let Value::Long(count) = &mut row.cols[at]
    {
        *count = count.wrapping_add(by);
    }
    row
}
