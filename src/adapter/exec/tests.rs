//! The schema of the protocol, and the examples on its page.

use super::messages::{
    DoneAnswer, ExecRequest, HelloAnswer, LeftoversAnswer, PROTOCOL, PROTOCOL_SCHEMA, ReplicaAnswer,
    RowsAnswer, UpstreamAnswer, WriteAnswer,
};
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Set to write the schema anew.
const WRITE: &str = "DISSENT_WRITE_SCHEMA";

/// The answer to any request that could not be done. After a `write`, the outcome is unknown.
#[derive(JsonSchema)]
struct ErrorAnswer {
    /// What went wrong.
    #[expect(dead_code, reason = "the schema alone wants it")]
    error: String,
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true)
}

/// The schema of an answer, with the id that every answer has.
fn answer<A: JsonSchema>() -> Json {
    let mut schema = settings().for_deserialize().into_generator().into_root_schema_for::<A>();
    schema.remove("$schema");
    let id = json!({"description": "That of the request.", "type": "integer", "minimum": 1});
    let mut properties = schema.remove("properties").unwrap_or_else(|| json!({}));
    properties["id"] = id;
    let mut required = vec![json!("id")];
    if let Some(Json::Array(others)) = schema.remove("required") {
        required.extend(others);
    }
    schema.insert("properties".to_owned(), properties);
    schema.insert("required".to_owned(), required.into());
    RecursiveTransform(unwrap_lines).transform(&mut schema);
    schema.to_value()
}

/// Comments are written for `rustdoc`, in lines.
fn unwrap_lines(schema: &mut Schema) {
    if let Some(Json::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ").replace("[`", "`").replace("`]", "`");
    }
}

fn protocol_schema() -> String {
    let mut request =
        settings().for_serialize().into_generator().into_root_schema_for::<ExecRequest<'static>>();
    request.remove("$schema");
    RecursiveTransform(unwrap_lines).transform(&mut request);
    let definitions = [
        ("request", request.to_value()),
        ("error", answer::<ErrorAnswer>()),
        ("hello", answer::<HelloAnswer>()),
        ("make-table", answer::<DoneAnswer>()),
        ("leftovers", answer::<LeftoversAnswer>()),
        ("remove", answer::<DoneAnswer>()),
        ("write", answer::<WriteAnswer>()),
        ("upstream", answer::<UpstreamAnswer>()),
        ("replica", answer::<ReplicaAnswer>()),
        ("rows", answer::<RowsAnswer>()),
    ];
    let definitions: Map<String, Json> =
        definitions.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:dissent:exec:{PROTOCOL}"),
        "title": "The lines between dissent and an adapter",
        "description": "`request` is every line of dissent; `error` may answer any of them; each other \
                        definition is a line of the answer to the request of its name. Fields that are not \
                        here are ignored. PROTOCOL.md explains them.",
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&document).expect("it is JSON") + "\n"
}

#[test]
fn the_schema_of_the_protocol_is_what_its_types_give() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapter/exec/protocol.schema.json");
    let generated = protocol_schema();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, &generated).expect("write the schema");
    }
    let stored = std::fs::read_to_string(&file).expect("the schema");
    assert!(
        stored == generated,
        "src/adapter/exec/protocol.schema.json is not what the types of the protocol give; write it anew \
         with\n    {WRITE}=1 cargo test --lib the_schema_of_the_protocol"
    );
}

/// Whoever writes an adapter reads the page: what it shows must be true.
#[test]
fn the_examples_of_the_page_fit_the_schema_and_are_complete() {
    let schema: Json = serde_json::from_str(PROTOCOL_SCHEMA).expect("JSON");
    let fits = |name: &str, line: &str| {
        let definition = json!({"$ref": format!("#/$defs/{name}"), "$defs": schema["$defs"]});
        let validator = jsonschema::validator_for(&definition).expect("a schema");
        let line: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(validator.is_valid(&line), "{name}: {line}");
        line
    };
    let (mut asked, mut shown) = (BTreeMap::new(), BTreeMap::new());
    for line in include_str!("PROTOCOL.md").lines() {
        if let Some(request) = line.strip_prefix("> ").filter(|line| line.starts_with('{')) {
            let request = fits("request", request);
            let (id, what) = (request["id"].to_string(), request["do"].as_str().expect("a word").to_owned());
            assert!(line.starts_with(&format!("> {{\"id\":{id},\"do\":\"{what}\"")), "{line}");
            asked.insert(id, what);
        } else if let Some(answer) = line.strip_prefix("< ").filter(|line| line.starts_with('{')) {
            let id = serde_json::from_str::<Json>(answer).expect("JSON")["id"].to_string();
            let what = asked.get(&id).unwrap_or_else(|| panic!("nobody asked {id}")).clone();
            let is_error = answer.contains("\"error\":");
            fits(if is_error { "error" } else { &what }, answer);
            *shown.entry(if is_error { "error".to_owned() } else { what }).or_insert(0) += 1;
        }
    }
    let all: Vec<&String> = schema["$defs"].as_object().expect("definitions").keys().collect();
    let missing: Vec<_> =
        all.iter().filter(|name| **name != "request" && !shown.contains_key(**name)).collect();
    assert!(missing.is_empty(), "the page has no example of {missing:?}");
}
