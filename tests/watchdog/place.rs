//! Places for a test: a folder of results whose runs leave no process behind, and a cluster outside any run.
//! Both end with the test.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

/// Waits for a condition. Only a failure reaches the time-out.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came to this: {what}");
}

pub(crate) fn dissent(results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.env("DISSENT_RESULTS", results).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

pub(crate) fn run(results: &Path, words: &[&str]) -> Output {
    dissent(results).args(words).output().expect("the program starts")
}

pub(crate) fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?}\n{out}\n{err}", output.status.code())
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// The letter for the state of a process; none if it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// All processes that were started, directly or not, by a program with this folder of results.
pub(crate) fn processes_of(results: &Path) -> Vec<(u32, String)> {
    let wanted = format!("DISSENT_RESULTS={}\0", results.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&wanted) {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&words).replace('\0', " ")));
        }
    }
    found
}

/// A run whose standard error is read.
pub(crate) struct Watched {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Watched {
    pub(crate) fn start(results: &Path, words: &[&str]) -> Watched {
        let mut command = dissent(results);
        let mut child = command
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        Watched { child, lines }
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) {
        let mut before = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line.contains(part) {
                return;
            }
            before.push(line);
        }
        panic!("it never said `{part}`: {before:#?}");
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it ends");
    }

    /// Waits for the end, and returns the exit code and the rest of the output.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut text: String = self.lines.by_ref().map_while(Result::ok).map(|line| line + "\n").collect();
        self.child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
        (self.child.wait().expect("it ends").code(), text)
    }
}

/// A cluster outside any run.
pub(crate) struct Outside {
    cluster: Child,
    dir: tempfile::TempDir,
}

impl Outside {
    /// Servers that hold segments.
    pub(crate) fn start(set: &[&str]) -> Outside {
        Outside::of("segments", set)
    }

    /// Servers that hold `segments`, or writers that share a `shard`.
    pub(crate) fn of(role: &str, set: &[&str]) -> Outside {
        let dir = tempfile::tempdir().expect("a folder");
        let set = set.iter().flat_map(|pair| ["--set", pair]);
        let cluster = Command::new(env!("CARGO_BIN_EXE_dissent"))
            .args(["specimen", role, "--target-file"])
            .arg(dir.path().join("target.toml"))
            .args(set)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let outside = Outside { cluster, dir };
        until("a target file", || outside.path().exists());
        outside
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("target.toml")
    }

    /// The target file's path.
    pub(crate) fn file(&self) -> String {
        self.path().display().to_string()
    }

    /// The controller's process.
    pub(crate) fn controller(&self) -> u32 {
        let words =
            format!("specimen controller --config {}", self.path().with_extension("cluster").display());
        let found = Command::new("pgrep").args(["-f", &words]).output().expect("pgrep is there").stdout;
        String::from_utf8_lossy(&found).trim().parse().expect("one controller")
    }

    /// The supervisor's `host:port`.
    pub(crate) fn address(&self) -> String {
        let text = std::fs::read_to_string(self.path()).expect("a target file");
        let url = text.lines().find_map(|line| line.strip_prefix("url = \"http://"));
        url.expect("a url").trim_end_matches('"').to_owned()
    }

    /// Asks the supervisor, or the controller for a path under `admin`.
    pub(crate) fn ask(&self, path: &str) -> serde_json::Value {
        let address = if path.starts_with("/admin") {
            self.ask("/cluster")["service"].as_str().expect("there is a table").to_owned()
        } else {
            self.address()
        };
        let body = http(&address, &format!("GET {path} HTTP/1.1"), "");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Makes the lock of this run last.
    pub(crate) fn lock(&self, run: &str) {
        lock(&self.address(), run);
    }

    /// Lifts every hold in force, without a cure.
    pub(crate) fn release_holds(&self) {
        let controller = self.ask("/cluster")["service"].as_str().expect("there is a table").to_owned();
        for hold in self.ask("/admin/holds").as_array().expect("holds") {
            let body = serde_json::json!({ "id": hold["id"] }).to_string();
            http(&controller, "POST /admin/release HTTP/1.1", &body);
        }
    }

    /// Takes the lock from whoever has it.
    pub(crate) fn unlock(&self, run: &str) {
        let body = serde_json::json!({ "run": run }).to_string();
        http(&self.address(), "POST /unlock HTTP/1.1", &body);
    }

    /// What is in force at the target, by its own marks.
    pub(crate) fn marks(&self) -> Vec<serde_json::Value> {
        self.ask("/marks").as_object().expect("marks").values().cloned().collect()
    }

    /// The process that the cure of a mark is for.
    pub(crate) fn victim(&self) -> u32 {
        let pid = self.marks()[0]["undo"]["process"]["pid"].as_u64().expect("a process");
        u32::try_from(pid).expect("a number of a process")
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.cluster.stdin.take());
        // Its children end with it.
        drop(self.cluster.wait());
    }
}

/// Makes the lock of a run last at the supervisor with this address, as if the run renewed it for ten
/// minutes.
pub(crate) fn lock(address: &str, run: &str) {
    let body = serde_json::json!({ "owner": "me@here", "run": run, "for_ms": 600_000 }).to_string();
    http(address, "POST /lock HTTP/1.1", &body);
}

fn http(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let rest = "Host: a\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\n{rest}\r\nContent-Length: {length}\r\n\r\n{body}").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}
