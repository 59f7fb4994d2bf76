//! The operator's rules: what becomes of an update whose timestamp the shard has already passed, and how
//! often the stash is drained while the shard stands at one timestamp.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which rule the writers' operators follow. One writer alone, never restarted, is right under each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// Drops what the shard has passed, as it comes in and when it drains.
    V1,
    /// Sorts into "now" and "not now", and keeps what is not now. Freezes:
    ///
    /// ```text
    /// the stash holds an update at 5; another writer moves the shard from 5 to 10
    /// drain at 10: the update is not at 10, so it goes back; the shard will never be at 5 again
    /// the output frontier stays at 5: nothing is minted, nothing is appended, for ever
    /// ```
    #[default]
    V2Stranding,
    /// The same with a third case: what the shard has passed is dropped when the stash drains.
    V2Dropping,
    /// [`Rule::V1`], but drained once for each capability that is held, each time from the same contents
    /// (MaterializeInc/materialize 32418). One writer holds only one when it matters. Writes wrong data:
    ///
    /// ```text
    /// a batch read at 5 brings k=x at 6; the next one, read at 6, brings k=y at 6: two capabilities
    /// another writer moves the shard from 5 to 6, so that this one has no drain at 5 to join them
    /// drain at 6, contents k=w: -w +x for the first, -w +y for the second: k is w -1, x +1, y +1
    /// ```
    V1DoubleDrain,
}

/// Every rule and its name.
pub const NAMES: [(&str, Rule); 4] = [
    ("v1", Rule::V1),
    ("v2-stranding", Rule::V2Stranding),
    ("v2-dropping", Rule::V2Dropping),
    ("v1-double-drain", Rule::V1DoubleDrain),
];

/// No rule has this name.
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
