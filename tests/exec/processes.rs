//! An adapter as a process: it ends with dissent, is started again, and whatever it writes or does not write,
//! every request ends with an error that tells why.

use super::target;
use dissent::adapter::exec::Exec;
use dissent::adapter::state::{StateStore as _, StateSystem as _};
use dissent::config::target::TargetFile;
use dissent::faults::process::{ProcessId, ProcessState};
use dissent_core::history::time::Nanos;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Answers `hello`, as a shell.
const HELLO: &str = concat!(
    r#"read -r l; echo '{"id":1,"protocol":1,"system":"sh","version":"1","replicas":["a"],"#,
    r#""retains":"newest-row","positions":true,"merges":["overwrite"],"deletes":false}'"#
);

/// A target whose adapter answers `hello` and goes on with `rest`.
fn after_hello(rest: &str) -> TargetFile {
    let mut file = target(&format!("{HELLO}; {rest}"));
    file.limits.query_timeout = Nanos(400_000_000);
    file
}

/// What an adapter that begins like this is told.
async fn refused(command: &str) -> String {
    let mut file = target(command);
    file.limits.query_timeout = Nanos(400_000_000);
    Exec.open(&file).await.expect_err("it is no adapter").to_string()
}

#[tokio::test]
async fn what_does_not_begin_as_an_adapter_is_refused_with_its_own_words() {
    let hello = |fields: &str| format!("read -r l; echo '{{\"id\":1,{fields}}}'; cat");
    let all = |protocol: u32, replicas: &str, merges: &str| {
        hello(&format!(
            "\"protocol\":{protocol},\"system\":\"s\",\"version\":\"1\",\"replicas\":{replicas},\
             \"retains\":\"newest-row\",\"positions\":false,\"deletes\":false{merges}"
        ))
    };
    for (command, words) in [
        ("cat".to_owned(), "`{\\\"id\\\":1,\\\"do\\\":\\\"hello\\\""),
        ("exec sleep 60".to_owned(), "nothing within 400ms for hello"),
        ("echo ModuleNotFoundError >&2; exit 7".to_owned(), "(exit status: 7); it said: ModuleNotFoundError"),
        ("exit 0".to_owned(), "(exit status: 0), without a word on standard error"),
        ("exec >&-; sleep 60".to_owned(), "has closed its standard output"),
        ("echo Connecting..; cat".to_owned(), "`Connecting..`"),
        (
            "head -c 17000000 /dev/zero | tr '\\0' x; echo; sleep 60".to_owned(),
            "more than 16777216 bytes: `xxx",
        ),
        (hello("\"protocol\":1"), "missing field `system`"),
        (all(2, "[\"a\"]", ",\"lacks\":[]"), "it speaks protocol 2, and this build speaks 1"),
        (all(1, "[]", ",\"lacks\":[]"), "it names no replicas"),
        (all(1, "[\"a\",\"a\"]", ",\"lacks\":[]"), "it names a replica twice"),
        (all(1, "[\"a\"]", ""), "either `merges` or `lacks`"),
        (all(1, "[\"a\"]", ",\"lacks\":[\"multiply\"]"), "unknown variant `multiply`"),
    ] {
        let told = refused(&command).await;
        assert!(told.contains(words), "{command}: {told}");
    }
    let nowhere = TargetFile { folder: "/nowhere".into(), ..target("cat") };
    let told = Exec.open(&nowhere).await.expect_err("no folder").to_string();
    assert!(told.starts_with("cannot start the adapter `cat` in /nowhere"), "{told}");
}

#[tokio::test]
async fn a_target_file_needs_a_command_and_no_url() {
    assert!(Exec.check(&target("cat")).is_ok());
    assert_eq!(Exec.check(&target(" ")).expect_err("no command").at, "command");
    let with_url = TargetFile { url: "http://a".to_owned(), ..target("cat") };
    assert_eq!(Exec.check(&with_url).expect_err("a URL").at, "url");
}

/// The first answer comes after its time limit, and with it the second in time.
#[tokio::test]
async fn a_late_answer_is_ignored_and_counted() {
    let late = "read -r l; sleep 0.6; echo '{\"id\":2,\"position\":1}'";
    let next = "read -r l; echo '{\"id\":3,\"position\":2}'; cat >/dev/null";
    let store = Exec.open(&after_hello(&format!("{late}; {next}"))).await.expect("it answers");
    let told = store.upstream().await.expect_err("late").to_string();
    assert_eq!(told, "no answer from the adapter: nothing within 400ms for upstream");
    assert_eq!(store.upstream().await.expect("in time"), Some(2));
    let told = store.upstream().await.expect_err("never").to_string();
    assert!(told.ends_with("for upstream; lines that came too late so far: 1"), "{told}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_meant_is_an_error_that_quotes_it() {
    let answers = [
        (r#"{"id":2,"position":1.0}"#, "floating point `1.0`"),
        (r#"{"id":2,"position":18446744073709551616}"#, "no answer to upstream"),
        (r#"{"id":2,"position":-1}"#, "`-1`"),
        (r#"{"id":2}"#, "missing field `position`"),
        (r#"{"id":2,"error":"primary is down"}"#, "the adapter refused: primary is down"),
        (r#"{"position":1}"#, "during upstream, a line without an id: `{\\\"position\\\":1}`"),
        (r#"{"id":1}"#, "a second answer to request 1"),
        (r#"{"id":99,"position":1}"#, "an answer to request 99, which was never asked"),
    ];
    for (answer, words) in answers {
        let file = after_hello(&format!("read -r l; echo '{answer}'; cat >/dev/null"));
        let told = Exec.open(&file).await.expect("hello").upstream().await.expect_err(answer).to_string();
        assert!(told.contains(&words.replace("\\\\\\\"", "\\\"")), "{answer}: {told}");
    }
}

/// A dead adapter is started again, once a second at most. The replica's incarnation is that of the replica.
#[tokio::test]
async fn an_adapter_that_dies_is_started_again_by_the_next_request() {
    let one =
        "read -r l; echo '{\"id\":2,\"incarnation\":9223372036854775809,\"status\":\"up\",\"position\":1}'";
    let mut file = after_hello(&format!("{one}; echo out of cheese >&2; exit 3"));
    file.limits.query_timeout = Nanos(3_000_000_000);
    let store = Exec.open(&file).await.expect("it answers");
    let begun = Instant::now();
    let mut lives = 0;
    for _ in 0..8 {
        match store.replica("a").await {
            Ok(state) => {
                lives += 1;
                assert_eq!(state.incarnation, (1 << 63) + 1);
            }
            Err(error) => {
                let told = error.to_string();
                assert!(told.contains("(exit status: 3); it said: out of cheese"), "{told}");
            }
        }
        sleep(Duration::from_millis(400)).await;
    }
    let took = begun.elapsed().as_secs();
    assert!(lives >= 3 && lives <= took + 2, "{lives} lives in {took} s");
}

/// A folder for the pid of what an adapter started, and the command that writes it.
fn with_child(rest: &str) -> (tempfile::TempDir, TargetFile) {
    let dir = tempfile::tempdir().expect("a folder");
    let pid = dir.path().join("pid").display().to_string();
    let file = after_hello(&format!("sleep 1000 & echo $! > {pid}.new && mv {pid}.new {pid}; {rest}"));
    (dir, file)
}

async fn child_of(dir: &Path) -> ProcessId {
    let pid = dir.join("pid");
    while !pid.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    let number = std::fs::read_to_string(&pid).expect("a number");
    ProcessId::of(number.trim().parse().expect("a number")).expect("it runs")
}

async fn ends_within(child: ProcessId, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while child.state() != ProcessState::Gone && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
    child.state() == ProcessState::Gone
}

/// One adapter sees the end of its input, one does not care, and one has died and left a process behind.
#[tokio::test]
async fn an_adapter_ends_with_its_store_and_takes_its_children_along() {
    for rest in ["cat >/dev/null", "sleep 1000", "exit 1"] {
        let (dir, file) = with_child(rest);
        let store = Exec.open(&file).await.expect("it answers");
        let child = child_of(dir.path()).await;
        drop(store);
        assert!(ends_within(child, Duration::from_secs(10)).await, "{rest}");
    }
}

/// Where the child of the process that is killed writes its pid.
const HELPER: &str = "DISSENT_TEST_KILLED";

/// Started by the next test as a process of its own, which is killed. Otherwise it does nothing.
#[tokio::test]
async fn helper_that_holds_a_store_until_it_is_killed() {
    let Some(dir) = std::env::var_os(HELPER) else { return };
    let pid = Path::new(&dir).join("pid").display().to_string();
    let file = after_hello(&format!("sleep 1000 & echo $! > {pid}.new && mv {pid}.new {pid}; sleep 1000"));
    let store = Exec.open(&file).await.expect("it answers");
    sleep(Duration::from_secs(60)).await;
    drop(store);
}

#[tokio::test]
async fn after_kill_9_of_dissent_no_adapter_is_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let name = "exec::processes::helper_that_holds_a_store_until_it_is_killed";
    let mut helper = Command::new(std::env::current_exe().expect("this program"));
    helper.args(["--exact", name, "--nocapture"]).env(HELPER, dir.path());
    let mut helper = helper.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut first = String::new();
    let mut out = BufReader::new(helper.stdout.take().expect("a pipe"));
    out.read_line(&mut first).expect("a line");
    let child = child_of(dir.path()).await;
    helper.kill().expect("it is ours");
    helper.wait().expect("it ended");
    assert!(ends_within(child, Duration::from_secs(10)).await);
}
