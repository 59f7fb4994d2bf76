//! How a run goes, on standard error: a live line on a terminal, a line a phase elsewhere.

use super::tell;
use crate::record::event::{Event, Phase};
use crate::record::row::Nanos;
use crate::run::live::Live;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar that counts runs.
pub(super) fn counting(runs: u32) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(u64::from(runs)), ProgressDrawTarget::stderr());
    bar.set_style(style("{spinner} {pos}/{len} runs  {elapsed}  {msg}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Shows one run.
pub(super) struct Watch {
    bar: Option<ProgressBar>,
    phase: Phase,
    done: u64,
    unanswered: u64,
    captures: u32,
    faults: Vec<String>,
}

impl Watch {
    pub(super) fn new() -> Watch {
        let bar = tell::is_watched().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(style("{spinner} {elapsed}  {msg}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Watch { bar, phase: Phase::SetUp, done: 0, unanswered: 0, captures: 0, faults: Vec::new() }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self) -> String {
        let mut line = format!("{}  {} ops", phase_name(self.phase), self.done);
        if self.unanswered > 0 {
            line.push_str(&format!(" ({} in flight)", self.unanswered));
        }
        line.push_str(&format!("  {} captures", self.captures));
        if !self.faults.is_empty() {
            line.push_str(&format!("  in force: {}", self.faults.join(", ")));
        }
        line
    }

    fn say(&self, now: Nanos, text: &str) {
        if self.bar.is_none() {
            let ms = now.0 / 1_000_000;
            tell::aside(&format!("{:>4}.{:03}s  {text}", ms / 1000, ms % 1000));
        }
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::SetUp => "set-up",
        Phase::Calibrate => "calibrate",
        Phase::Load => "load",
        Phase::Heal => "heal",
        Phase::Quiesce => "quiesce",
        Phase::Capture => "capture",
        Phase::Ending => "ending",
        Phase::Done => "reading the log",
    }
}

impl Live for Watch {
    fn event(&mut self, now: Nanos, event: &Event) {
        match event {
            Event::Phase { phase } => {
                self.phase = *phase;
                self.say(now, &self.line());
            }
            Event::Invoke { .. } => self.unanswered += 1,
            Event::Complete { .. } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.done += 1;
            }
            Event::CaptureBegin { .. } => self.captures += 1,
            Event::FaultBegun { step, error: None } => {
                self.faults.push(step.clone());
                self.say(now, &format!("{step}: in force"));
            }
            Event::Cured { step, error } => {
                self.faults.retain(|fault| fault != step);
                let told =
                    error.as_deref().map_or("cured".to_owned(), |error| format!("cure failed: {error}"));
                self.say(now, &format!("{step}: {told}"));
            }
            Event::Interrupted { by } => self.say(now, &format!("interrupted by {by}: curing, within 5 s")),
            _ => {}
        }
        if let Some(bar) = &self.bar {
            bar.set_message(self.line());
        }
    }
}
