//! `summary.md` and `junit.xml` are well-formed whatever the names of a target contain, and never greener
//! than the run.

use super::examples;
use crate::report::examples::{diverged, meta};
use dissent::report::{junit, markdown};
use dissent_core::checker::verdict::{Status, VerdictOutcome};
use dissent_core::history::schema::rules::Absence;
use std::collections::BTreeMap;

/// A name of a key, a replica or a segment, as a hostile target would choose it.
const HOSTILE: &str = "]]></failure><b a=\"'&\u{0}\u{1b}[2J\u{fffe}|`_x_`\n# PASS";

#[test]
fn a_suite_has_a_case_per_check_and_is_xml() {
    for (name, verdict, ..) in examples() {
        let text = junit::suite(&verdict, &meta());
        let document =
            roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        let checks = |status| verdict.checks.iter().filter(|check| check.status == status).count();
        // Known findings fail no build. In the one example with a list, all are known.
        let known = if verdict.known.is_some() { checks(Status::Fail) } else { 0 };
        assert_eq!(count("testcase"), verdict.checks.len(), "{name}");
        assert_eq!(count("failure"), checks(Status::Fail) - known, "{name}");
        assert_eq!(count("error"), checks(Status::Unknown), "{name}");
        assert_eq!(count("skipped"), checks(Status::NotApplicable) + known, "{name}");
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
        for (total, tag) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            assert_eq!(suite.attribute(total), Some(count(tag).to_string().as_str()), "{name} {total}");
        }
        let bad = count("failure") + count("error") > 0;
        assert_eq!(bad, verdict.outcome != VerdictOutcome::Pass, "{name} looks greener than it is");
    }
}

#[test]
fn an_inconclusive_run_is_an_error_even_if_all_checks_passed() {
    let (_, mut verdict, ..) = examples().into_iter().find(|(name, ..)| *name == "pass").expect("an example");
    verdict.outcome = VerdictOutcome::Inconclusive;
    let text = junit::suite(&verdict, &meta());
    let document = roxmltree::Document::parse(&text).expect("XML");
    let error = document.descendants().find(|node| node.has_tag_name("error")).expect("an error");
    assert_eq!(error.parent().and_then(|case| case.attribute("name")), Some("verdict"));
}

#[test]
fn names_from_the_target_break_neither_document() {
    let verdict = diverged(|d| {
        d.keys = vec![HOSTILE.to_owned()];
        d.segments = vec![HOSTILE.to_owned()];
        d.last.wrong = vec![HOSTILE.to_owned()];
        d.evidence[0].key = HOSTILE.to_owned();
    });
    let text = junit::suite(&verdict, &meta());
    let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let failure = document.descendants().find(|node| node.has_tag_name("failure")).expect("a failure");
    let message = failure.attribute("message").expect("a message");
    assert!(
        message.contains("]]></failure><b a=\"'&") && !message.chars().any(char::is_control),
        "{message}"
    );

    let text = markdown::summary(&verdict, &meta());
    assert!(!text.contains("<b a") && !text.contains("\n# PASS") && !text.contains('\u{1b}'), "{text}");
    let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(table.iter().all(|line| bars(line) == bars(table[0])), "{text}");
}

#[test]
fn the_summary_answers_shows_rows_and_repeats() {
    let text = markdown::summary(&diverged(|_| {}), &meta());
    for part in [
        "## FAIL: lone divergence: server-1 is wrong on 14 keys",
        "- **Since when?** +2.315s, offset 1,204",
        "- **Which data, and do users see it?** 14 keys",
        "| key | offset | column | expected | server-0 | server-1 | server-2 | server-3 |",
        "| k01 | 1,204 | balance | 310 | 310 | ✗ **-9223372036854775808** | 310 | 310 |",
        "acct\\_\\_0\\_\\_4",
        "```sh\ndissent run sim-segments partial-upsert late-transition --seed 42 --set guard=",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    for (name, verdict, ..) in examples() {
        let text = markdown::summary(&verdict, &meta());
        assert!(text.starts_with("## ") && text.ends_with("```\n"), "{name}:\n{text}");
    }
}

#[test]
fn reports_say_what_the_table_may_lack() {
    for name in ["pass", "lone"] {
        let (_, mut verdict, ..) = examples().into_iter().find(|(it, ..)| *it == name).expect("an example");
        verdict.compared.excused = BTreeMap::from([(Absence::Superseded, 1_204), (Absence::Late, 1)]);
        let text = markdown::summary(&verdict, &meta());
        let told = "1,205 rows that the table may lack (1,204 superseded, 1 late)";
        assert!(text.contains(told), "{name}:\n{text}");
    }
}
