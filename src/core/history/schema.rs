//! The table under test: its columns, how each one merges, and the values that go in and come out.
//!
//! The generator (what to write), the targets (what table to create) and the model (what to expect) share a
//! [`Schema`]. It knows nothing of any system.

pub mod rules;
mod value;

use rules::Rules;
use serde::{Deserialize, Serialize};
pub use value::{Double, Type, Value};

/// How a column merges the value of a later event. A null event value always keeps the previous value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// The event's value replaces the previous one.
    Overwrite,
    /// The first value stays; later ones are ignored.
    Ignore,
    /// Longs are added, wrapping at 64 bits.
    Increment,
    /// Lists are concatenated in merge order.
    Append,
    /// Lists become a set, shown sorted and without duplicates.
    Union,
    /// The larger number wins.
    Max,
    /// The smaller number wins.
    Min,
}

impl Merge {
    /// The types of columns that it merges.
    pub fn types(self) -> &'static [Type] {
        match self {
            Merge::Overwrite | Merge::Ignore => &Type::ALL,
            Merge::Increment => &[Type::Long],
            Merge::Max | Merge::Min => &[Type::Long, Type::Double],
            Merge::Append | Merge::Union => &[Type::LongList, Type::StringList],
        }
    }

    /// Whether it merges such a value.
    pub fn takes(self, value: &Value) -> bool {
        self.types().iter().any(|ty| value.fits(*ty))
    }
}

/// What a column is for, apart from its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Data of the workload.
    #[default]
    Data,
    /// The list of op ids merged into the row (`RULES.md` 6, mode `full`): a long list, appended to.
    Ops,
    /// The number of ops merged into the row (mode `digest`): a long, incremented by one.
    OpCount,
    /// The wrapping sum of [`op_hash`] over the ops merged into the row (mode `digest`).
    OpSum,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, unique in the schema.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How it merges.
    pub merge: Merge,
    /// Whether a target whose version lacks the merge function may leave the column out.
    #[serde(default)]
    pub optional: bool,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
}

impl Column {
    /// A column of data that every target has.
    pub fn data(name: impl Into<String>, ty: Type, merge: Merge) -> Column {
        Column { name: name.into(), ty, merge, optional: false, role: Role::Data }
    }

    /// A value of this column as a raw row shows it: the type's default if there is none.
    pub fn shown(&self, value: &Value) -> Value {
        if *value == Value::Null { self.ty.default_value() } else { value.clone() }
    }
}

/// How a row shows which ops were merged into it (`RULES.md` 6). The id of the newest op is always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// A list of op ids in each row.
    #[default]
    Full,
    /// A count and a sum of hashes, of constant size.
    Digest,
    /// Only the id of the newest op.
    None,
}

/// The table under test. Besides `columns`, every row has a key (string), a comparison value (long) and the
/// id of the op that was merged last (unsigned long, an overwrite column).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The table's name.
    pub table: String,
    /// Name of the key column.
    pub key: String,
    /// Name of the comparison column. The event with the larger or equal value wins.
    pub comparison: String,
    /// Name of the op id column.
    pub op: String,
    /// All other columns, in the order in which rows and entries hold their values.
    pub columns: Vec<Column>,
    /// How rows show which ops they contain.
    pub provenance: Provenance,
    /// Every write is conditional on a comparison over this many other keys; 0: on none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub guard_keys: u32,
    /// What the table may lack, and what an event means to it.
    #[serde(default, skip_serializing_if = "Rules::is_plain")]
    pub rules: Rules,
}

fn is_zero(keys: &u32) -> bool {
    *keys == 0
}

impl Schema {
    /// A table of which nothing but its columns is known, not even its key. Its rows do not show ops.
    pub fn plain(table: &str, columns: Vec<Column>) -> Schema {
        Schema {
            table: table.to_owned(),
            key: String::new(),
            comparison: String::new(),
            op: String::new(),
            columns,
            provenance: Provenance::None,
            guard_keys: 0,
            rules: Rules::default(),
        }
    }

    /// The position of the column with this role; `None` if the schema has no such column.
    pub fn role(&self, role: Role) -> Option<usize> {
        self.columns.iter().position(|column| column.role == role)
    }

    /// The position of the column with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// The hash of an op id that mode `digest` sums up: the finaliser of SplitMix64
/// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub fn op_hash(op: u64) -> i64 {
    let mut z = op.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).cast_signed()
}
