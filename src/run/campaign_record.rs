//! The files of a campaign: its verdicts as one `verdict.json`, and one `junit.xml` with a suite per run.
//! Each run is written when it ends, so memory does not grow with their number.

use super::folder_name::{in_fresh_folder, name_of};
use super::judging::{JUNIT, JudgedRun, VERDICT};
use super::run_spec::RunSpec;
use crate::report::{json, junit};
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::seed::Seed;
use dissent_store::writing::{StoreError, create_folder, failed};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The suffix of a file that is not whole yet.
const PART: &str = ".part";

/// The files of a campaign that is going on.
#[must_use = "the files are whole only after `end`"]
pub struct CampaignRecord {
    results: PathBuf,
    wanted: String,
    /// None until a run has ended, or failed.
    files: Option<CampaignFiles>,
    /// The first error; nothing is written after it.
    failed: Option<StoreError>,
}

struct CampaignFiles {
    dir: PathBuf,
    verdicts: BufWriter<File>,
    suites: BufWriter<File>,
    runs: u32,
}

impl CampaignRecord {
    /// The record of a campaign. Its folder is created when its first run has ended. The name begins with
    /// `campaign`, so that a pattern that names runs does not name it.
    pub fn new(results: &Path, spec: &RunSpec, first: Seed, runs: u32) -> CampaignRecord {
        let wanted = format!("campaign-{}-runs{runs}", name_of(spec, first));
        CampaignRecord { results: results.to_owned(), wanted, files: None, failed: None }
    }

    /// The folder. None before the first run.
    pub fn folder(&self) -> Option<&Path> {
        self.files.as_ref().map(|files| files.dir.as_path())
    }

    /// Adds a run.
    pub fn add(&mut self, judged: &JudgedRun) {
        if self.failed.is_some() {
            return;
        }
        let files = match self.files.take() {
            Some(files) => Ok(files),
            None => CampaignFiles::create(&self.results, &self.wanted),
        };
        let added = files.and_then(|mut files| {
            files.add(judged).map_err(failed("write", &files.dir))?;
            Ok(files)
        });
        match added {
            Ok(files) => self.files = Some(files),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Ends the files.
    pub fn end(self, end: &DocumentEnd) -> Result<(), StoreError> {
        match (self.failed, self.files) {
            (Some(failed), _) => Err(failed),
            (None, Some(files)) => files.end(end),
            (None, None) => Ok(()),
        }
    }
}

impl CampaignFiles {
    fn create(results: &Path, wanted: &str) -> Result<CampaignFiles, StoreError> {
        let (name, ()) = in_fresh_folder(results, wanted, create_folder)?;
        let dir = results.join(name);
        let (verdicts, suites) = (create(&dir, VERDICT)?, create(&dir, JUNIT)?);
        Ok(CampaignFiles { dir, verdicts, suites, runs: 0 })
    }

    fn add(&mut self, judged: &JudgedRun) -> io::Result<()> {
        let (verdict, meta, facts) = (&judged.verdict, &judged.meta, judged.facts());
        if self.runs == 0 {
            self.suites.write_all(junit::OPENING.as_bytes())?;
        }
        let before = if self.runs == 0 { json::opening() } else { json::BETWEEN.to_owned() };
        self.verdicts.write_all(before.as_bytes())?;
        self.verdicts.write_all(json::run(verdict, meta, &facts, judged.exit as u8)?.as_bytes())?;
        self.suites.write_all(junit::suite(verdict, meta, &facts, self.runs).as_bytes())?;
        self.runs += 1;
        Ok(())
    }

    fn end(mut self, end: &DocumentEnd) -> Result<(), StoreError> {
        let mut ended = || {
            self.verdicts.write_all(json::end(end)?.as_bytes())?;
            self.suites.write_all(junit::END.as_bytes())?;
            self.verdicts.flush().and_then(|()| self.suites.flush())
        };
        ended().map_err(failed("write", &self.dir))?;
        for name in [VERDICT, JUNIT] {
            let file = self.dir.join(name);
            let part = self.dir.join(format!("{name}{PART}"));
            fs::rename(&part, &file).map_err(failed("put in place", &file))?;
        }
        Ok(())
    }
}

fn create(dir: &Path, name: &str) -> Result<BufWriter<File>, StoreError> {
    let file = dir.join(format!("{name}{PART}"));
    File::create_new(&file).map(BufWriter::new).map_err(failed("create", &file))
}
