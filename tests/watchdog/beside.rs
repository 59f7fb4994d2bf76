//! What else may be done to a target while a run has it: it may be inspected, but healing it is refused,
//! because the verdict relies on the faults.

use crate::watchdog::place::{Outside, Watched, lock, run, state, told, until};
use dissent_store::cure::read_cures;
use std::path::Path;

/// A run that is stopped in the middle of its fault. It is killed if a test fails: nobody else would end it.
struct Halted(Option<Watched>);

impl Halted {
    fn of(results: &Path, target: &str) -> Halted {
        let words = ["run", target, "partial-upsert", "pause-one", "--seed", "4"];
        let mut watched = Watched::start(results, &words);
        watched.says("pause: in force");
        watched.signal("STOP");
        Halted(Some(watched))
    }

    /// Lets it continue to its end.
    fn end(mut self) {
        if let Some(watched) = self.0.take() {
            watched.signal("CONT");
            watched.end();
        }
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Watched::kill);
    }
}

/// Keeps the lock of the run that has the target, and returns which run that is.
fn kept_up(outside: &Outside) -> String {
    let run = outside.marks()[0]["mark"].as_str().expect("text").to_owned();
    outside.lock(&run);
    run
}

#[test]
fn faults_of_a_run_in_progress_are_healed_only_by_force() {
    let outside = Outside::start(&["guard=partition-gate"]);
    let results = tempfile::tempdir().expect("a folder");
    let halted = Halted::of(results.path(), &outside.file());
    let (run_id, victim) = (kept_up(&outside), outside.victim());
    let folder = run_id.split_once('@').expect("a name and a time").0;
    for what in [outside.file().as_str(), "latest", folder] {
        let refused = run(results.path(), &["heal", what]);
        assert_eq!(refused.status.code(), Some(4), "{what}: {}", told(&refused));
        let whose = format!("these faults belong to run {run_id} of me@here");
        assert!(told(&refused).contains(&whose) && told(&refused).contains("--force"), "{}", told(&refused));
        assert_eq!((state(victim), outside.marks().len()), (Some('T'), 1), "nothing is lifted");
    }
    let forced = run(results.path(), &["heal", &outside.file(), "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", told(&forced));
    assert!(told(&forced).contains(&format!("spoils run {run_id} of me@here")), "{}", told(&forced));
    assert!(told(&forced).contains("cured: pause on server-"), "{}", told(&forced));
    until("it runs again", || state(victim) != Some('T'));
    halted.end();
}

/// Numbers that change from one second to the next.
fn without_figures(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// The last line that contains this.
fn after<'t>(text: &'t str, part: &str) -> &'t str {
    text.lines().rev().find_map(|line| Some(line.split_once(part)?.1)).unwrap_or_default().trim()
}

#[test]
fn doctor_says_what_run_says_during_a_run_and_after_it_was_killed() {
    let outside = Outside::start(&["guard=partition-gate"]);
    let results = tempfile::tempdir().expect("a folder");
    let file = outside.file();
    let fresh = run(results.path(), &["doctor", &file]);
    assert_eq!(fresh.status.code(), Some(0), "{}", told(&fresh));
    assert!(told(&fresh).contains("4, started when a run creates its table"), "{}", told(&fresh));
    assert!(told(&fresh).contains("nobody") && !told(&fresh).contains("0 of 4"), "{}", told(&fresh));

    let halted = Halted::of(results.path(), &file);
    let run_id = kept_up(&outside);
    let doctor = run(results.path(), &["doctor", &file]);
    let second = run(results.path(), &["run", &file, "steady", "none"]);
    assert_eq!((doctor.status.code(), second.status.code()), (Some(4), Some(4)), "{}", told(&doctor));
    let (page, refusal) = (told(&doctor), told(&second));
    for part in [&format!("run {run_id} of me@here (for")[..], "its lock expires in", "in force"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("fault left") && !page.contains("dissent heal"), "{page}");
    let begin = "not ready for a run: ";
    assert_eq!(without_figures(after(&page, begin)), without_figures(after(&refusal, begin)), "{page}");

    drop(halted);
    until("its watchdog has cured", || outside.marks().is_empty());
    let doctor = run(results.path(), &["doctor", &file, "--format", "json"]);
    assert_eq!(doctor.status.code(), Some(4), "{}", told(&doctor));
    let document: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("one document");
    assert_eq!(document["holder"]["run"], run_id.as_str());
    assert!(document["holder"]["left"].as_u64().is_some_and(|left| left > 0), "{document}");
    outside.unlock(&run_id);
    let free = run(results.path(), &["doctor", &file]);
    assert_eq!(free.status.code(), Some(0), "{}", told(&free));
}

/// A run with its own cluster: its verdict relies on its faults just the same.
#[test]
fn the_faults_of_a_private_run_are_not_healed_from_its_folder_either() {
    let results = tempfile::tempdir().expect("a folder");
    let halted = Halted::of(results.path(), "specimen-segments");
    let (cures, damage) = read_cures(&results.path().join("latest"));
    assert!(damage.is_empty(), "{damage:?}");
    let supervisor = cures[0].undo["at"].as_str().expect("a URL").trim_start_matches("http://").to_owned();
    lock(&supervisor, &cures[0].mark);
    let refused = run(results.path(), &["heal", "latest"]);
    assert_eq!(refused.status.code(), Some(4), "{}", told(&refused));
    let whose = format!("these faults belong to run {} of me@here", cures[0].mark);
    assert!(told(&refused).contains(&whose), "{}", told(&refused));
    halted.end();
}
