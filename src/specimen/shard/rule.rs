//! The operator's rules. They decide what happens to an update whose timestamp the shard has already passed,
//! and how often the stash is drained while the shard is at one timestamp.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The rule of the writers' operators. A single writer that never restarts is correct under each rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// Drops updates that the shard has passed, on arrival and when the stash is drained.
    V1,
    /// Sorts into "now" and "not now", and keeps what is not now. It freezes:
    ///
    /// ```text
    /// the stash holds an update at 5; another writer moves the shard from 5 to 10
    /// drain at 10: the update is not at 10, so it goes back; the shard will never be at 5 again
    /// the output frontier stays at 5: nothing is minted or appended any more
    /// ```
    #[default]
    V2Stranding,
    /// Like [`Rule::V2Stranding`] with a third case: updates that the shard has passed are dropped when the
    /// stash is drained.
    V2Dropping,
    /// [`Rule::V1`], but drained once per held capability, each time from the same contents
    /// (MaterializeInc/materialize 32418). A single writer holds only one capability when it matters. It
    /// writes wrong data:
    ///
    /// ```text
    /// a batch read at 5 brings k=x at 6; the next one, read at 6, brings k=y at 6: two capabilities
    /// another writer moves the shard from 5 to 6, so this writer has no drain at 5 that would join them
    /// drain at 6, contents k=w: -w +x for the first, -w +y for the second: k is w -1, x +1, y +1
    /// ```
    V1DoubleDrain,
}

/// Every rule with its name in settings and on the command line.
pub const NAMES: [(&str, Rule); 4] = [
    ("v1", Rule::V1),
    ("v2-stranding", Rule::V2Stranding),
    ("v2-dropping", Rule::V2Dropping),
    ("v1-double-drain", Rule::V1DoubleDrain),
];

/// The error for a name that is not in [`NAMES`].
#[derive(Debug, thiserror::Error)]
#[error("no rule `{given}`; use one of {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownRule {
    given: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(given: &str) -> Result<Self, UnknownRule> {
        let known = NAMES.iter().find(|(name, _)| *name == given);
        known.map(|(_, rule)| *rule).ok_or_else(|| UnknownRule { given: given.to_owned() })
    }
}

impl TryFrom<String> for Rule {
    type Error = UnknownRule;

    fn try_from(given: String) -> Result<Self, UnknownRule> {
        given.parse()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, rule)| rule == self).map_or("", |(name, _)| *name);
        out.write_str(name)
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> String {
        rule.to_string()
    }
}
