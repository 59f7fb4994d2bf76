//! The fuzz targets under `cargo test`: the whole corpus, then seeded mutations of it. `FUZZ_SECONDS` sets
//! how long mutations continue. `fuzz/README.md` says how libFuzzer drives the same targets.

mod targets;

use dissent_core::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

/// Enough to see a broken target; `evidence` judges a whole run for each input.
const MUTATIONS: u32 = 750;
/// No input, however bad, takes longer: a hang fails here, not when somebody loses patience.
const LONGEST: Duration = Duration::from_secs(10);
/// Numbers at which arithmetic tends to break.
const NUMBERS: [&str; 10] = [
    "0",
    "1",
    "-1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "null",
];

#[test]
fn answers_of_a_target() {
    fuzz("answers");
}

#[test]
fn lines_as_a_runs_record() {
    fuzz("evidence");
}

#[test]
fn files_of_frames() {
    fuzz("frames");
}

#[test]
fn lines_of_a_runs_folder() {
    fuzz("lines");
}

#[test]
fn workloads_and_nemesis_plans() {
    fuzz("tables");
}

#[test]
fn every_target_has_a_corpus_and_a_test() {
    let this = include_str!("fuzz.rs");
    for (name, _) in TARGETS {
        assert!(this.contains(&format!("    fuzz(\"{name}\");")), "no test runs {name}");
    }
}

#[expect(clippy::print_stderr, reason = "shown where somebody watches")]
#[expect(clippy::disallowed_methods, reason = "somebody waits for so long")]
fn fuzz(name: &str) {
    let target = *TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let corpus = corpus(name);
    assert!(corpus.len() > 3, "the corpus of {name} is gone");
    for (file, bytes) in &corpus {
        holds(target, bytes, &file.display().to_string());
    }
    let seconds = std::env::var("FUZZ_SECONDS").ok().map(|text| text.parse().expect("whole seconds"));
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let more = |done: u32| until.map_or(done < MUTATIONS, |until| Instant::now() < until);
    let mut done = 0;
    while more(done) {
        let mut rng = Seed(u64::from(done)).stream(Stream::World);
        let input = mutated(&mut rng, &corpus);
        holds(target, &input, &format!("mutation {done}"));
        done += 1;
    }
    eprintln!("{name}: {} files, {done} mutations", corpus.len());
}

/// Runs the target, and keeps an input that breaks it in a file.
#[expect(clippy::disallowed_methods, reason = "a hang is real time")]
fn holds(target: Target, input: &[u8], what: &str) {
    let begun = Instant::now();
    let held = std::panic::catch_unwind(|| (target.1)(input)).is_ok();
    let took = begun.elapsed();
    if !held || took > LONGEST {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-broken", target.0));
        std::fs::write(&file, input).expect("a file to look at");
        panic!(
            "{what} of {} {} after {took:?}: {}",
            target.0,
            if held { "ends" } else { "panics" },
            file.display()
        );
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).expect("the corpus").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.map(|file| (file.clone(), std::fs::read(file).expect("bytes"))).collect();
    files.sort();
    files
}

fn mutated(rng: &mut ChaCha8Rng, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = pick(rng, corpus).1.clone();
    for _ in 0..=below(rng, 4) {
        let at = place(rng, bytes.len());
        let end = at + place(rng, (bytes.len() - at).min(64));
        match below(rng, 7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => number(rng, &mut bytes, at),
            4 => {
                let other = &pick(rng, corpus).1;
                let from = place(rng, other.len());
                let to = from + place(rng, (other.len() - from).min(256));
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << below(rng, 8),
            _ => bytes.push(below(rng, 256) as u8),
        }
    }
    bytes
}

/// Replaces the next number with another one.
fn number(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, at: usize) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) else { return };
    let start = at + start;
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    drop(bytes.splice(start..start + digits, pick(rng, &NUMBERS).bytes()));
}

/// A place in `0..=length`.
fn place(rng: &mut ChaCha8Rng, length: usize) -> usize {
    below(rng, length as u32 + 1) as usize
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[below(rng, from.len() as u32) as usize]
}
