//! From recorded evidence to a verdict and its reports, beside the data it rests on.

use crate::exit::Exit;
use crate::report::html::timeline::Timeline;
use crate::report::{html, json, junit, markdown};
use dissent_core::checker::judge::{Oracle, judge, judge_seeing};
use dissent_core::checker::known_issues::acknowledge;
use dissent_core::checker::self_test::{SelfTest, self_test};
use dissent_core::checker::verdict::Verdict;
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::{RunMeta, RunRecord};
use dissent_store::writer::{StoreError, replace_file};
use std::path::{Path, PathBuf};

/// The verdict as JSON.
pub const VERDICT: &str = "verdict.json";
/// The summary for the page of a CI job.
pub const SUMMARY: &str = "summary.md";
/// The checks for a CI system.
pub const JUNIT: &str = "junit.xml";
/// The page.
pub const REPORT: &str = "report.html";

/// A run that was judged.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// What is known of it.
    pub meta: RunMeta,
    /// The verdict.
    pub verdict: Verdict,
    /// Its exit code.
    pub exit: Exit,
    /// What the self-test came to, if one was asked for.
    pub self_test: Option<SelfTest>,
    /// Its folder, if it was kept.
    pub folder: Option<PathBuf>,
    /// What goes above the verdict's own exit code.
    over: Exit,
    page: Option<PathBuf>,
    timeline: Option<Timeline>,
}

impl JudgedRun {
    /// Judges evidence; `over` is an exit code that goes above the verdict's own.
    pub fn new(evidence: &dyn RunRecord, over: Exit) -> JudgedRun {
        JudgedRun::of(evidence.meta(), judge(evidence), over)
    }

    /// As `new`, for a run whose page is surely wanted: what it tells of the events is noted on the way, so
    /// that a large run's are read once.
    pub fn for_page(evidence: &dyn RunRecord, oracle: Oracle, over: Exit) -> JudgedRun {
        let mut timeline = Timeline::default();
        let verdict = judge_seeing(evidence, oracle, &mut |t, moment| timeline.take(t, moment));
        JudgedRun { timeline: Some(timeline), ..JudgedRun::of(evidence.meta(), verdict, over) }
    }

    fn of(meta: &RunMeta, verdict: Verdict, over: Exit) -> JudgedRun {
        let exit = over.worst(Exit::from(verdict.outcome));
        let meta = meta.clone();
        JudgedRun { meta, verdict, exit, self_test: None, folder: None, over, page: None, timeline: None }
    }

    /// Says which findings are known.
    pub fn acknowledge(&mut self, list: &KnownIssues) {
        acknowledge(&mut self.verdict, &self.meta, list);
        self.settle();
    }

    /// What the process ends with.
    fn settle(&mut self) {
        let proved = self.self_test.as_ref().map_or(Exit::Pass, |test| match test {
            SelfTest::Found { .. } => Exit::Pass,
            SelfTest::Missed { .. } => Exit::Bug,
            SelfTest::NotDone { .. } => Exit::Inconclusive,
        });
        self.exit = self.over.worst(Exit::from(self.verdict.outcome)).worst(proved);
    }

    /// Demands of the judge that it finds a row which is changed on purpose. A judge that does not is broken,
    /// and so is its verdict; where no row can be changed, the verdict is not proved.
    pub fn self_test_with(&mut self, evidence: &dyn RunRecord) {
        self.self_test = Some(self_test(evidence, &self.verdict));
        self.settle();
    }

    /// Writes verdict, summary and page into the run's folder. `suffix` keeps older ones from being replaced.
    pub fn write(&mut self, evidence: &dyn RunRecord, dir: &Path, suffix: &str) -> Result<(), StoreError> {
        let file = dir.join(suffixed(VERDICT, suffix));
        let text = json::verdict_json(&self.verdict, &self.meta, self.exit as u8)
            .map_err(|error| StoreError::Io { action: "write", file: file.clone(), source: error.into() })?;
        replace_file(&file, text.as_bytes())?;
        let summary = markdown::summary(&self.verdict, &self.meta);
        replace_file(&dir.join(suffixed(SUMMARY, suffix)), summary.as_bytes())?;
        let suite = junit::suite(&self.verdict, &self.meta);
        replace_file(&dir.join(suffixed(JUNIT, suffix)), suite.as_bytes())?;
        let timeline = self.timeline.take().unwrap_or_else(|| Timeline::of(evidence));
        let page = html::page(&self.verdict, &self.meta, &timeline);
        let file = dir.join(suffixed(REPORT, suffix));
        replace_file(&file, page.as_bytes())?;
        self.page = Some(file);
        self.folder = Some(dir.to_owned());
        Ok(())
    }

    /// The page's path, if there is one.
    pub fn report(&self) -> Option<PathBuf> {
        self.page.clone()
    }
}

fn suffixed(name: &str, suffix: &str) -> String {
    match name.split_once('.') {
        Some((stem, ending)) if !suffix.is_empty() => format!("{stem}-{suffix}.{ending}"),
        _ => name.to_owned(),
    }
}
