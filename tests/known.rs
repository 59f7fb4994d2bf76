//! Known issues: an entry turns the exit code of what it describes into 0, but of nothing worse.

use crate::support::sim;
use dissent::config::load::parse;
use dissent::exit::Exit;
use dissent::report::junit;
use dissent::report::terminal::{Style, last_line, summary};
use dissent::run::judging::JudgedRun;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::checker::verdict::{Doubt, DoubtKind, FindingKind, Pattern, Side, VerdictOutcome};
use dissent_core::seed::Seed;
use std::path::Path;

const FINGERPRINT: &str = "wrong-value/whole-segment";

/// A list with one entry: these lines, and those that every entry must have.
fn list(fingerprint: &str, more: &str) -> KnownIssues {
    let text = format!(
        "[[issue]]\nfingerprint = \"{fingerprint}\"\n{more}\nreason = \"being fixed\"\nowner = \"me\"\n\
         link = \"https://tracker/7\"\nuntil = \"2026-06-30\"\n"
    );
    parse::<KnownIssues>("known.toml", text).expect("a list").on("2026-06-30")
}

/// The published bug on one replica, or its corruption of all of them.
fn judged(ending: &str) -> JudgedRun {
    let spec = sim("partial-upsert", "late-transition", &[ending]);
    let judged = run_simulated(&spec, Seed(3), Path::new("nowhere"), Retention::None).expect("a run");
    assert_eq!(judged.exit, Exit::Violation);
    assert!(judged.verdict.findings.iter().all(|finding| finding.fingerprint == FINGERPRINT));
    judged
}

fn acknowledged(mut judged: JudgedRun, list: &KnownIssues) -> JudgedRun {
    judged.acknowledge(list);
    judged
}

fn last(judged: &JudgedRun) -> String {
    last_line(&judged.verdict, &judged.meta, None)
}

#[test]
fn a_known_finding_breaks_no_build_and_is_still_reported() {
    let known = acknowledged(judged("ending=uncommitted"), &list(FINGERPRINT, ""));
    assert_eq!((known.exit, known.verdict.outcome), (Exit::Pass, VerdictOutcome::Pass));
    assert!(last(&known).starts_with("PASS ") && last(&known).contains(" known=1 "), "{}", last(&known));
    let told = summary(&known.verdict, &known.meta, Style::default());
    for part in [
        "PASS  1 known issue, and nothing else: ",
        FINGERPRINT,
        "being fixed",
        "https://tracker/7",
        "until 2026-06-30",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let suite = junit::document(&known.verdict, &known.meta, &known.facts());
    assert!(suite.contains("failures=\"0\"") && suite.contains("<skipped message=\"known: "), "{suite}");
}

/// Without a list, nothing is called new. With one, whatever it does not cover is new.
#[test]
fn nothing_is_called_new_without_a_list() {
    let plain = judged("ending=uncommitted");
    assert!(!last(&plain).contains("NEW") && !last(&plain).contains("known="), "{}", last(&plain));
    let none = acknowledged(plain, &KnownIssues::default());
    assert!(last(&none).contains(&format!("{FINGERPRINT} NEW ")), "{}", last(&none));
    assert!(last(&none).contains(" known=0 "), "{}", last(&none));
}

#[test]
fn an_entry_hides_nothing_worse_than_it_says() {
    let mild = || judged("ending=uncommitted");
    let spread = || judged("ending=victim-wins");
    let worst = spread();
    let FindingKind::Divergence(divergence) = &worst.verdict.findings[0].kind else { panic!("wrong rows") };
    assert_eq!((divergence.last.pattern, divergence.last.side), (Pattern::Unanimous, Side::All));
    let cases: [(&str, bool, bool); 12] = [
        ("", true, false),
        ("pattern = \"one-differs\"\ncourse = \"standing\"", true, false),
        ("pattern = \"unanimous\"", false, false),
        ("pattern = \"unanimous\"\nside = \"all\"\ncourse = \"spread\"", false, true),
        ("course = \"healed\"", false, false),
        ("side = \"minority\"", true, false),
        ("columns = [\"status\"]", false, false),
        (
            "nemesis = \"late-transition\"\nworkload = \"partial-upsert\"\ntarget = \"sim-segments\"",
            true,
            false,
        ),
        ("nemesis = \"pause-one\"", false, false),
        ("versions = { from = \"0.0.1\" }", true, false),
        ("versions = { from = \"999\" }", false, false),
        ("versions = { before = \"0.0.1\" }", false, false),
    ];
    for (entry, covers_mild, covers_spread) in cases {
        let list = list(FINGERPRINT, entry);
        for (judged, covered) in [(mild(), covers_mild), (spread(), covers_spread)] {
            let judged = acknowledged(judged, &list);
            assert_eq!(judged.exit == Exit::Pass, covered, "{entry}: {}", last(&judged));
        }
    }
}

#[test]
fn an_entry_that_has_expired_or_matches_nothing_is_reported() {
    let over = acknowledged(judged("ending=uncommitted"), &list(FINGERPRINT, "").on("2026-07-01"));
    assert_eq!(over.exit, Exit::Violation);
    assert!(last(&over).contains(&format!("{FINGERPRINT} EXPIRED ")), "{}", last(&over));
    let unmet = acknowledged(judged("ending=uncommitted"), &list("frozen/consuming-position", ""));
    let told = summary(&unmet.verdict, &unmet.meta, Style::default());
    assert!(told.contains("not met") && told.contains("frozen/consuming-position"), "{told}");
    let elsewhere = list("frozen/consuming-position", "nemesis = \"pause-one\"");
    let elsewhere = acknowledged(judged("ending=uncommitted"), &elsewhere);
    let told = summary(&elsewhere.verdict, &elsewhere.meta, Style::default());
    assert!(!told.contains("not met"), "it is about other runs: {told}");
}

/// An incomplete run is no pass, even if all of its findings are known.
#[test]
fn a_known_issue_hides_no_doubt() {
    let mut judged = judged("ending=uncommitted");
    let (kind, detail) = (DoubtKind::Unreadable, "server-2".to_owned());
    judged.verdict.doubts.push(Doubt { kind, detail });
    let judged = acknowledged(judged, &list(FINGERPRINT, ""));
    assert_eq!(judged.exit, Exit::Inconclusive);
    assert!(last(&judged).starts_with("INCONCLUSIVE unreadable "), "{}", last(&judged));
}
