//! What the reports say of a cause: the same sentences on the terminal, on the page and in Markdown; a page
//! that can be found one's way in, and that stays small.

use super::{PLAIN, page_of};
use crate::report::examples::{diverged, frozen, meta, ms, names, record, verdict};
use crate::report::explained::{dropped, explained, explained_and_spread, unexplained};
use dissent::report::{explain, markdown, terminal};
use dissent_core::checker::verdict::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn told(d: Divergence) -> (Verdict, String) {
    let course = d.course;
    let verdict = diverged(|it| *it = d);
    let page = page_of(&verdict, &record(4_000));
    let file = format!("report-explained-{course:?}.html").to_lowercase();
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(file), &page).expect("write the page");
    (verdict, page)
}

/// The words of a page, without its tags and its style.
fn text_of(page: &str) -> String {
    let body = &page[page.find("<body>").expect("a body")..];
    let words = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, words)| words);
    let text = words.collect::<String>().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "")
}

#[test]
fn cause_guard_and_spread_are_told_in_the_same_words_everywhere() {
    let incident = [
        "server-1 began to consume acct__0__4 26 min 52 s before acct__0__3 was visible to its merges",
        "214 of 214 wrong rows are predicted, 0 extra",
        "2 of 2 comparable peers made acct__0__3 visible first: server-0 and server-2",
        "server-3: no witness, because it restarted in between.",
        "offline-to-consuming of acct__0__3 waited 55 min 45 s in a queue on server-1 (12 ms to 40 ms on its \
         peers); then: already completed, skipping",
        "Logged: 7 segments were visible when consumption began on server-1, 8 on server-0, server-2 and \
         server-3.",
        "the guard boot-segments-loaded was open since a test 10 h 0 min earlier, and was not tested for \
         acct__0__4",
        "It protects the node as a whole. The order needs each partition and segment.",
        "no node logged commit-winner",
        "server-1 won the commit of acct__0__4 at offset 1,734, where server-0, server-2 and server-3 also \
         stood; its copy is wrong",
        "nowhere: server-2 and server-3 held the last one, +6.200s; it was gone by +7.400s",
        "do not restart server-1: its memory and logs are evidence",
    ];
    let other =
        ["the order was kept, but server-1 dropped 14 keys from its metadata when its copy of acct__0__3 \
                  was replaced; it had consumed 40 rows beyond the committed end"];
    let nothing = [
        "not shown: the replica logged nothing of the segments in question",
        "which guard is not known: no node logs one",
        "no node logged registered, snapshot and gate",
    ];
    let cases =
        [(explained_and_spread(), &incident[..]), (dropped(), &other[..]), (unexplained(), &nothing[..])];
    for (d, says) in cases {
        let (verdict, page) = told(d);
        let terminal = unwrapped(&explain::explanation(&verdict, &meta(), PLAIN));
        let markdown =
            unwrapped(&markdown::summary(&verdict, &meta()).replace("\\`", "").replace("  - ", ""));
        let page = text_of(&page);
        for words in says {
            for text in [&page, &terminal, &markdown] {
                let text = text.replace("&gt;", ">");
                let found = text.contains(words) || words.split(". ").all(|part| text.contains(part));
                assert!(found, "no `{words}` in\n{text}");
            }
        }
    }
}

#[test]
fn what_is_not_shown_is_never_claimed() {
    let (verdict, page) = told(unexplained());
    let summary = terminal::summary(&verdict, &meta(), PLAIN);
    assert!(!summary.contains("why "), "the terminal's summary names no cause:\n{summary}");
    for claim in ["boot-segments-loaded", "before acct__0__3 was visible", "broken ✗"] {
        assert!(!page.contains(claim), "claims {claim}");
    }
    let (verdict, _) = told(explained());
    assert!(terminal::summary(&verdict, &meta(), PLAIN).contains("26 min 52 s before acct__0__3"));
}

#[test]
fn the_two_timelines_stand_side_by_side_as_picture_and_as_text() {
    let (_, page) = told(explained());
    assert_eq!(page.matches("class=\"nodes\"").count(), 2);
    for words in [
        "T-56:50",
        "T+26:52",
        "snapshot of 7 segments",
        "snapshot of 8 segments",
        "T+00:00",
        "skipped: already completed, skipping",
    ] {
        assert!(page.matches(words).count() >= 2, "`{words}` is not in picture and table");
    }
    assert!(page.contains("class=\"unsafe\"") && page.contains("class=\"queued\""));
    assert!(!page.contains("<b>late"), "details of events are escaped");
}

#[test]
fn every_link_of_the_page_leads_somewhere() {
    for (_, verdict, ..) in super::examples() {
        let page = page_of(&verdict, &record(50));
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an anchor twice: {ids:?}");
        let links: Vec<&str> =
            page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(
            links.len() >= 4 && links.iter().all(|link| unique.contains(link)),
            "{links:?} of {unique:?}"
        );
        // Whatever may be wider than a phone can be scrolled by keyboard.
        let scrolls = page.matches("<div class=\"scroll\"").count();
        assert!(page.matches("<div class=\"scroll\" tabindex=\"0\"").count() + 1 >= scrolls, "{scrolls}");
    }
}

#[test]
fn pictures_come_first_and_internals_are_folded() {
    let (_, page) = told(explained_and_spread());
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("no {words}"));
    assert!(place("id=\"finding-1-replicas\"") < place("id=\"finding-1-rows\""));
    assert!(place("<svg class=\"nodes\"") < place("Does that predict"));
    // One row is open, and of it only what differs.
    let open = page.split("<details>").next().expect("a beginning");
    assert!(!open.contains("Key <code><span>&lt;script&gt;"), "the second row is folded");
    let stopped = page_of(&verdict(VerdictOutcome::Fail, vec![frozen()], &[]), &record(50));
    let folded = stopped.find("Everything that was recorded").expect("a summary");
    assert!(folded < stopped.find("status at the end").expect("internals"));
}

#[test]
fn the_date_is_told_once_a_run_has_one() {
    let mut record = record(50);
    record.meta.simulated = false;
    let page = page_of(&diverged(|_| {}), &record);
    assert!(page.contains("2025-03-04 14:30:02Z (+2.315s)"), "since when has a date");
    assert!(page.contains("2025\\2d 03\\2d 04"), "so has the head of each printed page");
}

#[test]
fn a_page_of_a_long_incident_stays_small() {
    let mut d = explained_and_spread();
    d.keys = (0..1_000).map(|n| format!("key-{n}")).collect();
    let mut spread = *d.spread.take().expect("a spread");
    spread.keys = (0..1_000)
        .map(|n| KeyCopies { key: format!("key-{n}"), wrong: names("server-1"), right: names("server-0") })
        .collect();
    spread.moments = (0..5_000)
        .map(|n| SpreadMoment {
            capture: n,
            t: ms(u64::from(n)),
            wrong: names(["server-1", "server-2"][n as usize % 2]),
            right: names("server-0"),
        })
        .collect();
    d.spread = Some(Box::new(spread));
    let explanation = d.explanation.as_mut().expect("an explanation");
    for timeline in &mut explanation.timelines {
        timeline.events = timeline.events.iter().cycle().take(10_000).cloned().collect();
    }
    let findings = (0..100).map(|_| FindingKind::Divergence(Box::new(d.clone()))).collect();
    let verdict = verdict(VerdictOutcome::Fail, findings, &[]);
    let page = page_of(&verdict, &record(50_000));
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-long.html"), &page).expect("write");
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("more keys not drawn"));
}
