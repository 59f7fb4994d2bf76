//! The folder of a sweep: the frozen plan, the parts that are done, and the runs that were kept.
//!
//! A part is written whole and never over another, so whoever is killed leaves the parts before it, and a
//! sweep goes on where it ended.

use crate::config::sweep_plan::{DrawnArm, PlannedArm};
use crate::run::error::RunError;
use crate::run::folder_name::in_fresh_folder;
use dissent_core::campaign::document::{
    CampaignArm, CampaignDocument, CampaignPlan, DrawnCommands, StoppedBy,
};
use dissent_core::campaign::draw::PairwiseDraw;
use dissent_core::campaign::goal::Goal;
use dissent_core::campaign::nights::{series, trends};
use dissent_core::campaign::part::{Extent, Part, Parts};
use dissent_core::history::time::Nanos;
use dissent_store::latest_run::LATEST;
use dissent_store::writing::{StoreError, create_folder, failed, replace_file};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::hash::Hasher as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The frozen plan.
const PLAN: &str = "plan.json";
/// What the parts say together.
pub const CAMPAIGN: &str = "campaign.json";
/// The folder of finished parts.
const PARTS: &str = "parts";
/// The folder of runs that were kept.
const RUNS: &str = "runs";

/// What a sweep runs, with everything that is needed to go on with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenPlan {
    /// The name of the plan.
    pub name: String,
    /// The version of the program: another one may run other ops for the same seed.
    pub version: String,
    /// Seeds and parts.
    pub extent: Extent,
    /// When it ends early, and what is done again.
    pub limits: SweepLimits,
    /// The arms.
    pub arms: Vec<FrozenArm>,
}

/// When a sweep ends before all its runs are done, and what it does again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepLimits {
    /// What it is to find out.
    pub goal: Option<Goal>,
    /// After this time no run begins.
    pub time: Option<Nanos>,
    /// A run against processes that comes to no verdict is done once more.
    pub retry_inconclusive: bool,
    /// How many runs against processes that passed are kept, the last ones.
    pub keep_passed: u32,
    /// Whether the tables of runs stay at a cluster of the user's own.
    #[serde(default)]
    pub keep_tables: bool,
}

/// The file of the plan. When the sweep began is no part of what it runs.
#[derive(Serialize, Deserialize)]
struct PlanFile<'p> {
    started: String,
    #[serde(flatten)]
    plan: Cow<'p, FrozenPlan>,
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
    /// What its seeds draw from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<DrawnArm>,
}

impl FrozenPlan {
    /// What its reports say of it.
    fn described<'p>(&'p self, started: &'p str) -> CampaignPlan<'p> {
        let arms = self.arms.iter().map(|arm| CampaignArm {
            name: arm.name.clone(),
            command: arm.words.join(" "),
            settings: arm.settings(),
            drawn: arm.drawn.as_ref().map(|drawn| DrawnCommands {
                draw: PairwiseDraw::new(&drawn.sizes),
                commands: drawn.words.iter().map(|words| words.join(" ")).collect(),
            }),
        });
        let arms: Vec<CampaignArm> = arms.collect();
        let numbers = |second: u32| (0..second).map(move |first| (first, second));
        let each = (0..arms.len() as u32).flat_map(numbers);
        let differ = |&(first, second): &(u32, u32)| {
            differ_in_one_word(&self.arms[first as usize].words, &self.arms[second as usize].words)
        };
        let pairs = each.filter(differ).collect();
        CampaignPlan { name: &self.name, program: &self.version, started, extent: self.extent, arms, pairs }
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

impl FrozenArm {
    /// The arm as its plan had it.
    pub fn planned(&self) -> PlannedArm {
        let FrozenArm { name, words, drawn, .. } = self.clone();
        PlannedArm { name, words, drawn }
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let pairs = self.words.windows(2).filter(|pair| pair[0] == "--set");
        let pairs = pairs.filter_map(|pair| pair[1].split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// Whether two arms are worth comparing seed by seed: all their arguments are the same but for the value of
/// one setting, which is no number. Numbers make curves.
fn differ_in_one_word(one: &[String], other: &[String]) -> bool {
    let mut different = one.iter().zip(other).filter(|(one, other)| one != other);
    let (Some((one_word, other_word)), None, true) =
        (different.next(), different.next(), one.len() == other.len())
    else {
        return false;
    };
    match (one_word.split_once('='), other_word.split_once('=')) {
        (Some((key, value)), Some((other_key, _))) => {
            key == other_key && !value.starts_with(|letter: char| letter.is_ascii_digit())
        }
        _ => false,
    }
}

/// What the parts of a sweep say together, by its folder. None if it is no sweep's, or cannot be read.
pub fn campaign_in(folder: &Path) -> Option<CampaignDocument> {
    serde_json::from_slice(&fs::read(folder.join(CAMPAIGN)).ok()?).ok()
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct SweepFolder {
    dir: PathBuf,
    /// When the sweep began.
    started: String,
    /// The digest of the plan.
    digest: String,
}

impl SweepFolder {
    /// Makes a new folder under `results`, with this name or one like it.
    pub fn create(results: &Path, wanted: &str, plan: &FrozenPlan) -> Result<SweepFolder, RunError> {
        let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let digest = plan.digest()?;
        let (name, ()) = in_fresh_folder(results, wanted, create_folder)?;
        let dir = results.join(name);
        for folder in [PARTS, RUNS] {
            create_folder(&dir.join(folder))?;
        }
        let file = PlanFile { started, plan: Cow::Borrowed(plan) };
        let text = serde_json::to_string_pretty(&file).map_err(|error| failed("use", &dir)(error.into()))?;
        replace_file(&dir.join(PLAN), text.as_bytes())?;
        Ok(SweepFolder { dir, started: file.started, digest })
    }

    /// Opens the folder of a sweep that was begun.
    pub fn open(dir: &Path) -> Result<(SweepFolder, FrozenPlan), RunError> {
        let file = dir.join(PLAN);
        let text = fs::read(&file).map_err(failed("use", &file))?;
        let PlanFile { started, plan }: PlanFile<'_> =
            serde_json::from_slice(&text).map_err(|error| failed("use", &file)(error.into()))?;
        let plan = Cow::into_owned(plan);
        let digest = plan.digest()?;
        Ok((SweepFolder { dir: dir.to_owned(), started, digest }, plan))
    }

    /// What the parts say together, and beside earlier sweeps of the plan.
    pub fn campaign(
        &self,
        plan: &FrozenPlan,
        parts: &Parts,
        stopped_by: Option<StoppedBy>,
    ) -> CampaignDocument {
        let mut campaign = CampaignDocument::of(&plan.described(&self.started), parts, stopped_by);
        let earlier = self.earlier(&plan.name);
        (campaign.trends, campaign.series) = (trends(&campaign, &earlier), series(&campaign, &earlier));
        campaign
    }

    /// The sweeps of the same plan that lie beside this one and began before it, the oldest one first. One
    /// that cannot be read is none.
    fn earlier(&self, plan: &str) -> Vec<CampaignDocument> {
        let beside = self.dir.parent().and_then(|results| fs::read_dir(results).ok());
        let folders = beside.into_iter().flatten().flatten();
        let mut earlier: Vec<CampaignDocument> =
            folders.filter_map(|folder| campaign_in(&folder.path())).collect();
        earlier.retain(|other| other.name == plan && other.started < self.started);
        earlier.sort_by(|a, b| a.started.cmp(&b.started));
        earlier
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

    /// The runs that were kept and have a page, by name.
    pub fn kept(&self) -> Vec<String> {
        let runs = fs::read_dir(self.runs()).into_iter().flatten().flatten();
        let has_page = |run: &fs::DirEntry| run.path().join("report.html").exists();
        let names = runs.filter(has_page).filter_map(|run| run.file_name().into_string().ok());
        // `latest` is a link to one of them.
        let mut names: Vec<String> = names.filter(|name| name != LATEST).collect();
        names.sort();
        names
    }

    /// Writes what the parts say together.
    pub fn write_campaign(&self, campaign: &CampaignDocument) -> Result<(), StoreError> {
        let json = serde_json::to_string_pretty(campaign);
        self.write(CAMPAIGN, &json.map_err(|error| failed("use", &self.dir)(error.into()))?)
    }

    /// Writes a report of the whole.
    pub fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        replace_file(&self.dir.join(name), text.as_bytes())
    }
}
