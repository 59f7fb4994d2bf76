//! Judges a record, and writes the verdict and its reports next to the data.

use crate::exit::Exit;
use crate::report::html::timeline::Timeline;
use crate::report::run_facts::RunFacts;
use crate::report::{html, json, junit, keys, markdown};
use dissent_core::campaign::coverage::RunCoverage;
use dissent_core::campaign::overlaps::Overlaps;
use dissent_core::campaign::write_latency::{WriteLatency, WriteTimes};
use dissent_core::campaign::writer_race::{RaceWatch, WriterRace};
use dissent_core::checker::judge::{Oracle, judge_seeing};
use dissent_core::checker::known_issues::acknowledge;
use dissent_core::checker::self_test::{SelfTest, self_test};
use dissent_core::checker::verdict::Verdict;
use dissent_core::checker::verdict::known_issue::KnownIssues;
use dissent_core::history::run_record::{EventRef, RunMeta, RunRecord};
use dissent_core::history::time::Nanos;
use dissent_store::writing::{StoreError, replace_file};
use std::path::{Path, PathBuf};

/// The file with the verdict as JSON.
pub const VERDICT: &str = "verdict.json";
/// The file with the summary for a CI job's page.
pub const SUMMARY: &str = "summary.md";
/// The file with the checks for a CI system.
pub const JUNIT: &str = "junit.xml";
/// The file with the affected keys for scripts.
pub const KEYS: &str = "keys.jsonl";
/// The file with the HTML report.
pub const REPORT: &str = "report.html";

/// A run with its verdict.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// The metadata of the run.
    pub meta: RunMeta,
    /// The verdict of the judge, with known findings marked.
    pub verdict: Verdict,
    /// The exit code of the run.
    pub exit: Exit,
    /// The result of the self-test. None if it was not requested.
    pub self_test: Option<SelfTest>,
    /// The run's folder. None if it was not kept.
    pub folder: Option<PathBuf>,
    /// Which faults overlapped which events.
    pub coverage: RunCoverage,
    /// How long its acknowledged writes took. None if there are none.
    pub write_latency: Option<WriteLatency>,
    /// How its writers raced each other, if they share a shard and tell.
    pub writer_race: Option<WriterRace>,
    /// The name of its folder, or the name that a folder would have.
    pub name: String,
    /// From the start of the run to its last event.
    duration: Nanos,
    /// An exit code that the run's own must not be better than.
    minimum_exit: Exit,
    page: Option<PathBuf>,
    timeline: Option<Timeline>,
}

/// What a campaign counts of a run besides its verdict, while its events are read. A record that is only
/// checked again does without: the times of its writes take memory that grows with the run.
struct CampaignFigures {
    overlaps: Overlaps,
    writes: WriteTimes,
    race: RaceWatch,
}

impl CampaignFigures {
    fn of(meta: &RunMeta) -> CampaignFigures {
        CampaignFigures {
            overlaps: Overlaps::of(meta),
            writes: WriteTimes::default(),
            race: RaceWatch::of(meta),
        }
    }

    fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        self.overlaps.take(t, moment);
        self.writes.take(t, moment);
        self.race.take(t, moment);
    }

    fn added_to(self, judged: JudgedRun) -> JudgedRun {
        let (coverage, write_latency) = (self.overlaps.coverage(), self.writes.latency());
        let writer_race = self.race.race(&judged.verdict);
        JudgedRun { coverage, write_latency, writer_race, ..judged }
    }
}

impl JudgedRun {
    /// Judges a record. `over` is an exit code that the result is never better than.
    pub fn new(record: &dyn RunRecord, over: Exit) -> JudgedRun {
        let duration = record.events().last().map_or(Nanos(0), |event| event.t);
        let mut figures = CampaignFigures::of(record.meta());
        let see = &mut |t, moment: EventRef<'_>| figures.take(t, moment);
        let verdict = judge_seeing(record, Oracle::default(), see);
        figures.added_to(JudgedRun { duration, ..JudgedRun::of(record.meta(), verdict, over) })
    }

    /// Like [`JudgedRun::new`], for a run that has just ended and whose page will be written.
    pub fn for_run(record: &dyn RunRecord, over: Exit) -> JudgedRun {
        let mut figures = CampaignFigures::of(record.meta());
        let see = &mut |t, moment: EventRef<'_>| figures.take(t, moment);
        let judged = JudgedRun::with_timeline(record, Oracle::default(), over, see);
        figures.added_to(judged)
    }

    /// The same, for a record that counts in no campaign.
    pub fn for_page(record: &dyn RunRecord, oracle: Oracle, over: Exit) -> JudgedRun {
        JudgedRun::with_timeline(record, oracle, over, &mut |_, _| ())
    }

    /// Collects the timeline during judging, so the events of a large run are read once. `see` sees them too.
    fn with_timeline(
        record: &dyn RunRecord,
        oracle: Oracle,
        over: Exit,
        see: &mut dyn FnMut(Nanos, EventRef<'_>),
    ) -> JudgedRun {
        let mut timeline = Timeline::default();
        let verdict = judge_seeing(record, oracle, &mut |t, moment| {
            timeline.take(t, moment);
            see(t, moment);
        });
        let (duration, timeline) = (timeline.end, Some(timeline));
        JudgedRun { duration, timeline, ..JudgedRun::of(record.meta(), verdict, over) }
    }

    /// A verdict on contents that were read, without a record of events. `duration` is how long it took.
    pub fn of_contents(meta: &RunMeta, verdict: Verdict, duration: Nanos) -> JudgedRun {
        let timeline = Some(Timeline::default());
        JudgedRun { duration, timeline, ..JudgedRun::of(meta, verdict, Exit::Pass) }
    }

    fn of(meta: &RunMeta, verdict: Verdict, over: Exit) -> JudgedRun {
        let exit = over.worst(Exit::from(verdict.outcome));
        let meta = meta.clone();
        JudgedRun {
            meta,
            verdict,
            exit,
            self_test: None,
            folder: None,
            coverage: RunCoverage::default(),
            write_latency: None,
            writer_race: None,
            name: String::new(),
            duration: Nanos(0),
            minimum_exit: over,
            page: None,
            timeline: None,
        }
    }

    /// Marks the findings in this list as known.
    pub fn acknowledge(&mut self, list: &KnownIssues) {
        acknowledge(&mut self.verdict, &self.meta, list);
        self.update_exit();
    }

    /// Recomputes the exit code.
    fn update_exit(&mut self) {
        let proved = self.self_test.as_ref().map_or(Exit::Pass, |test| match test {
            SelfTest::Found { .. } => Exit::Pass,
            SelfTest::Missed { .. } => Exit::Bug,
            SelfTest::NotDone { .. } => Exit::Inconclusive,
        });
        self.exit = self.minimum_exit.worst(Exit::from(self.verdict.outcome)).worst(proved);
    }

    /// Changes a row on purpose and requires that the judge finds it. If the judge does not, it is broken and
    /// so is the verdict. If no row can be changed, the verdict is not proved.
    pub fn self_test_with(&mut self, record: &dyn RunRecord) {
        self.self_test = Some(self_test(record, &self.verdict));
        self.update_exit();
    }

    /// Writes verdict, summary and page into the run folder. A non-empty `suffix` keeps earlier files.
    pub fn write(&mut self, record: &dyn RunRecord, dir: &Path, suffix: &str) -> Result<(), StoreError> {
        self.timeline.get_or_insert_with(|| Timeline::of(record));
        self.write_reports(dir, suffix)
    }

    /// Writes verdict, summary and page of a run whose timeline is known.
    pub fn write_reports(&mut self, dir: &Path, suffix: &str) -> Result<(), StoreError> {
        self.folder = Some(dir.to_owned());
        self.name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let timeline = self.timeline.take().unwrap_or_default();
        let page = html::page(&self.verdict, &self.meta, &timeline);
        let file = dir.join(suffixed(REPORT, suffix));
        replace_file(&file, page.as_bytes())?;
        self.page = Some(file);
        let (facts, file) = (self.facts(), dir.join(suffixed(VERDICT, suffix)));
        let text = json::verdict_json(&self.verdict, &self.meta, &facts, self.exit as u8);
        replace_file(&file, encoded(text, &file)?.as_bytes())?;
        let file = dir.join(suffixed(KEYS, suffix));
        let text = keys::lines(&self.verdict, &self.meta, &facts);
        replace_file(&file, encoded(text, &file)?.as_bytes())?;
        let summary = markdown::summary(&self.verdict, &self.meta);
        replace_file(&dir.join(suffixed(SUMMARY, suffix)), summary.as_bytes())?;
        let suites = junit::document(&self.verdict, &self.meta, &facts);
        replace_file(&dir.join(suffixed(JUNIT, suffix)), suites.as_bytes())
    }

    /// What reports say besides the metadata and the verdict.
    pub fn facts(&self) -> RunFacts {
        let (name, folder, report) = (self.name.clone(), self.folder.clone(), self.page.clone());
        RunFacts { name, duration: self.duration, folder, report }
    }

    /// The path of the HTML report. None before [`JudgedRun::write`].
    pub fn report(&self) -> Option<PathBuf> {
        self.page.clone()
    }
}

fn encoded(text: serde_json::Result<String>, file: &Path) -> Result<String, StoreError> {
    text.map_err(|error| StoreError::Io { action: "write", file: file.to_owned(), source: error.into() })
}

fn suffixed(name: &str, suffix: &str) -> String {
    match name.split_once('.') {
        Some((stem, ending)) if !suffix.is_empty() => format!("{stem}-{suffix}.{ending}"),
        _ => name.to_owned(),
    }
}
