//! The folder of a sweep: the frozen plan, the parts that are done, and the runs that were kept.
//!
//! A part is written whole and never over another, so whoever is killed leaves the parts before it, and a
//! sweep goes on where it ended.

use crate::run::error::RunError;
use crate::run::folder_name::in_fresh_folder;
use dissent_core::campaign::document::{CampaignArm, CampaignPlan};
use dissent_core::campaign::part::{Extent, Part, Parts};
use dissent_store::writing::{StoreError, create_folder, failed, replace_file};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::fs;
use std::hash::Hasher as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The frozen plan.
const PLAN: &str = "plan.json";
/// The folder of finished parts.
const PARTS: &str = "parts";
/// The folder of runs that were kept.
const RUNS: &str = "runs";

/// What a sweep runs, with everything that is needed to go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenPlan {
    /// The name of the plan.
    pub name: String,
    /// The version of the program: another one may run other ops for the same seed.
    pub version: String,
    /// Seeds and parts.
    pub extent: Extent,
    /// The arms.
    pub arms: Vec<FrozenArm>,
}

/// An arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenArm {
    /// Its name.
    pub name: String,
    /// The arguments of `dissent run`, without the seed.
    pub words: Vec<String>,
    /// The workload and the plan of faults as they were read. If a file has changed, it is another sweep.
    pub content: serde_json::Value,
}

impl FrozenPlan {
    /// What its reports say of it.
    pub fn described(&self) -> CampaignPlan<'_> {
        // The same target, workload and nemesis.
        let is_alike = |one: &FrozenArm, other: &FrozenArm| one.words.get(..3) == other.words.get(..3);
        let arms = self.arms.iter().enumerate().map(|(at, arm)| CampaignArm {
            name: arm.name.clone(),
            command: arm.words.join(" "),
            beside: self.arms[..at].iter().position(|earlier| is_alike(earlier, arm)).map(|at| at as u32),
        });
        let arms = arms.collect();
        CampaignPlan { name: &self.name, program: &self.version, extent: self.extent, arms }
    }

    /// A digest of the whole plan.
    pub fn digest(&self) -> Result<String, StoreError> {
        let text =
            serde_json::to_string(self).map_err(|error| failed("use", Path::new(PLAN))(error.into()))?;
        let mut hasher = SipHasher24::new();
        hasher.write(text.as_bytes());
        Ok(format!("{:032x}", hasher.finish128().as_u128()))
    }
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    dir: PathBuf,
    /// The digest of the plan.
    digest: String,
}

impl SweepFolder {
    /// Makes a new folder under `results`.
    pub fn create(results: &Path, plan: &FrozenPlan) -> Result<SweepFolder, RunError> {
        let digest = plan.digest()?;
        let wanted = format!("sweep-{}-seed{}", plan.name, plan.extent.first_seed.0);
        let (name, ()) = in_fresh_folder(results, &wanted, create_folder)?;
        let dir = results.join(name);
        for folder in [PARTS, RUNS] {
            create_folder(&dir.join(folder))?;
        }
        let text = serde_json::to_string_pretty(plan).map_err(|error| failed("use", &dir)(error.into()))?;
        replace_file(&dir.join(PLAN), text.as_bytes())?;
        Ok(SweepFolder { dir, digest })
    }

    /// Opens the folder of a sweep that was begun.
    pub fn open(dir: &Path) -> Result<(SweepFolder, FrozenPlan), RunError> {
        let file = dir.join(PLAN);
        let text = fs::read(&file).map_err(failed("use", &file))?;
        let plan: FrozenPlan =
            serde_json::from_slice(&text).map_err(|error| failed("use", &file)(error.into()))?;
        let digest = plan.digest()?;
        Ok((SweepFolder { dir: dir.to_owned(), digest }, plan))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Where runs are kept.
    pub fn runs(&self) -> PathBuf {
        self.dir.join(RUNS)
    }

    /// The digest of the plan.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Stores a part, unless somebody else has stored it already: the first one counts.
    pub fn store(&self, part: &Part) -> Result<(), StoreError> {
        let file = self.dir.join(PARTS).join(format!("{:05}.json", part.part));
        let own = self.dir.join(PARTS).join(format!("{:05}.{}.new", part.part, std::process::id()));
        let text = serde_json::to_vec(part).map_err(|error| failed("use", &file)(error.into()))?;
        replace_file(&own, &text)?;
        let linked = match fs::hard_link(&own, &file) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(failed("use", &file)),
        };
        fs::remove_file(&own).map_err(failed("use", &own))?;
        linked
    }

    /// The parts that are there. A file that is not a part of this plan is an error: it has another plan's
    /// results.
    pub fn parts(&self) -> Result<Parts, StoreError> {
        let folder = self.dir.join(PARTS);
        let mut parts = Parts::default();
        for file in fs::read_dir(&folder).map_err(failed("use", &folder))? {
            let file = file.map_err(failed("use", &folder))?.path();
            if file.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let text = fs::read(&file).map_err(failed("use", &file))?;
            let part: Part =
                serde_json::from_slice(&text).map_err(|error| failed("use", &file)(error.into()))?;
            if part.plan != self.digest {
                let other = io::Error::other("it is a part of another plan: move it away");
                return Err(failed("use", &file)(other));
            }
            parts.add(part);
        }
        Ok(parts)
    }

    /// Writes a report of the whole.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, StoreError> {
        let file = self.dir.join(name);
        replace_file(&file, text.as_bytes())?;
        Ok(file)
    }
}
