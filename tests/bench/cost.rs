//! What a job costs, beside a baseline of the same session.

use super::ROUNDS;
use std::time::Instant;

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

    /// Prints it; with a baseline, as a multiple of that: its name and cost.
    pub(crate) fn tell(self, what: &str, count: u64, unit: &str, baseline: Option<(&str, Cost)>) {
        let Cost { wall, cpu } = self;
        let ratio = baseline.map_or(String::new(), |(name, other)| {
            format!("  {:.2} x wall, {:.2} x CPU of {name}", wall / other.wall, cpu / other.cpu)
        });
        let rate = count as f64 / wall;
        println!("{what:<34} {wall:>7.3} s wall {cpu:>7.3} s CPU {rate:>12.0} {unit}/s{ratio}");
    }
}

/// The CPU time of this process and of its children that ended, on all cores, in seconds; 0 where the system
/// cannot tell.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
