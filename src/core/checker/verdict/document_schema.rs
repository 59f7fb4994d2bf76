//! The JSON Schema of `verdict.json`, generated from its types and their comments.

use super::VERSION;
use super::document::{DocumentEnd, RunEntry};
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value, json};

/// The verdicts of one or more runs. Readers must ignore fields that they do not know: fields may be added
/// within a version, and a change of meaning raises `version`.
///
/// Integers beyond 2^53, which JavaScript and `jq` would round, are strings of digits. A time is an object
/// with `t`, in nanoseconds since the start of the run, and `wall`, the same in RFC 3339. Durations are in
/// nanoseconds.
///
/// A command that fails before it has a run prints only `error` and `exit_code`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "verdict.json", extend("$id" = "urn:dissent:verdict:2"))]
struct VerdictDocument<'a> {
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// The runs: the one of `run`, those given to `check`, or all of `run --runs N` in the order in which
    /// they ended.
    runs: Vec<RunEntry<'a>>,
    #[serde(flatten)]
    end: DocumentEnd,
}

/// The schema (draft 2020-12), as pretty text ending in a newline.
pub fn schema() -> Result<String, serde_json::Error> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<VerdictDocument<'_>>();
    RecursiveTransform(adapt).transform(&mut schema);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// What the types do not show: how [`super::document`] writes integers and times, and that comments are
/// written for `rustdoc`.
pub(crate) fn adapt(schema: &mut Schema) {
    adapt_comment(schema);
    admit_digits(schema);
    let Some(Value::Object(fields)) = schema.get_mut("properties") else { return };
    if fields.contains_key("t") {
        let about = "The same time in RFC 3339; null if the run used virtual time, or if `t` is null.";
        fields.insert("wall".to_owned(), json!({"description": about, "type": ["string", "null"]}));
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.push("wall".into());
        }
    }
}

/// Makes a description of a comment that is written for `rustdoc`.
pub fn adapt_comment(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("\n\n", "\r").replace('\n', " ").replace('\r', "\n\n");
        *text = text.replace("[`", "`").replace("`]", "`").replace("`None`", "null");
    }
}

/// A 64-bit integer may be a string of digits.
fn admit_digits(schema: &mut Schema) {
    if !matches!(schema.get("format").and_then(Value::as_str), Some("uint64" | "int64")) {
        return;
    }
    match schema.get_mut("type") {
        Some(Value::Array(types)) => types.push("string".into()),
        Some(one) => *one = json!([one.take(), "string"]),
        None => return,
    }
    schema.insert("pattern".to_owned(), "^-?[0-9]{16,20}$".into());
}
