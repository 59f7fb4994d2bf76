//! What leaves the user's hands in a pack, and under which names: keys and values as keyed hashes, replicas
//! by number, and nothing of hosts, paths and credentials.
//!
//! Equal keys and values have equal hashes within a pack, so a divergence can still be followed. The hash is
//! SipHash with a random key that is never stored, so nobody can try values out against it. What a row must
//! show to be understood stays: offsets, op ids, comparison values, counts, and the default of a type.

use super::free_text::{Dictionary, without_places};
use dissent_core::history::run_record::{RunMeta, RunRecord};
use dissent_core::history::schema::{Column, Role, Schema, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Fields that hold keys.
const KEYS: [&str; 2] = ["key", "keys"];
/// Fields that hold a row by column name.
const ROWS: [&str; 2] = ["expected", "row"];
/// Fields in which dissent or the target wrote sentences, which may quote keys and values.
const SENTENCES: [&str; 8] =
    ["detail", "reason", "status", "status_at_freeze", "error", "words", "by", "ended_early"];
/// Fields whose shape only the target's adapter knows. They say where and how it reaches the target.
const DROPPED: [&str; 2] = ["undo", "command"];

/// Replaces what a pack must not contain.
pub(super) struct Redactor {
    hasher: RandomState,
    hides_values: bool,
    schema: Schema,
    /// Replicas by name.
    aliases: BTreeMap<String, String>,
    quoted: Dictionary,
    /// Hosts of the target file.
    hosts: Dictionary,
}

impl Redactor {
    /// The redactor of a run. `hosts` are those of its target file.
    pub(super) fn of(record: &dyn RunRecord, hides_values: bool, hosts: BTreeSet<String>) -> Redactor {
        let RunMeta { schema, roster, partitions, .. } = record.meta();
        let aliases = roster.iter().zip(1..).map(|(name, n)| (name.clone(), format!("replica-{n}")));
        let mut redactor = Redactor {
            hasher: RandomState::new(),
            hides_values,
            schema: schema.clone(),
            aliases: aliases.collect(),
            quoted: Dictionary::default(),
            hosts: Dictionary::new(hosts.into_iter().map(|host| (host, "HOST".to_owned())).collect()),
        };
        let mut quoted: BTreeMap<String, String> = redactor.aliases.clone();
        for partition in 0..if hides_values { *partitions } else { 0 } {
            for entry in record.log(partition) {
                if !quoted.contains_key(&*entry.key) {
                    quoted.insert(entry.key.to_string(), redactor.key(&entry.key));
                }
                let strings = entry.cols.iter().flat_map(strings).filter(|text| !text.is_empty());
                quoted.extend(strings.map(|text| (text.to_string(), redactor.hashed("value", text))));
            }
        }
        redactor.quoted = Dictionary::new(quoted);
        redactor
    }

    fn hashed(&self, what: &str, text: &impl std::hash::Hash) -> String {
        format!("{what}-{:016x}", self.hasher.hash_one(text))
    }

    /// A key.
    pub(super) fn key(&self, key: &str) -> String {
        if self.hides_values { self.hashed("key", &key) } else { key.to_owned() }
    }

    /// A replica's name.
    pub(super) fn replica(&self, name: &str) -> String {
        self.aliases.get(name).cloned().unwrap_or_else(|| self.place(name))
    }

    /// The values of a row or of an op, in the order of the schema.
    pub(super) fn cols(&self, cols: &[Value]) -> Vec<Value> {
        self.schema.columns.iter().zip(cols).map(|(column, value)| self.value(column, value)).collect()
    }

    fn value(&self, column: &Column, value: &Value) -> Value {
        // What a column shows without a value is no data, and the default is evidence.
        let is_plain = *value == Value::Null || *value == column.ty.default_value();
        if !self.hides_values || column.role != Role::Data || is_plain {
            return value.clone();
        }
        let hashed = |text: &dyn ToString| self.hashed("value", &text.to_string());
        match value {
            Value::Null => Value::Null,
            Value::Boolean(boolean) => Value::String(hashed(boolean).into()),
            Value::Long(long) => Value::String(hashed(long).into()),
            Value::Double(double) => Value::String(hashed(&double.get()).into()),
            Value::String(text) => Value::String(hashed(text).into()),
            Value::Longs(longs) => Value::Strings(longs.iter().map(|long| hashed(long).into()).collect()),
            Value::Strings(texts) => Value::Strings(texts.iter().map(|text| hashed(text).into()).collect()),
        }
    }

    /// A sentence.
    fn sentence(&self, text: &str) -> String {
        self.place(&self.quoted.replaced(text))
    }

    /// A name or an address, which may be that of a host.
    fn place(&self, text: &str) -> String {
        self.hosts.replaced(&without_places(text))
    }

    /// Everything in a document of dissent's own. `field` is the name under which it stands.
    pub(super) fn redact(&self, field: &str, document: &mut Json) {
        match document {
            Json::String(text) => {
                *text = match field {
                    _ if KEYS.contains(&field) => self.key(text),
                    _ if self.aliases.contains_key(text) => self.replica(text),
                    _ if SENTENCES.contains(&field) => self.sentence(text),
                    _ => self.place(text),
                }
            }
            Json::Array(items) => items.iter_mut().for_each(|item| self.redact(field, item)),
            Json::Object(fields) if ROWS.contains(&field) => self.redact_row(fields),
            Json::Object(fields) => {
                let all = std::mem::take(fields).into_iter();
                let kept = all.filter(|(name, _)| !DROPPED.contains(&name.as_str()));
                *fields = kept
                    .map(|(name, mut value)| {
                        // The target's own fields are under `detail`, by names of its own.
                        let is_theirs = SENTENCES.contains(&field) && value.is_string();
                        self.redact(if is_theirs { field } else { &name }, &mut value);
                        (self.aliases.get(&name).cloned().unwrap_or(name), value)
                    })
                    .collect();
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn redact_row(&self, row: &mut serde_json::Map<String, Json>) {
        for (name, cell) in row {
            let column = self.schema.columns.iter().find(|column| column.name == *name);
            let Some(column) = column else { continue };
            let hidden = serde_json::from_value(cell.take()).map(|value| self.value(column, &value));
            *cell = hidden.ok().and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default();
        }
    }
}

fn strings(value: &Value) -> &[Arc<str>] {
    match value {
        Value::String(text) => std::slice::from_ref(text),
        Value::Strings(texts) => texts,
        Value::Null | Value::Boolean(_) | Value::Long(_) | Value::Double(_) | Value::Longs(_) => &[],
    }
}
