//! Progress of a run on standard error: a live line on a terminal, otherwise, and with `-v`, one line per
//! event.

use super::output;
use crate::run::observer::{LiveLines, Observer, stamp};
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A progress bar that counts runs.
pub(super) fn counting(runs: u32) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(u64::from(runs)), draw_target());
    bar.set_style(style("{spinner} {pos}/{len} runs  {elapsed}  {msg}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A progress bar for a search that has no known end.
pub(super) fn searching() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, draw_target());
    bar.set_style(style("{spinner} {pos} tries  {elapsed}  {msg}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A progress bar that counts chunks.
pub(super) fn chunks() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), draw_target());
    bar.set_style(style("{spinner} {pos}/{len} chunks  {elapsed}  {eta} left"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A progress bar that counts bytes.
pub(super) fn reading(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), draw_target());
    bar.set_style(style("{spinner} {bytes}/{total_bytes}  {elapsed}  {eta} left"));
    bar
}

fn draw_target() -> ProgressDrawTarget {
    if output::is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Shows the progress of one run.
pub(super) struct ProgressWatch {
    bar: Option<ProgressBar>,
    phase: Phase,
    done: u64,
    unanswered: u64,
    captures: u32,
    faults: Vec<String>,
    lines: LiveLines,
}

impl ProgressWatch {
    pub(super) fn new() -> ProgressWatch {
        let is_line = output::is_watched() && !output::is_quiet() && !output::is_verbose();
        let bar = is_line.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(style("{spinner} {elapsed}  {msg}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        ProgressWatch {
            bar,
            phase: Phase::SetUp,
            done: 0,
            unanswered: 0,
            captures: 0,
            faults: Vec::new(),
            lines: if output::is_verbose() { LiveLines::verbose() } else { LiveLines::default() },
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self) -> String {
        let mut line = format!("{}  {} ops", stored_name(&self.phase), self.done);
        if self.unanswered > 0 {
            line.push_str(&format!(" ({} in flight)", self.unanswered));
        }
        line.push_str(&format!("  {} captures", self.captures));
        if !self.faults.is_empty() {
            line.push_str(&format!("  in force: {}", self.faults.join(", ")));
        }
        line
    }
}

impl Observer for ProgressWatch {
    fn event(&mut self, now: Nanos, event: &Event) {
        match event {
            Event::Phase { phase } => self.phase = *phase,
            Event::Invoke { .. } => self.unanswered += 1,
            Event::Complete { .. } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.done += 1;
            }
            Event::CaptureBegin { .. } => self.captures += 1,
            Event::FaultBegun { step, error: None } => self.faults.push(step.clone()),
            Event::Cured { step, .. } => self.faults.retain(|fault| fault != step),
            _ => {}
        }
        match (&self.bar, self.lines.of(event)) {
            (Some(bar), _) => bar.set_message(self.line()),
            (None, Some(line)) => output::progress(&format!("{}  {line}", stamp(now))),
            (None, None) => {}
        }
    }
}
