//! What a job costs, as a multiple of another one in the same session.

use std::collections::BTreeMap;
use std::time::Instant;

/// How often a job is done.
const ROUNDS: usize = 5;
/// A job whose multiple of CPU time is so many times the written one has become slow. Wall time is told, but
/// a busy machine changes its multiple: a job on all cores waits where one on a single core does not.
const SLOWER: f64 = 2.0;

/// Seconds of wall time and of CPU time on all cores: medians of a few rounds.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    wall: f64,
    cpu: f64,
}

impl Cost {
    /// What a job costs.
    pub(crate) fn of(mut job: impl FnMut()) -> Cost {
        let round = || {
            let (began, busy) = (Instant::now(), cpu_seconds());
            job();
            (began.elapsed().as_secs_f64(), cpu_seconds() - busy)
        };
        let rounds: Vec<(f64, f64)> = std::iter::repeat_with(round).take(ROUNDS).collect();
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let (walls, cpus) = rounds.into_iter().unzip();
        Cost { wall: median(walls), cpu: median(cpus) }
    }
}

/// The jobs so far, and the multiples of CPU time that README.md has.
pub(crate) struct Costs {
    written: BTreeMap<&'static str, f64>,
    slower: Vec<String>,
}

impl Costs {
    /// Reads the table of README.md: a job, what it is compared with, and its multiples of wall and CPU time.
    pub(crate) fn new() -> Costs {
        let row = |line: &'static str| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.strip_suffix('`')?;
            Some((name, cells.nth(2)?.split(' ').next()?.parse().ok()?))
        };
        let written = include_str!("README.md").lines().filter_map(row).collect();
        Costs { written, slower: Vec::new() }
    }

    /// Prints what a job cost, beside another one: its name and cost.
    pub(crate) fn tell(&mut self, name: &str, cost: Cost, (count, unit): (u64, &str), of: (&str, Cost)) {
        let (other, baseline) = of;
        let rate = count as f64 / cost.wall;
        let Cost { wall, cpu } = cost;
        let multiple = cpu / baseline.cpu;
        print!("{name:<26} {wall:>7.3} s wall {cpu:>7.3} s CPU {rate:>12.0} {unit}/s");
        println!("  {:.2} x wall, {multiple:.2} x CPU of {other}", wall / baseline.wall);
        match self.written.get(name) {
            Some(written) if multiple > written * SLOWER => {
                self.slower
                    .push(format!("{name}: {multiple:.2} x CPU of {other}, and README.md says {written}"));
            }
            Some(_) => {}
            None => self.slower.push(format!("{name} is not in the table of README.md")),
        }
    }

    /// Fails if a job has become slow.
    pub(crate) fn end(self) {
        assert!(self.slower.is_empty(), "{}", self.slower.join("\n"));
    }
}

/// The CPU time of this process and of its children that ended, on all cores, in seconds; 0 where the system
/// cannot tell.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
