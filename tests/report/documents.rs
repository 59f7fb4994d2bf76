//! `summary.md` and `junit.xml` are well-formed whatever the names of a target contain, and never greener
//! than the run.

use super::examples;
use crate::report::examples::{diverged, facts, meta};
use dissent::report::{junit, markdown};
use dissent_core::checker::verdict::{Status, VerdictOutcome};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::rules::Absence;
use dissent_core::seed::Seed;
use std::collections::{BTreeMap, BTreeSet};

/// A name of a key, a replica or a segment, as a hostile target would choose it.
const HOSTILE: &str = "]]></failure><b a=\"'&\u{0}\u{1b}[2J\u{fffe}|`_x_`\n# PASS";

#[test]
fn a_suite_has_a_case_per_check_and_is_xml() {
    for (name, verdict, ..) in examples() {
        let text = junit::document(&verdict, &meta(), &facts());
        let document =
            roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let count = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        let checks = |status| verdict.checks.iter().filter(|check| check.status == status).count();
        assert_eq!(count("testcase"), verdict.checks.len(), "{name}");
        // Known findings fail no build; in the one example with a list, all are known. A finding of two
        // checks fails one of them.
        let failures = count("failure");
        assert_eq!(failures > 0, verdict.outcome == VerdictOutcome::Fail, "{name}");
        assert!(failures <= verdict.findings.len(), "{name}: {failures} failures");
        assert_eq!(count("error"), checks(Status::Unknown), "{name}");
        let skipped = checks(Status::NotApplicable) + checks(Status::Fail) - failures;
        assert_eq!(count("skipped"), skipped, "{name}");
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
    let text = junit::document(&verdict, &meta(), &facts());
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
    let text = junit::document(&verdict, &meta(), &facts());
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
        "## FAIL: sim-segments partial-upsert late-transition, seed 42\n\n**lone divergence: server-1 is",
        "<details>\n<summary>",
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

/// What CI systems and the common schema of JUnit files want of a suite.
#[test]
fn a_suite_says_when_where_and_how_long_and_keeps_seeds_apart() {
    let verdict = diverged(|_| {});
    let suites: Vec<String> = (0..2)
        .map(|number| {
            let meta = RunMeta { seed: Seed(42 + u64::from(number)), ..meta() };
            junit::suite(&verdict, &meta, &facts(), number)
        })
        .collect();
    let text = format!("{}{}{}", junit::OPENING, suites.concat(), junit::END);
    let document = roxmltree::Document::parse(&text).expect("XML");
    let all = |tag: &'static str| document.descendants().filter(move |node| node.has_tag_name(tag));
    for (number, suite) in all("testsuite").enumerate() {
        let number = number.to_string();
        let wanted = [
            ("id", number.as_str()),
            ("package", "sim-segments.partial-upsert.late-transition"),
            ("timestamp", "2025-03-04T14:30:00"),
            ("hostname", "localhost"),
            ("time", "9.200"),
        ];
        for (name, value) in wanted {
            assert_eq!(suite.attribute(name), Some(value), "{name}");
        }
        let times = suite.children().filter_map(|case| case.attribute("time")?.parse::<f64>().ok());
        assert!((times.sum::<f64>() - 9.2).abs() < 0.01, "the cases' times add up to the suite's");
    }
    let classes: BTreeSet<&str> = all("testcase").filter_map(|case| case.attribute("classname")).collect();
    let class = |seed| format!("sim-segments.partial-upsert.late-transition.seed{seed}");
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [class(42), class(43)]);
    let failures: Vec<_> = all("failure").collect();
    assert_eq!(failures.len(), 2, "one finding is one failure:\n{text}");
    let body = failures[0].text().expect("a body");
    assert!(body.contains("keys: k01") && body.contains("report: results/a-run/report.html"), "{body}");
}
