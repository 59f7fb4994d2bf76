//! What the public schema of JUnit files (windyroad's JUnit.xsd) demands, element by element. CI systems that
//! check it refuse a whole file for one attribute.

use crate::report::examples::{facts, meta};
use dissent::report::junit;
use dissent_core::checker::verdict::Verdict;
use roxmltree::{Document, Node};
use std::process::{Command, Stdio};

fn attributes<'a>(node: Node<'a, 'a>) -> Vec<&'a str> {
    node.attributes().map(|attribute| attribute.name()).collect()
}

/// The names of the elements inside.
fn children<'a>(node: Node<'a, 'a>) -> Vec<&'a str> {
    node.children().filter(Node::is_element).map(|child| child.tag_name().name()).collect()
}

#[track_caller]
fn only(node: Node<'_, '_>, required: &[&str], optional: &[&str]) {
    let found: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
    for name in required {
        assert!(found.contains(name), "{} lacks {name}", node.tag_name().name());
    }
    for name in found {
        let is_known = required.contains(&name) || optional.contains(&name);
        assert!(is_known, "{} has {name}", node.tag_name().name());
    }
}

/// Checks a document as the schema does.
fn check(text: &str) {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let root = document.root_element();
    assert_eq!((root.tag_name().name(), attributes(root).len()), ("testsuites", 0), "{text}");
    for (number, suite) in root.children().filter(Node::is_element).enumerate() {
        assert_eq!(suite.tag_name().name(), "testsuite");
        assert_eq!(suite.attribute("id"), Some(number.to_string().as_str()));
        check_suite(suite);
    }
}

fn check_suite(suite: Node<'_, '_>) {
    let required = ["id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"];
    only(suite, &required, &["skipped"]);
    let of = |name: &str| suite.attribute(name).expect("it is required");
    assert!(!of("name").trim().is_empty() && !of("hostname").trim().is_empty());
    let shape: String =
        of("timestamp").chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00", "without a zone");
    is_decimal(of("time"));
    let inside = children(suite);
    let cases = inside.iter().filter(|name| **name == "testcase").count();
    let order = [&["properties"][..], &vec!["testcase"; cases], &["system-out", "system-err"]].concat();
    assert_eq!(inside, order);
    let count = |tag: &str| suite.descendants().filter(|node| node.has_tag_name(tag)).count().to_string();
    for (name, tag) in
        [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
    {
        assert_eq!(of(name), count(tag), "{name}");
    }
    for node in suite.descendants().filter(Node::is_element) {
        check_element(node);
    }
}

fn check_element(node: Node<'_, '_>) {
    match node.tag_name().name() {
        "property" => {
            only(node, &["name", "value"], &[]);
            assert!(!node.attribute("name").unwrap_or_default().trim().is_empty());
        }
        "testcase" => {
            only(node, &["name", "classname", "time"], &[]);
            is_decimal(node.attribute("time").unwrap_or_default());
            let inside = children(node);
            assert!(inside.len() <= 1, "{inside:?}");
            assert!(inside.iter().all(|name| ["skipped", "error", "failure"].contains(name)), "{inside:?}");
        }
        "error" | "failure" => {
            only(node, &["type"], &["message"]);
            assert!(children(node).is_empty());
        }
        "properties" | "system-out" | "system-err" => assert!(attributes(node).is_empty()),
        _ => {}
    }
}

/// A number without an exponent.
#[track_caller]
fn is_decimal(text: &str) {
    let is_one = text.parse::<f64>().is_ok_and(f64::is_finite);
    assert!(is_one && text.bytes().all(|letter| letter.is_ascii_digit() || letter == b'.'), "{text}");
}

#[test]
fn every_kind_of_verdict_fits_the_public_schema_of_junit_files() {
    let verdicts: Vec<Verdict> = super::examples().into_iter().map(|(_, verdict, ..)| verdict).collect();
    let mut suites = String::new();
    for (number, verdict) in (0..).zip(&verdicts) {
        check(&junit::document(verdict, &meta(), &facts()));
        suites += &junit::suite(verdict, &meta(), &facts(), number);
    }
    check(&format!("{}{suites}{}", junit::OPENING, junit::END));
    check(&format!("{}{}", junit::OPENING, junit::END));
}

/// A sweep, and the many runs of one plan, of which some fail.
#[test]
fn the_documents_of_a_sweep_and_of_many_runs_fit_it_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = "runs = 3\nfirst-seed = 1\n[[arm]]\ntarget = \"sim-segments\"\nworkload = \"partial-upsert\"\n\
                nemesis = \"late-transition\"\nvary = { guard = [\"startup-latch\", \"partition-gate\"] }\n";
    std::fs::write(dir.path().join("night.toml"), plan).expect("written");
    let many = "run sim-segments partial-upsert late-transition --runs 2 --seed 1";
    for (words, folder, suites) in [
        ("sweep night.toml", "sweep-night-seed1", 2),
        (many, "campaign-sim-segments-partial-upsert-late-transition-seed1-runs2", 2),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
        command.args(words.split(' ')).arg("-q").current_dir(dir.path()).stdin(Stdio::null());
        let output = command.env("DISSENT_RESULTS", "results").output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let file = dir.path().join("results").join(folder).join("junit.xml");
        let text = std::fs::read_to_string(file).expect("JUnit");
        check(&text);
        assert!(text.contains("<failure ") && text.matches("<testsuite ").count() == suites, "{text}");
    }
}

#[test]
#[should_panic(expected = "testsuite lacks hostname")]
fn what_lacks_an_attribute_is_seen() {
    let text = junit::document(&super::examples()[0].1, &meta(), &facts());
    check(&text.replace(" hostname=\"localhost\"", ""));
}
