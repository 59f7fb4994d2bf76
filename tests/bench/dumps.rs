//! `dissent compare` on three dumps, beside `sort` and `comm` on the same files.

use super::cost::{Cost, Costs};
use dissent::dumps::digests::Columns;
use dissent::dumps::spec::CompareSpec;
use dissent::run::comparison::{ComparisonSpec, run_comparison};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DUMPS: [&str; 3] = ["a", "b", "c"];
/// One of so many rows is wrong in the last dump.
const WRONG: u64 = 20_000;

/// The whole command, verdict and page, beside sorting the dumps and two calls of `comm`.
pub(crate) fn compare(costs: &mut Costs, rows: u64, dir: &Path) {
    std::fs::create_dir_all(dir).expect("a folder");
    let files: Vec<PathBuf> = DUMPS.iter().map(|name| dir.join(name).with_extension("csv")).collect();
    for (file, name) in files.iter().zip(DUMPS) {
        write(file, rows, name == "c").expect("written");
    }
    let all = rows * files.len() as u64;
    let sort = Cost::of(|| {
        let sorted: Vec<PathBuf> = files.iter().map(|file| file.with_extension("sorted")).collect();
        for (file, sorted) in files.iter().zip(&sorted) {
            run("sort", &[Path::new("-o"), sorted, file]);
        }
        for other in &sorted[1..] {
            run("comm", &[Path::new("-3"), &sorted[0], other]);
        }
    });
    let compare = Cost::of(|| {
        let judged = run_comparison(spec(&files), &dir.join("results"), &mut |_, _| {}).expect("judged");
        let comparison = judged.verdict.comparison.expect("a comparison");
        assert_eq!(comparison.keys_differing, rows.div_ceil(WRONG));
    });
    costs.tell("compare", compare, (all, "rows"), ("sort and comm", sort));
}

fn write(file: &Path, rows: u64, is_wrong: bool) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    writeln!(out, "id,owner,balance,opened")?;
    for id in 0..rows {
        let wrong = if is_wrong && id % WRONG == 0 { "x" } else { "" };
        writeln!(out, "{id},owner-{id}{wrong},{}.{:02},2026-01-01T00:00:00Z", id * 7 % 10_000, id % 100)?;
    }
    out.flush()
}

/// Runs a program to its end, without its output.
pub(crate) fn run(program: &str, args: &[&Path]) {
    let status = Command::new(program).args(args).env("LC_ALL", "C").stdout(Stdio::null()).status();
    assert!(status.expect("it starts").success(), "{program}");
}

fn spec(files: &[PathBuf]) -> ComparisonSpec {
    let columns = Columns { key: vec!["id".to_owned()], ..Columns::default() };
    ComparisonSpec {
        dumps: files.iter().map(|file| file.display().to_string()).collect(),
        later: Vec::new(),
        expected: None,
        log: None,
        compare: CompareSpec {
            columns,
            settled: true,
            merges: BTreeMap::new(),
            memory: 256 << 20,
            ..CompareSpec::default()
        },
        shows_values: false,
        command: Vec::new(),
        known: None,
    }
}
