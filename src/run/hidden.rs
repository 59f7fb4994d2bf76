//! Keys and values that dissent did not write, as short keyed hashes: equal ones have equal hashes, and
//! nobody can try values out without the key.

use dissent_core::checker::comparison::{ExpectedState, KeyRows, ReplicaRow, version_order};
use dissent_core::checker::verdict::{FindingKind, RowEvidence, Verdict};
use dissent_core::history::schema::Value;
use siphasher::sip::SipHasher24;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash, Hasher as _, RandomState};

/// Replaces keys and values by hashes.
#[derive(Clone, Debug)]
pub struct Hidden {
    key: (u64, u64),
}

impl Hidden {
    /// With a key that is drawn now, and stored nowhere.
    pub fn with_random_key() -> Hidden {
        Hidden { key: (RandomState::new().hash_one(0), RandomState::new().hash_one(1)) }
    }

    fn hashed(&self, what: &str, value: &impl Hash) -> String {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        value.hash(&mut hasher);
        format!("{what}:{:012x}", hasher.finish() >> 16)
    }

    /// A key.
    pub fn key(&self, key: &str) -> String {
        self.hashed("key", &key)
    }

    /// A value. That there is none is no secret.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Null => Value::Null,
            value => Value::String(self.hashed("value", value).into()),
        }
    }

    /// The rows of a key, as they may be kept. Of the version only the order is kept, since it is needed
    /// to judge the rows again.
    pub fn key_rows(&self, rows: &mut KeyRows, version: Option<usize>) {
        rows.key = self.key(&rows.key);
        let expected = match &mut rows.expected {
            ExpectedState::Row(row) => Some(row),
            _ => None,
        };
        let shown = rows.shown.iter_mut().chain(&mut rows.earlier).flatten().flatten();
        let mut all: Vec<&mut ReplicaRow> = shown.chain(expected).collect();
        let mut versions: Vec<Value> = Vec::new();
        if let Some(at) = version {
            versions.extend(all.iter().map(|row| row.cols[at].clone()));
            versions.sort_by(version_order);
            versions.dedup();
        }
        for row in &mut all {
            for (at, value) in row.cols.iter_mut().enumerate() {
                let rank = versions.iter().position(|known| version == Some(at) && known == value);
                *value = match rank.and_then(|rank| i64::try_from(rank).ok()) {
                    Some(rank) => Value::Long(rank),
                    None => self.value(value),
                };
            }
        }
    }

    /// All keys and values of a verdict.
    pub fn verdict(&self, verdict: &mut Verdict) {
        for finding in &mut verdict.findings {
            if let FindingKind::Divergence(divergence) = &mut finding.kind {
                divergence.keys.iter_mut().for_each(|key| *key = self.key(key));
                divergence.keys.sort();
                divergence.evidence.iter_mut().for_each(|row| self.evidence(row));
            }
        }
    }

    fn evidence(&self, evidence: &mut RowEvidence) {
        evidence.key = self.key(&evidence.key);
        let hide = |row: &mut BTreeMap<String, Value>| {
            row.values_mut().for_each(|value| *value = self.value(value));
        };
        evidence.expected.iter_mut().for_each(hide);
        evidence.shown.iter_mut().filter_map(|shown| shown.row.as_mut()).for_each(hide);
    }
}
