//! Reports of handmade verdicts: the words that matter, the schema, and a page that stays small and inert.

mod documents;
mod examples;
mod explained;
mod explaining;
mod junit_schema;
mod schema;

use dissent::report::html::timeline::Timeline;
use dissent::report::terminal::{Style, last_line, summary};
use dissent::report::variants::{VariantRow, arms};
use dissent::report::{html, junit, markdown};
use dissent_core::checker::verdict::*;
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use examples::*;
use std::fs;
use std::path::Path;

const PLAIN: Style = Style { colour: false, width: 100 };

/// A name, a verdict, its last line, and what its summary must say.
type Example = (&'static str, Verdict, &'static str, Vec<&'static str>);

/// All kinds of verdict.
fn examples() -> Vec<Example> {
    divergences().into_iter().chain(others()).chain(no_failures()).collect()
}

fn divergences() -> Vec<Example> {
    vec![
        (
            "lone",
            diverged(|_| {}),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s standing wrong-value/whole-segment \
             side=minority seed=42",
            vec![
                "lone divergence: server-1 is wrong on 14 keys",
                "user queries see 12",
                "segment acct__0__3",
            ],
        ),
        (
            "healed",
            diverged(|d| d.course = Course::Healed),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s healed wrong-value/whole-segment \
             side=minority seed=42",
            vec![
                "lone divergence, healed: server-1 was wrong on 14 keys, and no longer is",
                "user queries saw 12",
                "find out what server-1 returned",
            ],
        ),
        (
            "spread",
            spread(),
            "FAIL unanimous server-1 14 keys acct__0__4 since +2.315s spread wrong-value/whole-segment \
             side=all seed=42",
            vec![
                "agree but wrong: all 4 replicas",
                "it began on server-1",
                "spread: 1 of 4 replicas at first, 4 of 4 at the end",
            ],
        ),
        (
            "majority",
            majority(),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s spreading wrong-value/whole-segment \
             side=majority last-right=server-3 seed=42",
            vec![
                "FAIL  server-3 holds the last good copy of 14 keys: do not reload, rebalance or restart it",
            ],
        ),
        (
            "unmodelled",
            unmodelled(),
            "FAIL one-differs server-1 14 keys acct__0__4 since +2.315s standing differs/whole-segment \
             side=unknown seed=42",
            vec!["server-1 differs on 14 keys", "do not pick a side yet"],
        ),
    ]
}

fn others() -> Vec<Example> {
    let lost = FindingKind::LostAck(LostAck { everywhere: false, partition: 1, ops: vec![7, 9] });
    vec![
        (
            "frozen",
            verdict(VerdictOutcome::Fail, vec![frozen(), lost.clone()], &[]),
            "FAIL frozen server-2 acct__1__4 at offset=4000 behind=1250 since +3.000s for 12.5s \
             frozen/position findings=2 seed=42",
            vec![
                "its status says `running`",
                "fewer than 30 progress intervals",
                "also",
                "2 acknowledged ops",
            ],
        ),
        (
            "latent",
            verdict(VerdictOutcome::Fail, vec![latent()], &[]),
            "FAIL frozen writer-b output latent sticky at=4000 behind=1250 since +3.000s for 12.5s \
             frozen/writer-output/latent seed=42",
            vec!["(latent: what it feeds advances without it)", "keep the other writers running"],
        ),
        (
            "pinned",
            verdict(VerdictOutcome::Fail, vec![pinned()], &[]),
            "FAIL frozen shard visible sticky at=4000 behind=1250 since +3.000s for 12.5s \
             frozen/shard-upper seed=42",
            vec!["shard is stuck at 4,000, pinned by writer-b, while", "then restart writer-b"],
        ),
        (
            "regressed",
            verdict(VerdictOutcome::Fail, vec![regressed()], &[]),
            "FAIL regressed shard from=4000 to=3000 at +3.000s regressed/shard-upper seed=42",
            vec!["across a restart, although it is declared durable"],
        ),
        (
            "ahead",
            verdict(VerdictOutcome::Fail, vec![ahead()], &[]),
            "FAIL ahead shard at=4000 upper=3000 since +3.000s ahead/shard-upper seed=42",
            vec!["reports 4,000 while its upstream ends at 3,000"],
        ),
        (
            "lost",
            verdict(VerdictOutcome::Fail, vec![lost], &[]),
            "FAIL lost-ack 2 ops partition=1 lost-ack/log seed=42",
            vec!["2 acknowledged ops are missing from the log of partition 1"],
        ),
    ]
}

fn no_failures() -> Vec<Example> {
    vec![
        (
            "pass",
            verdict(VerdictOutcome::Pass, Vec::new(), &[]),
            "PASS 12345 rows 4 replicas 3 captures seed=42",
            vec![
                "0 of 12,345 rows differ, across 4 replicas and 3 captures",
                "118 keys carried under hold",
                "7 offsets on server-1 (not loaded)",
            ],
        ),
        (
            "known",
            known(),
            "PASS 12345 rows 4 replicas 3 captures known=1 seed=42",
            vec![
                "1 known issue, and nothing else: 12,345 rows compared",
                "wrong-value/whole-segment: known until 2027-01-31: being fixed (me, TRACKER-7)",
            ],
        ),
        (
            "inconclusive",
            verdict(VerdictOutcome::Inconclusive, Vec::new(), &[DoubtKind::NoExposure]),
            "INCONCLUSIVE no-exposure 12345 rows 4 replicas 3 captures seed=42",
            vec![
                "no-exposure: no violation was found, but that proves nothing",
                "0 of 20 keys",
                "--runs N",
                "group: no key was carried",
            ],
        ),
    ]
}

#[test]
fn a_summary_says_what_matters_in_few_lines() {
    for (name, verdict, _, says) in examples() {
        let text = summary(&verdict, &meta(), PLAIN);
        let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in says {
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(unwrapped.contains(&words), "{name}: no `{words}` in\n{text}");
        }
        assert!(text.contains(
            "dissent run sim-segments partial-upsert late-transition --seed 42 --set guard=startup-latch"
        ));
        let most = if name == "lone" { 12 } else { 24 };
        assert!(text.lines().count() <= most, "{name} is long:\n{text}");
        assert!(!text.contains('\x1b'), "{name}");
        assert!(summary(&verdict, &meta(), Style { colour: true, ..PLAIN }).contains("\x1b["), "{name}");
    }
}

#[test]
fn the_last_line_is_one_line_to_grep_for() {
    for (name, verdict, line, _) in examples() {
        assert_eq!(last_line(&verdict, &meta(), None), line, "{name}");
        let reported = last_line(&verdict, &meta(), Some("results/x/report.html"));
        assert_eq!(reported, format!("{line} report=results/x/report.html"));
    }
    let hostile = diverged(|d| d.segments = vec!["a\nPASS \x1b[2J".to_owned()]);
    let line = last_line(&hostile, &meta(), None);
    assert!(line.contains(r"a\nPASS \u{1b}[2J") && !line.chars().any(char::is_control), "{line}");
}

fn page_of(verdict: &Verdict, record: &MemoryRecord) -> String {
    html::page(verdict, &record.meta, &Timeline::of(record))
}

#[test]
fn real_time_is_shown_by_the_wall_clock() {
    let meta = RunMeta { simulated: false, ..meta() };
    let line = last_line(&diverged(|_| {}), &meta, None);
    assert!(line.contains("since 14:30:02Z"), "{line}");
    let unacknowledged = diverged(|d| d.since = d.since.map(|point| LogPoint { t: None, ..point }));
    assert!(last_line(&unacknowledged, &meta, None).contains("since offset=1204"));
}

#[test]
fn without_a_model_nobody_is_called_wrong() {
    let verdict = unmodelled();
    let page = page_of(&verdict, &record(50));
    let body = &page[page.find("<body>").expect("a body")..];
    let told = [summary(&verdict, &meta(), PLAIN), last_line(&verdict, &meta(), None), body.to_owned()];
    let kept = [markdown::summary(&verdict, &meta()), junit::document(&verdict, &meta(), &facts())];
    for text in told.into_iter().chain(kept) {
        assert!(!text.contains("wrong"), "{text}");
    }
}

#[test]
fn the_page_is_inert_escaped_and_the_same_every_time() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, verdict, _, _) in examples() {
        let page = page_of(&verdict, &record(4_000));
        fs::write(dir.join(format!("report-{name}.html")), &page).expect("write the page");
        for forbidden in ["<script", "http:", "https:", "url(", "@import", "src=", "<link", "2025-03-04"] {
            assert!(!page.contains(forbidden), "{name} has {forbidden}");
        }
        assert_eq!(page, page_of(&verdict, &record(4_000)), "{name}");
    }
    let (_, stopped, ..) = examples().into_iter().find(|(name, ..)| *name == "frozen").expect("an example");
    assert!(page_of(&stopped, &record(50)).contains("not all caught up"));
    let page = page_of(&diverged(|_| {}), &record(4_000));
    for part in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "Is it real?",
        "✗",
        "the type's default",
        "3 of 4 missing",
        "p99",
    ] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn the_page_stays_small() {
    let mut d = divergence();
    d.keys = (0..50_000).map(|n| format!("key-{n}")).collect();
    d.evidence = std::iter::repeat_n(d.evidence[0].clone(), 500).collect();
    let findings = std::iter::repeat_n(FindingKind::Divergence(Box::new(d)), 100).collect();
    let page = page_of(&verdict(VerdictOutcome::Fail, findings, &[]), &record(200_000));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("+49,980 more") && !page.contains("key-49999"));
    let points =
        page.split("class=\"rate\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line");
    let points = points.matches(['M', 'L']).count();
    assert!((100..=400).contains(&points), "{points} points");
}

#[test]
fn arms_are_aligned() {
    let row = |arm: &str, found: &str| VariantRow {
        arm: arm.to_owned(),
        expected: "pass".to_owned(),
        found: found.to_owned(),
        evidence: "200 runs".to_owned(),
        report: String::new(),
    };
    let text = arms(&[row("partition-gate", "pass"), row("none", "1 of 200 failed")]);
    assert_eq!(
        text,
        "variant         expected  found            evidence  report\n\
         partition-gate  pass      pass             200 runs\n\
         none            pass      1 of 200 failed  200 runs\n"
    );
}
