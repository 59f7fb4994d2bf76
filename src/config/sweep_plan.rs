//! A plan of a sweep: which runs, how often. It has no catalogue: a plan is the user's own.

use super::catalogue::EmbeddedFile;
use super::document::ConfigFile;
use super::error::InvalidValue;
use super::file_schema;
use super::load::is_path;
use dissent_core::campaign::goal::Goal;
use dissent_core::history::duration;
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// The number of configurations that a plan may have once its settings are varied and drawn.
const ARMS_MAX: usize = 1_000;
/// What can be drawn and is no setting.
const WORKLOAD: &str = "workload";
/// See [`WORKLOAD`].
const NEMESIS: &str = "nemesis";

/// The table of what is drawn.
const DRAW: &str = "draw";

/// A setting with one of its values.
type Choice<'p> = (&'p String, &'p Word);

/// A plan as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SweepPlan {
    /// The stem of its file.
    #[serde(skip)]
    pub name: String,
    /// Where its file is: relative paths in it start there.
    #[serde(skip)]
    folder: PathBuf,
    /// The number of runs of each arm.
    pub runs: u32,
    /// The seed of the first run of every arm. Drawn if neither this nor `--seed` is given.
    pub first_seed: Option<u64>,
    /// The number of parts that the sweep is cut into. By default a part has about 20 runs.
    pub parts: Option<u32>,
    /// After this time no run begins.
    time_limit: Option<Length>,
    /// End as soon as it is known how often a run of each arm fails, to an interval of this width: `5%`.
    until: Option<String>,
    /// End after the first run that fails.
    #[serde(default)]
    pub until_fail: bool,
    /// How many runs against processes that passed are kept: the last ones. Runs that fail are always kept.
    #[serde(default = "keep_passed")]
    pub keep_passed: u32,
    /// Leave the table of each run at a cluster of your own. By default it is dropped after the run.
    #[serde(default)]
    pub keep_tables: bool,
    /// The list of known issues for all arms.
    known: Option<String>,
    /// Run once more against processes if a run comes to no verdict.
    #[serde(default)]
    pub retry_inconclusive: bool,
    /// What is run.
    #[serde(rename = "arm")]
    arms: Vec<WrittenArm>,
}

/// An arm, or several that differ in settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenArm {
    /// Its name, unique in the plan. By default it is made of target, workload, nemesis and settings.
    name: Option<String>,
    /// A built-in target, or the path of a target file.
    target: String,
    /// A built-in workload, or the path of a file. Left out if it is drawn.
    workload: Option<String>,
    /// A built-in nemesis plan, or the path of a file. Left out if it is drawn.
    nemesis: Option<String>,
    /// Options of `dissent run`, without the dashes: `for = "10s"`.
    #[serde(default)]
    options: BTreeMap<String, Word>,
    /// Settings of `--set`.
    #[serde(default)]
    set: BTreeMap<String, Word>,
    /// Settings with several values: one arm for each combination.
    #[serde(default)]
    vary: BTreeMap<String, Vec<Word>>,
    /// Settings with several values, workload and nemesis among them: each seed draws one of each.
    #[serde(default)]
    draw: BTreeMap<String, Vec<Word>>,
}

/// See [`SweepPlan::keep_passed`].
fn keep_passed() -> u32 {
    10
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Length(
    #[serde(with = "duration")]
    #[cfg_attr(test, schemars(schema_with = "duration::schema"))]
    Nanos,
);

/// A value as it is written on a command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Word {
    Flag(bool),
    Number(i64),
    Text(String),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Flag(flag) => write!(f, "{flag}"),
            Word::Number(number) => write!(f, "{number}"),
            Word::Text(text) => f.write_str(text),
        }
    }
}

/// One arm of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedArm {
    /// Its name, unique in the plan.
    pub name: String,
    /// The arguments of `dissent run`, without the seed. What is drawn stands in angle brackets.
    pub words: Vec<String>,
    /// What its seeds draw from. None if all its runs are alike.
    pub drawn: Option<DrawnArm>,
}

/// The configurations of an arm whose seeds draw one each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnArm {
    /// The number of values of each setting that is drawn.
    pub sizes: Vec<usize>,
    /// The arguments of `dissent run` for each combination. The last setting changes fastest.
    pub words: Vec<Vec<String>>,
}

impl SweepPlan {
    /// After this time no run begins.
    pub fn time_limit(&self) -> Option<Nanos> {
        self.time_limit.map(|Length(time)| time)
    }

    /// What the sweep is to find out, if it may end early.
    pub fn goal(&self) -> Option<Goal> {
        let width = self.until.as_deref().and_then(|text| width(text).ok()).map(Goal::Width);
        if self.until_fail { Some(Goal::Failure) } else { width }
    }

    /// The arms in the order of the file. Settings that vary change from the last one on.
    pub fn arms(&self) -> Vec<PlannedArm> {
        let mut arms: Vec<PlannedArm> = self.arms.iter().flat_map(|arm| arm.variants(&self.folder)).collect();
        if let Some(file) = &self.known {
            let file = self.folder.join(file).to_string_lossy().into_owned();
            let drawn = arms.iter_mut().flat_map(|arm| {
                let drawn = arm.drawn.iter_mut().flat_map(|drawn| &mut drawn.words);
                drawn.chain([&mut arm.words])
            });
            drawn.for_each(|words| words.extend(["--known".to_owned(), file.clone()]));
        }
        arms
    }
}

impl WrittenArm {
    fn variants(&self, folder: &Path) -> Vec<PlannedArm> {
        let combinations = combinations(&self.vary);
        combinations.iter().map(|varied| self.variant(varied, folder)).collect()
    }

    fn variant(&self, varied: &[Choice<'_>], folder: &Path) -> PlannedArm {
        let text = |(key, value): &Choice<'_>| ((*key).clone(), value.to_string());
        let varied: Vec<(String, String)> = varied.iter().map(text).collect();
        let with = |chosen: Vec<(String, String)>| self.words(&[&varied[..], &chosen].concat(), folder);
        let open = self.draw.keys().map(|key| (key.clone(), format!("<{key}>"))).collect();
        let drawn = (!self.draw.is_empty()).then(|| DrawnArm {
            sizes: self.draw.values().map(Vec::len).collect(),
            words: combinations(&self.draw).iter().map(|it| with(it.iter().map(text).collect())).collect(),
        });
        PlannedArm { name: self.name_of(&varied), words: with(open), drawn }
    }

    /// The arguments of `dissent run` with these settings.
    fn words(&self, chosen: &[(String, String)], folder: &Path) -> Vec<String> {
        let place = |argument: &str| match is_path(argument) {
            true => folder.join(argument).to_string_lossy().into_owned(),
            false => argument.to_owned(),
        };
        let of = |key: &str| chosen.iter().find(|(chosen, _)| chosen == key).map(|(_, value)| value.as_str());
        let workload = self.workload.as_deref().or(of(WORKLOAD)).unwrap_or_default();
        let nemesis = self.nemesis.as_deref().or(of(NEMESIS)).unwrap_or_default();
        let mut words = [&self.target, workload, nemesis].map(place).to_vec();
        for (option, value) in &self.options {
            match value {
                Word::Flag(false) => {}
                Word::Flag(true) => words.push(format!("--{option}")),
                value => words.extend([format!("--{option}"), value.to_string()]),
            }
        }
        let set = self.set.iter().map(|(key, value)| format!("{key}={value}"));
        let chosen = chosen.iter().filter(|(key, _)| ![WORKLOAD, NEMESIS].contains(&key.as_str()));
        let chosen = chosen.map(|(key, value)| format!("{key}={value}"));
        words.extend(set.chain(chosen).flat_map(|pair| ["--set".to_owned(), pair]));
        words
    }

    fn name_of(&self, varied: &[(String, String)]) -> String {
        let plain = || {
            let or_open = |given: &Option<String>, key| given.clone().unwrap_or_else(|| format!("<{key}>"));
            let (workload, nemesis) = (or_open(&self.workload, WORKLOAD), or_open(&self.nemesis, NEMESIS));
            let set = self.set.iter().map(|(key, value)| format!(" {key}={value}"));
            format!("{} {workload} {nemesis}{}", self.target, set.collect::<String>())
        };
        let own = self.name.clone().unwrap_or_else(plain);
        let varied = varied.iter().map(|(key, value)| format!("{key}={value}"));
        std::iter::once(own).chain(varied).collect::<Vec<_>>().join(" ")
    }

    /// The number of its configurations.
    fn count(&self) -> usize {
        self.tables().map(|(_, _, values)| values.len()).fold(1, usize::saturating_mul)
    }

    /// Settings with several values have some, and are not set as well. Workload and nemesis are given or
    /// drawn.
    fn check(&self, at: usize) -> Vec<Result<(), InvalidValue>> {
        let several = |(table, key, values): (&str, &String, &Vec<Word>)| {
            let place = format!("arm.{at}.{table}.{key}");
            InvalidValue::unless(!values.is_empty(), &place, "no value", "write at least one")?;
            let twice = format!("`{key}` is also set");
            let help = format!("remove it from `{table}`, or from where else it is set");
            let is_varied = table == DRAW && self.vary.contains_key(key);
            InvalidValue::unless(!self.set.contains_key(key) && !is_varied, &place, &twice, &help)
        };
        let given = |(key, given): (&str, &Option<String>)| {
            let (place, is_drawn) = (format!("arm.{at}"), self.draw.contains_key(key));
            let (none, both) = (format!("no {key}"), format!("`{key}` is also drawn"));
            let help = format!("write one `{key} = ..`, or several in `{DRAW}`");
            InvalidValue::unless(given.is_some() || is_drawn, &place, &none, &help)?;
            InvalidValue::unless(given.is_none() || !is_drawn, &place, &both, &help)
        };
        let plans = [(WORKLOAD, &self.workload), (NEMESIS, &self.nemesis)];
        self.tables().map(several).chain(plans.map(given)).collect()
    }

    /// The settings with several values, each with the name of its table.
    fn tables(&self) -> impl Iterator<Item = (&'static str, &String, &Vec<Word>)> {
        let of = |table| move |(key, values)| (table, key, values);
        self.vary.iter().map(of("vary")).chain(self.draw.iter().map(of(DRAW)))
    }
}

/// The width of an interval, from 0 to 1, as it is written: `5%`.
pub fn width(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let width = number.filter(|number| *number > 0.0 && *number < 100.0);
    width.map(|number| number / 100.0).ok_or_else(|| format!("`{text}` is no width: write one such as `5%`"))
}

/// Every choice of one value per key.
fn combinations(vary: &BTreeMap<String, Vec<Word>>) -> Vec<Vec<Choice<'_>>> {
    vary.iter().fold(vec![Vec::new()], |before, (key, values)| {
        let with = |chosen: &Vec<_>, value| chosen.iter().copied().chain([(key, value)]).collect();
        before.iter().flat_map(|chosen| values.iter().map(move |value| with(chosen, value))).collect()
    })
}

impl ConfigFile for SweepPlan {
    const KIND: &'static str = "sweep plan";
    const FOLDER: &'static str = "sweeps";
    const CATALOGUE: &'static [EmbeddedFile] = &[];
    const SCHEMA: &'static str = file_schema::SWEEP;
    const SETTINGS: &'static [&'static str] = &[];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set_folder(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }

    fn set(&mut self, _key: &str, _value: &str) -> Result<(), String> {
        Err("not a setting of a sweep plan".to_owned())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let problem = self.until.as_deref().and_then(|text| width(text).err()).unwrap_or_default();
        let both = self.until_fail && self.until.is_some();
        let plan = [
            InvalidValue::unless(self.runs > 0, "runs", "no run", "write how many runs each arm has"),
            InvalidValue::unless(
                self.parts != Some(0),
                "parts",
                "no part",
                "leave it out, or write a number from 1",
            ),
            InvalidValue::unless(
                problem.is_empty(),
                "until",
                &problem,
                "the smaller, the more runs it takes",
            ),
            InvalidValue::unless(!both, "until", "two goals", "leave out `until` or `until-fail`"),
            InvalidValue::unless(
                !self.arms.is_empty(),
                "arm",
                "no arm",
                "add an [[arm]] with target, workload and nemesis",
            ),
        ];
        let varied = self.arms.iter().enumerate().flat_map(|(at, arm)| arm.check(at));
        plan.into_iter().chain(varied).chain([self.check_arms()]).filter_map(Result::err).collect()
    }
}

impl SweepPlan {
    /// Arms that vary settings are not too many, and can be told apart.
    fn check_arms(&self) -> Result<(), InvalidValue> {
        let mut all = 0_usize;
        for (at, arm) in self.arms.iter().enumerate() {
            all = all.saturating_add(arm.count());
            let (place, problem) = (format!("arm.{at}"), format!("more than {ARMS_MAX} configurations"));
            InvalidValue::unless(all <= ARMS_MAX, &place, &problem, "vary or draw fewer settings")?;
        }
        let mut names = BTreeSet::new();
        let twice = self.arms().into_iter().find(|arm| !names.insert(arm.name.clone()));
        let Some(twice) = twice else { return Ok(()) };
        let problem = format!("two arms are called `{}`", twice.name);
        InvalidValue::unless(false, "arm", &problem, "give each a `name` of its own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse;

    const ARM: &str = "[[arm]]\ntarget = \"sim-segments\"\nworkload = \"partial-upsert\"\n\
                       nemesis = \"late-transition\"\n";

    #[test]
    fn settings_that_vary_make_arms() {
        let text = format!(
            "runs = 10\n{ARM}options = {{ rate = 200, probe-restart = true, self-test = false }}\n\
             set = {{ tail = \"1s\" }}\nvary = {{ guard = [\"a\", \"b\"], servers = [3, 4] }}\n"
        );
        let plan: SweepPlan = parse("night.toml", text).expect("it is right");
        let arms = plan.arms();
        assert_eq!(plan.name, "night");
        let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
        let base = "sim-segments partial-upsert late-transition tail=1s";
        let wanted = ["guard=a servers=3", "guard=a servers=4", "guard=b servers=3", "guard=b servers=4"];
        assert_eq!(names, wanted.map(|varied| format!("{base} {varied}")));
        let words = "sim-segments partial-upsert late-transition --probe-restart --rate 200 --set tail=1s \
                     --set guard=a --set servers=4";
        assert_eq!(arms[1].words.join(" "), words);
    }

    #[test]
    fn a_drawn_arm_has_the_command_of_every_combination() {
        let text = "runs = 10\n[[arm]]\ntarget = \"sim-segments\"\nworkload = \"steady\"\n\
                    draw = { nemesis = [\"none\", \"own.toml\"], guard = [\"a\", \"b\"] }\n";
        let plan: SweepPlan = parse("nights/night.toml", text.to_owned()).expect("it is right");
        let [arm] = &plan.arms()[..] else { panic!("one arm") };
        assert_eq!(arm.name, "sim-segments steady <nemesis>");
        assert_eq!(arm.words.join(" "), "sim-segments steady <nemesis> --set guard=<guard>");
        let drawn = arm.drawn.as_ref().expect("it is drawn");
        assert_eq!(drawn.sizes, [2, 2], "guard, then nemesis");
        let words: Vec<String> = drawn.words.iter().map(|words| words.join(" ")).collect();
        let wanted = ["none --set guard=a", "nights/own.toml --set guard=a", "none --set guard=b"];
        assert_eq!(words[..3], wanted.map(|words| format!("sim-segments steady {words}")));
    }

    #[test]
    fn what_makes_no_sweep_is_refused_at_its_place() {
        let refusal = |text: String| {
            let error = parse::<SweepPlan>("night.toml", text).expect_err("it is wrong");
            error.to_string()
        };
        for (text, wanted) in [
            (format!("runs = 0\n{ARM}"), "night.toml:1:8: no run"),
            ("runs = 1\narm = []\n".to_owned(), "night.toml:2:7: no arm"),
            (format!("runs = 1\n{ARM}\n{ARM}"), "two arms are called"),
            (format!("runs = 1\n{ARM}vary = {{ guard = [] }}\n"), "no value"),
            (format!("runs = 1\n{ARM}set = {{ a = 1 }}\nvary = {{ a = [1] }}\n"), "`a` is also set"),
            (format!("runs = 1\n{ARM}nemeses = 3\n"), "nemeses"),
            (format!("runs = 1\n{ARM}draw = {{ nemesis = [\"none\"] }}\n"), "`nemesis` is also drawn"),
            (format!("runs = 1\n{ARM}vary = {{ a = [1] }}\ndraw = {{ a = [1] }}\n"), "`a` is also set"),
            ("runs = 1\n[[arm]]\ntarget = \"t\"\nworkload = \"w\"\n".to_owned(), "no nemesis"),
            (format!("runs = 1\nuntil = \"5\"\n{ARM}"), "night.toml:2:9: `5` is no width"),
            (format!("runs = 1\nuntil = \"5%\"\nuntil-fail = true\n{ARM}"), "two goals"),
        ] {
            let told = refusal(text);
            assert!(told.contains(wanted), "{told}");
        }
    }
}
