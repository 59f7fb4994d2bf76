//! A target file: where a cluster is, and what may be done to it. Without a word nothing but reading is
//! allowed: a cluster that other people use is not written to, and not broken, by mistake.

use super::Document;
use super::catalogue::Embedded;
use super::error::{ConfigError, Wrong, advise};
use super::nemesis::Nemesis;
use crate::plan::schedule::FaultKind;
use serde::{Deserialize, Serialize};

/// The systems that can be reached.
const SYSTEMS: &[&str] = &["specimen-segments"];

/// What may be done to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Make a table in place of the one that is there, write to it, commit its segments.
    pub writes: bool,
    /// Hold messages of the coordination service, and choose who wins a commit.
    pub holds: bool,
    /// Kill replicas and start them again.
    pub restart: bool,
    /// Stop replicas and let them go on.
    pub pause: bool,
}

/// A target file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// Its name: the file's stem.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    pub system: String,
    /// Where it is asked first.
    pub url: String,
    /// What may be done to it.
    #[serde(default)]
    pub allow: Allow,
}

impl Document for TargetFile {
    const KIND: &'static str = "target";
    const FOLDER: &'static str = "targets";
    const CATALOGUE: &'static [Embedded] = &[];
    const SETTINGS: &'static [&'static str] = &[];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, _key: &str, _value: &str) -> Result<(), String> {
        Err("not a setting of a target file".to_owned())
    }

    fn check(&self) -> Result<(), Wrong> {
        let known = SYSTEMS.contains(&self.system.as_str());
        let problem = format!("no system is called `{}`", self.system);
        Wrong::unless(known, "system", &problem, &advise(&self.system, SYSTEMS))?;
        let url = self.url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty());
        let problem = format!("`{}` is no URL", self.url);
        Wrong::unless(url, "url", &problem, "such as http://127.0.0.1:4000")
    }
}

impl TargetFile {
    /// Refuses a run that would do what the file, given as `path`, does not allow.
    pub fn admit(&self, path: &str, nemesis: &Nemesis) -> Result<(), ConfigError> {
        let Allow { writes, holds, restart, pause } = self.allow;
        let faults = nemesis.steps.iter().map(|step| match step.fault {
            FaultKind::HoldMessage(_) => ("hold messages back", "holds", holds),
            FaultKind::CommitWinner => ("choose who wins a commit", "holds", holds),
            FaultKind::Restart => ("kill a replica", "restart", restart),
            FaultKind::Pause => ("stop a replica", "pause", pause),
        });
        let wanted = [("make a table and write to it", "writes", writes)].into_iter().chain(faults);
        match wanted.into_iter().find(|(.., allowed)| !allowed) {
            None => Ok(()),
            Some((what, line, _)) => Err(ConfigError::NotAllowed { path: path.to_owned(), what, line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::load;

    fn target(allow: &str) -> TargetFile {
        let text = format!("system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n[allow]\n{allow}");
        toml::from_str(&text).expect("it is a target file")
    }

    /// A plan, what is allowed, and the line that is missing; nothing: the run is admitted.
    #[test]
    fn what_is_not_allowed_is_refused_by_name_with_the_line_to_add() {
        for (plan, allow, missing) in [
            ("none", "", Some("writes")),
            ("none", "pause = true", Some("writes")),
            ("none", "writes = true", None),
            ("pause-one", "writes = true\nholds = true\nrestart = true", Some("pause")),
            ("restart-one", "writes = true\nholds = true\npause = true", Some("restart")),
            ("late-transition", "writes = true\nrestart = true\npause = true", Some("holds")),
            ("late-transition", "writes = true\nholds = true", None),
            ("restart-one", "writes = true\nrestart = true", None),
            ("pause-one", "writes = true\npause = true", None),
        ] {
            let nemesis: Nemesis = load(plan).expect("it is in the catalogue");
            let refused = target(allow).admit("mine.toml", &nemesis).err().map(|error| {
                let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
                (error.to_string(), help.unwrap_or_default())
            });
            match (missing, refused) {
                (None, None) => {}
                (Some(line), Some((problem, help))) => {
                    assert!(problem.starts_with("mine.toml does not allow to "), "{problem}");
                    assert!(help.contains(&format!("`{line} = true`")), "{plan} {allow}: {help}");
                }
                other => panic!("{plan} {allow}: {other:?}"),
            }
        }
    }
}
