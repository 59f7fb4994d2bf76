//! Keys and values that dissent did not write, as short keyed hashes: equal ones have equal hashes, and nobody
//! can try values out without the key.

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
            value => Value::String(self.hashed("value", value)),
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
