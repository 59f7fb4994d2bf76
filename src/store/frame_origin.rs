//! The run and the file that a frame belongs to. A file that was swapped for another is noticed even if it is
//! intact.
//!
//! ```text
//! the folder of run 7 was repaired with `log/0.jsonl.zst` of run 8
//! every line of it is intact, but compared with it every replica of run 7 would be wrong
//! ```

use dissent_core::seed::number_of;
use serde_json::Value;

/// Identifies a run by a hash of its metadata. If the metadata in `run.json` changes, so does the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHash(u64);

/// Identifies a file of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTag {
    pub(super) run: u64,
    pub(super) file: u64,
}

impl RunHash {
    /// The number of the run with this `run.json`. Neither layout nor the order of fields matters.
    pub fn of(run_file: &[u8]) -> serde_json::Result<RunHash> {
        let run: Value = serde_json::from_slice(run_file)?;
        let mut meta = String::new();
        write_canonical(&run["facts"], &mut meta);
        Ok(RunHash(number_of(&[&meta])))
    }

    /// The origin of a file of this run, given its name within the folder.
    pub fn file(self, name: &str) -> FileTag {
        FileTag { run: self.0, file: number_of(&[name]) }
    }
}

/// Appends a value with the fields of every map sorted by name.
fn write_canonical(value: &Value, to: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            to.push('{');
            for (name, value) in fields {
                to.push_str(&format!("{}:", Value::from(name.as_str())));
                write_canonical(value, to);
                to.push(',');
            }
            to.push('}');
        }
        Value::Array(items) => {
            to.push('[');
            for item in items {
                write_canonical(item, to);
                to.push(',');
            }
            to.push(']');
        }
        plain => to.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> RunHash {
        RunHash::of(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn a_run_is_known_by_its_facts_and_by_nothing_else() {
        let run = number(r#"{"phase":"load","facts":{"seed":7,"roster":["a","b"],"at":{"x":1,"y":2}}}"#);
        let later =
            r#"{"facts": {"at": {"y": 2, "x": 1}, "roster": ["a", "b"], "seed": 7}, "phase": "done"}"#;
        assert_eq!(number(later), run);
        for changed in [
            r#"{"facts":{"seed":8,"roster":["a","b"],"at":{"x":1,"y":2}}}"#,
            r#"{"facts":{"seed":7,"roster":["b","a"],"at":{"x":1,"y":2}}}"#,
            r#"{"facts":{"seed":7,"roster":["a"],"at":{"x":1,"y":2}}}"#,
            r#"{"facts":{"seed":7,"roster":["a","b"],"at":{"x":2,"y":1}}}"#,
        ] {
            assert_ne!(number(changed), run, "{changed}");
        }
        assert_ne!(run.file("log/0"), run.file("log/1"));
    }
}
