//! A sweep on a cluster that outlives its runs leaves no table there, unless it is told to.

use std::path::Path;
use std::process::Command;

/// The requests that an adapter got during a sweep of one run.
fn requests(more: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec/reference.py");
    let target = format!(
        "system = \"exec\"\ncommand = \"tee -a requests | python3 '{}'\"\n[allow]\nwrites = true\n\
         [limits]\nquery-timeout = \"20s\"\n",
        adapter.display()
    );
    let plan = format!(
        "runs = 1\n{more}\n[[arm]]\ntarget = \"./mine.toml\"\nworkload = \"steady\"\nnemesis = \"none\"\n\
         options = {{ for = \"1s\" }}\n"
    );
    std::fs::write(folder.path().join("mine.toml"), target).expect("a file");
    std::fs::write(folder.path().join("night.toml"), plan).expect("a file");
    let mut sweep = Command::new(env!("CARGO_BIN_EXE_dissent"));
    sweep.args(["sweep", "./night.toml", "--results", "results"]).current_dir(folder.path());
    let output = sweep.output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains("stays"), "{told}");
    std::fs::read_to_string(folder.path().join("requests")).expect("it was asked")
}

#[test]
fn a_sweep_drops_the_table_of_each_run() {
    let asked = |requests: &str, what: &str| requests.matches(&format!("\"do\":\"{what}\"")).count();
    let all = requests("");
    assert_eq!((asked(&all, "make-table"), asked(&all, "remove")), (1, 1), "{all}");
    let kept = requests("keep-tables = true");
    assert_eq!((asked(&kept, "make-table"), asked(&kept, "remove")), (1, 0), "{kept}");
}
