//! `verdict.json`: its schema follows from its types, its documents fit the schema, and they are read back
//! without loss, whatever the numbers.

use super::examples;
use crate::report::examples::{diverged, facts, meta, verdict};
use dissent::report::{json, json_reader, sweep};
use dissent_core::campaign;
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::checker::verdict::document_schema::schema;
use dissent_core::checker::verdict::{FindingKind, LogPoint, Verdict, VerdictOutcome};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::Value;
use dissent_core::seed::Seed;
use serde_json::Value as Json;
use std::path::Path;

/// Set to write the schema anew.
const WRITE: &str = "DISSENT_WRITE_SCHEMA";

#[test]
fn the_schema_is_what_the_types_and_their_comments_give() {
    let schemas = [("verdict", schema()), ("campaign", campaign::document_schema::schema())];
    for (name, generated) in schemas {
        let file = format!("src/report/{name}.schema.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let generated = generated.expect("it is JSON");
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&path, &generated).expect("write the schema");
        }
        let stored = std::fs::read_to_string(&path).expect("the schema");
        assert!(
            stored == generated,
            "{file} is not what its types give; write it anew with\n    \
             {WRITE}=1 cargo test --test all the_schema_is_what"
        );
    }
}

/// Every field says what it is, so that a schema can be read without the code.
#[test]
fn every_field_of_the_schemas_is_described() {
    for schema in [json::SCHEMA, sweep::SCHEMA] {
        let schema: Json = serde_json::from_str(schema).expect("JSON");
        let mut silent = Vec::new();
        undescribed(&schema, "#", &mut silent);
        assert_eq!(silent, Vec::<String>::new());
    }
}

fn undescribed(schema: &Json, place: &str, silent: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        // The tag of an enum says itself what its variant is.
        if field["description"].as_str().is_none() && field["const"].is_null() {
            silent.push(format!("{place}/{name}"));
        }
    }
    match schema {
        Json::Object(fields) => {
            fields.iter().for_each(|(name, it)| undescribed(it, &format!("{place}/{name}"), silent));
        }
        Json::Array(items) => items.iter().for_each(|it| undescribed(it, place, silent)),
        _ => {}
    }
}

fn text(verdict: &Verdict, meta: &RunMeta) -> String {
    json::verdict_json(verdict, meta, &facts(), 1).expect("serialise")
}

#[test]
fn verdict_json_fits_its_schema_and_reads_back() {
    let schema: Json = serde_json::from_str(json::SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    for (name, verdict, _, _) in examples() {
        let text = text(&verdict, &meta());
        let document: Json = serde_json::from_str(&text).expect("JSON");
        if let Err(error) = validator.validate(&document) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        assert_eq!(json_reader::read(&text).expect("read back"), [verdict], "{name}");
        assert!(text.ends_with("}\n"));

        let run = document["runs"][0].as_object().expect("a run");
        let with = |run: serde_json::Map<String, Json>| {
            let mut document = document.clone();
            document["runs"][0] = run.into();
            document
        };
        // A list of known issues need not be given.
        for field in run.keys().filter(|field| *field != "known") {
            let mut less = run.clone();
            less.remove(field);
            assert!(!validator.is_valid(&with(less)), "{name} without {field}");
        }
        for (field, value, fits) in [("outcome", "MAYBE", false), ("of_a_later_version", "1", true)] {
            let mut more = run.clone();
            more.insert(field.to_owned(), value.into());
            assert_eq!(validator.is_valid(&with(more)), fits, "{name} with {field}");
        }
    }
}

#[test]
fn a_document_stands_alone() {
    let document: Json = serde_json::from_str(&text(&diverged(|_| {}), &real_time())).expect("JSON");
    let entry = &document["runs"][0];
    assert_eq!(document["version"], 2);
    assert_eq!(
        entry["headline"],
        "lone divergence: server-1 is wrong on 14 keys; the other 3 replicas agree"
    );
    assert_eq!(entry["findings"][0]["headline"], entry["headline"]);
    assert!(entry["do_now"].as_array().is_some_and(|steps| !steps.is_empty()));
    assert!(entry["do_now"][0].as_str().is_some_and(|step| !step.starts_with("1.")), "{}", entry["do_now"]);
    assert!(entry["how_sure"][0].as_str().is_some_and(|line| line.contains("wrong only if")));
    let run = &entry["run"];
    assert_eq!(run["folder"], "results/a-run");
    assert_eq!(run["id"], format!("a-run@{}", real_time().started));
    for field in ["started", "duration", "seed", "target", "target_version", "workload", "nemesis", "again"] {
        assert!(!run[field].is_null(), "{field}");
    }
}

fn real_time() -> RunMeta {
    RunMeta { simulated: false, ..meta() }
}

#[test]
fn since_is_alike_in_every_finding_and_has_the_wall_clock() {
    for (name, verdict, _, _) in examples() {
        for (meta, real) in [(real_time(), true), (meta(), false)] {
            let document: Json = serde_json::from_str(&text(&verdict, &meta)).expect("JSON");
            for finding in document["runs"][0]["findings"].as_array().expect("findings") {
                if finding["type"] == "lost-ack" {
                    continue;
                }
                let since = &finding["since"];
                assert!(since["t"].is_u64(), "{name}: {finding}");
                assert_eq!(since["wall"].is_string(), real, "{name}: {since}");
                let wall = since["wall"].as_str().unwrap_or("2025-03-04T14:30:02.000Z");
                assert!(wall.starts_with("2025-03-04T14:30:0") && wall.ends_with('Z'), "{name}: {wall}");
            }
        }
    }
}

/// Numbers of JavaScript and `jq` are exact up to 2^53. What is beyond is written as a string, wherever it
/// is; a string column that holds digits stays a string.
#[test]
fn long_numbers_survive_readers_with_doubles() {
    let digits = "9007199254740993";
    let verdict = diverged(|d| {
        d.keys = vec![digits.to_owned()];
        d.since = d.since.map(|point| LogPoint { off: u64::MAX, ..point });
        let row = &mut d.evidence[0];
        row.key = digits.to_owned();
        let expected = row.expected.as_mut().expect("an expected row");
        expected.insert("balance".to_owned(), Value::Long(i64::MIN));
        expected.insert("city".to_owned(), Value::String(digits.into()));
        expected.insert("ops".to_owned(), Value::Longs([1, (1 << 53) + 1].into()));
    });
    let meta = RunMeta { seed: Seed(u64::MAX), ..meta() };
    let told = text(&verdict, &meta);
    let document: Json = serde_json::from_str(&told).expect("JSON");
    assert_no_rounding(&document);
    let expected = &document["runs"][0]["findings"][0]["evidence"][0]["expected"];
    assert_eq!(expected["balance"], "-9223372036854775808");
    assert_eq!(expected["ops"], serde_json::json!([1, "9007199254740993"]));
    assert_eq!(document["runs"][0]["run"]["seed"], "18446744073709551615");
    assert_eq!(json_reader::read(&told).expect("read back"), [verdict]);
}

fn assert_no_rounding(value: &Json) {
    match value {
        Json::Number(number) => {
            let exact = number.as_f64().is_some_and(|double| double.abs() < (1_u64 << 53) as f64);
            assert!(exact, "{number}");
        }
        Json::Array(items) => items.iter().for_each(assert_no_rounding),
        Json::Object(fields) => fields.values().for_each(assert_no_rounding),
        _ => {}
    }
}

/// A document of version 1 was one verdict, with bare numbers as times.
#[test]
fn documents_of_version_1_are_read() {
    let (_, frozen, ..) = examples().into_iter().find(|(name, ..)| *name == "frozen").expect("an example");
    let mut old = serde_json::to_value(&frozen).expect("JSON");
    old["version"] = 1.into();
    old["run"] = serde_json::json!({"seed": 42});
    let finding = &mut old["findings"][0];
    finding["since"] = finding["since"]["t"].take();
    let [read] = &json_reader::read(&old.to_string()).expect("it is read")[..] else { panic!("one verdict") };
    assert_eq!((read.version, &read.findings), (1, &frozen.findings));
}

#[test]
fn a_document_may_hold_no_run_many_runs_and_runs_that_cannot_be_read() {
    let schema: Json = serde_json::from_str(json::SCHEMA).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let pass = verdict(VerdictOutcome::Pass, Vec::<FindingKind>::new(), &[]);
    let run = json::run(&pass, &meta(), &facts(), 0).expect("a run");
    let unread = json::unread("nowhere", "no run folder \"nowhere\"", 2).expect("an entry");
    let end = json::end(&DocumentEnd { exit_code: 2, ..DocumentEnd::default() }).expect("an end");
    for (runs, count) in [(vec![], 0), (vec![&run], 1), (vec![&run, &unread, &run], 2)] {
        let entries: Vec<&str> = runs.iter().map(|run| run.as_str()).collect();
        let text = format!("{}{}{end}", json::opening(), entries.join(json::BETWEEN));
        let document: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(validator.is_valid(&document), "{text}");
        assert_eq!(document["runs"].as_array().map(Vec::len), Some(runs.len()));
        assert_eq!(json_reader::read(&text).expect("it is read").len(), count);
    }
}
