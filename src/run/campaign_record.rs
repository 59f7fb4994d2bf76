//! The files of a campaign: its verdicts as one `verdict.json`, and one `junit.xml` with a suite per run.
//! Each run is written when it ends, so memory does not grow with their number.

use super::judging::{JUNIT, JudgedRun, VERDICT};
use crate::report::{json, junit};
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_store::writing::{StoreError, failed};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The suffix of a file that is not whole yet.
const PART: &str = ".part";

/// The files of a campaign that is going on.
#[must_use = "the files are whole only after `end`"]
pub struct CampaignRecord {
    dir: PathBuf,
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
    /// The record of a campaign in its folder. Its files are created when its first run has ended.
    pub fn new(dir: &Path) -> CampaignRecord {
        CampaignRecord { dir: dir.to_owned(), files: None, failed: None }
    }

    /// Adds a run.
    pub fn add(&mut self, judged: &JudgedRun) {
        if self.failed.is_some() {
            return;
        }
        let files = match self.files.take() {
            Some(files) => Ok(files),
            None => CampaignFiles::create(&self.dir),
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
    fn create(dir: &Path) -> Result<CampaignFiles, StoreError> {
        let (verdicts, suites) = (create(dir, VERDICT)?, create(dir, JUNIT)?);
        Ok(CampaignFiles { dir: dir.to_owned(), verdicts, suites, runs: 0 })
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
