//! dissent is killed, cut off and interrupted, on a private cluster and on one that outlives it. No fault and
//! no process may be left, and no verdict may be better than the record.

mod beside;
pub(crate) mod place;

use place::{Outside, Watched, dissent, processes_of, run, signal, state, told, until};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const PRIVATE: &str = "specimen-segments";

fn no_process_is_left(results: &Path) {
    until("no process is left", || processes_of(results).is_empty());
}

/// The record up to a kill -9 gives a proven violation or an inconclusive verdict, never a pass.
fn is_judged(results: &Path) {
    let checked = run(results, &["check", "latest"]);
    let out = String::from_utf8_lossy(&checked.stdout).into_owned();
    let last = out.lines().last().unwrap_or_default();
    match checked.status.code() {
        Some(1) => assert!(last.starts_with("FAIL "), "{out}"),
        Some(3) => assert!(last.starts_with("INCONCLUSIVE ") && out.contains("damage: "), "{out}"),
        _ => panic!("{}", told(&checked)),
    }
}

/// A plan, and the line on standard error after which dissent is killed.
const POINTS: [(&str, &str); 4] = [
    ("pause-one", "pause: in force"),
    ("restart-one", "restart: in force"),
    ("late-transition", "late-registration: in force"),
    ("late-transition", "late-registration: cured"),
];

#[test]
fn kill_9_of_the_tool_takes_its_whole_cluster_along() {
    for (plan, line) in POINTS {
        let results = tempfile::tempdir().expect("a folder");
        let words = ["run", PRIVATE, "partial-upsert", plan, "--seed", "3"];
        let mut watched = Watched::start(results.path(), &words);
        watched.says(line);
        let running = processes_of(results.path());
        assert!(running.len() > 5, "a supervisor, a controller, servers: {running:#?}");
        watched.kill();
        no_process_is_left(results.path());
        is_judged(results.path());
        // The recorded cures are healed without the cluster, of which nothing is left.
        let healed = run(results.path(), &["heal", "latest"]);
        assert_eq!(healed.status.code(), Some(0), "{}", told(&healed));
    }
}

#[test]
fn after_kill_9_the_watchdogs_cure_a_cluster_that_lives_on() {
    for (plan, line, delete) in [
        ("pause-one", "pause: in force", true),
        ("restart-one", "restart: in force", false),
        ("late-transition", "late-registration: in force", false),
        ("partition-one", "cut-off: in force", false),
    ] {
        let outside = Outside::start(&[]);
        let results = tempfile::tempdir().expect("a folder");
        let words = ["run", &outside.file(), "partial-upsert", plan, "--seed", "3"];
        let mut watched = Watched::start(results.path(), &words);
        watched.says(line);
        if delete {
            assert_eq!(state(outside.victim()), Some('T'));
            std::fs::remove_dir_all(results.path()).expect("it was there");
        }
        watched.kill();
        no_process_is_left(results.path());
        assert!(outside.marks().is_empty(), "{plan}: {:#?}", outside.marks());
        assert_eq!(outside.ask("/admin/holds"), json!([]), "{plan}");
        let hosts = outside.ask("/hosts");
        let mut hosts = hosts.as_object().expect("hosts").values();
        assert!(hosts.all(|host| *host == json!({})), "{plan}: something is wrong with a machine");
        let servers = outside.ask("/cluster")["replicas"].clone();
        for (name, server) in servers.as_object().expect("servers") {
            let pid = u32::try_from(server["pid"].as_u64().expect(name)).expect("a number");
            assert!(!matches!(state(pid), None | Some('T' | 'Z')), "{plan}: {name} {:?}", state(pid));
        }
    }
}

/// dissent is killed in the middle of a cutover. The watchdog completes it, and the next run begins with its
/// own writers.
#[test]
fn after_kill_9_a_cutover_is_gone_through_with_and_slow_ways_are_as_they_were() {
    let outside = Outside::of("shard", &["rule=v2-dropping"]);
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", &outside.file(), "upsert-feed", "cold-cutover", "--seed", "3"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("cutover: in force");
    let owner = outside.marks()[0]["mark"].as_str().expect("who did it").to_owned();
    watched.kill();
    no_process_is_left(results.path());
    until("no mark is left", || outside.marks().is_empty());
    outside.unlock(&owner);
    let writers = outside.ask("/cluster")["replicas"].clone();
    assert!(writers["writer-0"].is_null() && !writers["writer-1"].is_null(), "{writers}");
    let finished = run(results.path(), &words);
    assert_eq!(finished.status.code(), Some(0), "{}", told(&finished));
    let raw = run(results.path(), &["raw", &outside.file(), "cal-1"]);
    assert_eq!(raw.status.code(), Some(0), "{}", told(&raw));
    assert!(told(&raw).contains("1 state, 0 wrong, 0 log entries"), "{}", told(&raw));
}

/// A second run is refused while the first one has the target, and while faults are left on it. If both
/// dissent and the watchdog of a fault are killed, the fault's mark is found at the target.
#[test]
fn a_target_in_use_is_refused_and_an_orphaned_fault_is_healed_by_its_mark() {
    let outside = Outside::start(&["guard=partition-gate"]);
    let file = outside.file();
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", &file, "partial-upsert", "pause-one", "--seed", "4"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("pause: in force");
    let second = run(results.path(), &words);
    assert_eq!(second.status.code(), Some(4), "{}", told(&second));
    let words_of_refusal = told(&second);
    let owner = format!("(process {})", watched.child.id());
    for part in ["is in use by run specimen-segments-partial-upsert-pause-one-seed4@", &owner, "s now"] {
        assert!(words_of_refusal.contains(part), "{part}: {words_of_refusal}");
    }

    let (victim, mark) = (outside.victim(), outside.marks()[0]["mark"].as_str().expect("text").to_owned());
    signal(watched.child.id(), "STOP");
    let watchdogs =
        processes_of(results.path()).into_iter().filter(|(_, words)| words.contains(" watchdog "));
    watchdogs.for_each(|(pid, _)| signal(pid, "KILL"));
    watched.kill();
    no_process_is_left(results.path());
    assert_eq!(state(victim), Some('T'), "nobody is left to resume it");

    outside.unlock(&mark);
    let refused = run(results.path(), &words);
    assert_eq!(refused.status.code(), Some(4), "{}", told(&refused));
    assert!(told(&refused).contains(&format!("`dissent heal {file}`")), "{}", told(&refused));
    let healed = run(results.path(), &["heal", &file]);
    assert_eq!(healed.status.code(), Some(0), "{}", told(&healed));
    assert!(told(&healed).contains("cured: pause on server-"), "{}", told(&healed));
    until("it runs again", || state(victim) != Some('T'));
    assert!(outside.marks().is_empty());
    let again = run(results.path(), &["heal", &file]);
    assert!(again.status.success() && told(&again).contains("nothing to undo"), "{}", told(&again));
    let third = run(results.path(), &words);
    assert_eq!(third.status.code(), Some(0), "{}", told(&third));
}

/// The controller is stopped while it holds messages back: they cannot be released, but there is still a
/// verdict.
#[test]
fn a_cure_that_fails_is_exit_5_with_the_command_that_heals() {
    let outside = Outside::start(&[]);
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", &outside.file(), "partial-upsert", "late-transition", "--seed", "3"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("late-registration: in force");
    let command = format!("dissent heal {}", outside.file());
    let controller = outside.controller();
    signal(controller, "STOP");
    watched.signal("TERM");
    let (code, told_last) = watched.end();
    assert_eq!(code, Some(5), "{told_last}");
    assert!(told_last.lines().any(|line| line == command), "{told_last}");
    assert!(told_last.contains("INCONCLUSIVE ") || told_last.contains("FAIL "), "{told_last}");
    assert!(results.path().join("latest/verdict.json").exists());

    let left = run(results.path(), &["heal", &outside.file()]);
    assert_eq!(left.status.code(), Some(5), "{}", told(&left));
    signal(controller, "CONT");
    let healed = run(results.path(), &["heal", &outside.file()]);
    assert_eq!(healed.status.code(), Some(0), "{}", told(&healed));
    assert_eq!(outside.ask("/admin/holds"), json!([]));
    no_process_is_left(results.path());
}

#[test]
fn signals_heal_and_give_their_codes() {
    for (name, code) in [("HUP", 129), ("TERM", 143)] {
        let results = tempfile::tempdir().expect("a folder");
        let words = ["run", PRIVATE, "partial-upsert", "pause-one", "--seed", "5"];
        let mut watched = Watched::start(results.path(), &words);
        watched.says("pause: in force");
        watched.signal(name);
        watched.says(&format!("interrupted by SIG{name}: curing, within 5 s"));
        watched.says("pause: cured");
        let (exit, rest) = watched.end();
        assert_eq!(exit, Some(code), "{rest}");
        assert!(results.path().join("latest/verdict.json").exists());
        no_process_is_left(results.path());
    }
}

#[test]
fn a_folder_deleted_during_the_run_is_a_named_loss_and_never_a_pass() {
    let outside = Outside::start(&["guard=partition-gate"]);
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", &outside.file(), "partial-upsert", "pause-one", "--seed", "5"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("pause: in force");
    std::fs::remove_dir_all(results.path()).expect("it was there");
    let (exit, rest) = watched.end();
    assert_eq!(exit, Some(3), "{rest}");
    let lost = ["the record of this run is lost", "events.table.zst: No such file"];
    assert!(lost.iter().any(|words| rest.contains(words)) && !rest.contains("PASS"), "{rest}");
    assert!(outside.marks().is_empty());
    no_process_is_left(results.path());
}

/// Nobody reads the output: the run continues to its verdict.
#[test]
fn a_broken_pipe_ends_nothing() {
    let results = tempfile::tempdir().expect("a folder");
    let mut child = dissent(results.path())
        .args(["run", PRIVATE, "steady", "restart-one", "--seed", "3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(results.path().join("latest/verdict.json").exists());
    no_process_is_left(results.path());
}

/// If a watchdog is killed, its fault is not left behind: dissent cures it itself.
#[test]
fn no_fault_outlives_its_watchdog() {
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", PRIVATE, "partial-upsert", "pause-one", "--set", "guard=partition-gate"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("pause: in force");
    let watchdogs =
        processes_of(results.path()).into_iter().filter(|(_, words)| words.contains(" watchdog "));
    let watchdogs: Vec<u32> = watchdogs.map(|(pid, _)| pid).collect();
    assert_eq!(watchdogs.len(), 1);
    signal(watchdogs[0], "KILL");
    let (exit, rest) = watched.end();
    assert_eq!(exit, Some(0), "{rest}");
    no_process_is_left(results.path());
}

/// The protocol: nothing happens before `begin`, and the lease ends by itself.
#[test]
fn a_watchdog_begins_only_when_told_and_cures_when_its_lease_ends() {
    let outside = Outside::start(&[]);
    let supervisor = u32::try_from(outside.ask("/cluster")["pid"].as_u64().expect("a process")).expect("u32");
    let mut victim = Command::new("sleep").arg("600").spawn().expect("sleep is there");
    let id = |pid| serde_json::to_value(dissent::faults::process::ProcessId::of(pid).expect("it runs"));
    let mark = json!({
        "step": "pause",
        "fault": { "kind": "pause", "replica": "server-1", "partition": null, "seq": null },
        "mark": "a-test",
        "undo": {
            "at": format!("http://{}", outside.address()),
            "supervisor": id(supervisor).expect("JSON"),
            "service": "http://127.0.0.1:1",
            "process": id(victim.id()).expect("JSON"),
            "start": { "replica": "server-1" },
        },
    });
    let mut watchdog = Command::new(env!("CARGO_BIN_EXE_dissent"))
        .args(["watchdog", "--lease-ms", "2000", "--mark", &mark.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(watchdog.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("holding"));
    assert!(state(victim.id()) != Some('T') && outside.marks().is_empty());
    let mut orders = watchdog.stdin.take().expect("piped");
    orders.write_all(b"begin\n").expect("it reads");
    assert_eq!(lines.next().as_deref(), Some("in force"));
    assert!(state(victim.id()) == Some('T') && outside.marks().len() == 1);
    // The pipe stays open: only the lease ends it.
    assert_eq!(lines.next().as_deref(), Some("ended early: its lease expired"));
    assert!(state(victim.id()) != Some('T') && outside.marks().is_empty());
    assert_eq!(watchdog.wait().expect("it ends").code(), Some(0));
    drop(orders);
    victim.kill().expect("it is there");
    victim.wait().expect("it ends");
}

/// What a target does with a connection, and the error before anything is done: exit 4.
#[test]
fn an_unusable_target_is_reported_at_once() {
    type Injection = fn(std::net::TcpStream);
    let hold: Injection = |mut stream| {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest));
    };
    let cases: [(&str, Injection); 4] = [
        ("unexpected answer from", |stream| answer(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")),
        ("no answer from", |stream| answer(stream, "SSH-2.0-OpenSSH\r\n")),
        ("no answer from", |stream| answer(stream, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"ver")),
        ("timeout", hold),
    ];
    for (part, deed) in cases {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || listener.incoming().flatten().for_each(deed));
        refused(&address.to_string(), part);
    }
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("a free port").local_addr().expect("bound");
    refused(&nobody.to_string(), "onnection refused");
}

fn answer(mut stream: std::net::TcpStream, text: &str) {
    let mut request = [0; 4096];
    // A client that went away needs no answer.
    drop(stream.read(&mut request).and_then(|_| stream.write_all(text.as_bytes())));
}

#[track_caller]
fn refused(address: &str, part: &str) {
    let results = tempfile::tempdir().expect("a folder");
    let file = results.path().join("mine.toml");
    let allow = "[allow]\nwrites = true\n";
    let text = format!("system = \"specimen-segments\"\nurl = \"http://{address}\"\n{allow}");
    std::fs::write(&file, text).expect("a file");
    let output = run(results.path(), &["run", &file.display().to_string(), "steady", "none"]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(told(&output).contains(part), "`{part}`: {}", told(&output));
    assert!(!results.path().join("latest").exists(), "nothing was begun");
}
