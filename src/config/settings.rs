//! `--set key=value`: changes to the files and to the target of a run. Each consumer takes its own keys. The
//! rest are refused, so that a misspelt key is never ignored.

use super::document::ConfigFile;
use super::error::{ConfigError, reword};
use super::table::{self, TableOptions};
use dissent_core::history::duration;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use dissent_core::nearest::advise;
use serde::de::value::{Error as ChoiceError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The settings of a run that were not taken yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads the arguments of `--set`.
    pub fn parse<P: AsRef<str>>(pairs: &[P]) -> Result<Settings, ConfigError> {
        let mut settings = BTreeMap::new();
        for pair in pairs.iter().map(AsRef::as_ref) {
            let refuse = |problem: &str, help: &str| ConfigError::Setting {
                pair: pair.to_owned(),
                problem: problem.to_owned(),
                help: Some(help.to_owned()),
            };
            let (key, value) = match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => (key, value),
                _ => {
                    return Err(refuse("not of the form key=value", "such as --set guard=partition-gate"));
                }
            };
            if settings.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(refuse("the key is set twice", "remove one of the two"));
            }
        }
        Ok(Settings(settings))
    }

    /// The remaining settings, ordered by key.
    pub fn left(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Takes the value of a key.
    pub fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Takes the settings of a workload or a nemesis plan, applies them and checks the result.
    pub fn apply<T: ConfigFile>(&mut self, mut document: T) -> Result<T, ConfigError> {
        let has_prefix = |key: &str| T::PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        let is_own = |key: &&String| T::SETTINGS.contains(&key.as_str()) || has_prefix(key);
        for key in self.0.keys().filter(is_own).cloned().collect::<Vec<_>>() {
            let Some(value) = self.take(&key) else {
                continue;
            };
            let refuse =
                |problem, help| ConfigError::Setting { pair: format!("{key}={value}"), problem, help };
            document.set(&key, &value).map_err(|message| {
                let (problem, help) = reword(&message);
                refuse(problem, help)
            })?;
            if let Some(wrong) = document.check().into_iter().next() {
                return Err(refuse(wrong.problem, Some(wrong.help)));
            }
        }
        Ok(document)
    }

    /// Takes the options of the run's own table and merges them into the existing ones.
    pub fn apply_to_table(&mut self, table: &mut TableOptions) -> Result<(), ConfigError> {
        let is_of_table = |key: &String| key.starts_with(table::PREFIX);
        for key in self.0.keys().filter(|key| is_of_table(key)).cloned().collect::<Vec<_>>() {
            let Some(value) = self.take(&key) else { continue };
            let refuse =
                |problem, help| ConfigError::Setting { pair: format!("{key}={value}"), problem, help };
            let path = key.trim_start_matches(table::PREFIX);
            table.set(path, &value).map_err(|problem| refuse(problem, None))?;
            table.check().map_err(|wrong| refuse(wrong.problem, Some(wrong.help)))?;
        }
        Ok(())
    }

    /// Refuses keys that the target does not know. Call this after the files have taken theirs.
    pub fn refuse_unknown(&self, target: &str, allowed: &[&str]) -> Result<(), ConfigError> {
        let Some((key, value)) = self.0.iter().find(|(key, _)| !allowed.contains(&key.as_str())) else {
            return Ok(());
        };
        let all = [allowed, Workload::SETTINGS, Nemesis::SETTINGS].concat();
        Err(ConfigError::Setting {
            pair: format!("{key}={value}"),
            problem: format!("neither {target} nor the workload nor the nemesis plan has a setting `{key}`"),
            help: Some(advise(key, &all)),
        })
    }
}

/// A whole number.
pub(super) fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is not a whole number, or too large"))
}

/// A length of time.
pub(super) fn time(value: &str) -> Result<Nanos, String> {
    duration::parse(value).map_err(|error| error.to_string())
}

/// One of a closed set of words.
pub(super) fn choice<T: DeserializeOwned>(value: &str) -> Result<T, String> {
    let words: StrDeserializer<'_, ChoiceError> = value.into_deserializer();
    T::deserialize(words).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load;
    use dissent_core::history::nemesis::Ending;
    use dissent_core::history::schema::Provenance;
    use miette::Diagnostic as _;

    #[test]
    fn each_consumer_takes_its_own_and_the_rest_is_the_targets() {
        let mut settings = Settings::parse(&[
            "rate=50",
            "load=10s",
            "segment-rows=7",
            "provenance=digest",
            "partitions=3",
            "keys=9",
            "ending=healthy-wins",
            "tail=2min",
            "min-exposure=5",
            "guard=partition-gate",
        ])
        .expect("all have the form");
        let workload = settings.apply(load::<Workload>("steady").expect("it is there")).expect("they fit");
        let nemesis =
            settings.apply(load::<Nemesis>("late-transition").expect("it is there")).expect("they fit");
        assert_eq!((workload.rate_hz, workload.load), (50, Nanos(10_000_000_000)));
        assert_eq!((workload.segment_rows, workload.partitions, workload.keys.live), (7, 3, 9));
        assert_eq!(workload.provenance, Provenance::Digest);
        assert_eq!((nemesis.ending, nemesis.min_exposure), (Ending::HealthyWins, 5));
        assert_eq!(nemesis.tail, Nanos(120_000_000_000));
        settings.refuse_unknown("specimen-segments", &["guard", "pool"]).expect("the target knows it");
        assert_eq!(settings.take("guard").as_deref(), Some("partition-gate"));
        assert_eq!(settings, Settings::default());
    }

    /// What the tool does with `--set`, against `steady`, `none` and a target with the keys `guard`, `pool`.
    fn refusal(pairs: &[&str]) -> (String, String) {
        let run = || {
            let mut settings = Settings::parse(pairs)?;
            settings.apply(load::<Workload>("steady")?)?;
            settings.apply(load::<Nemesis>("none")?)?;
            settings.refuse_unknown("sim-segments", &["guard", "pool"])
        };
        let error: ConfigError = run().expect_err("it is refused");
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        (error.to_string(), help)
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named_with_what_would_do() {
        for (pairs, problem, help) in [
            (vec!["guard"], "--set guard: not of the form key=value", "such as --set guard=partition-gate"),
            (vec!["=x"], "--set =x: not of the form key=value", "such as"),
            (vec!["rate="], "--set rate=: not of the form key=value", "such as"),
            (vec!["rate=1", "rate=2"], "--set rate=2: the key is set twice", "one of the two"),
            (vec!["rate=fast"], "--set rate=fast: `fast` is not a whole number, or too large", ""),
            (vec!["rate=0"], "--set rate=0: 0 ops per second", "write 1 to 1000000"),
            (vec!["load=3"], "--set load=3: `3` has no known unit: use h, min, s, ms, us or ns", ""),
            (
                vec!["provenance=ful"],
                "unknown variant `ful`",
                "did you mean `full`? allowed: full, digest, none",
            ),
            (vec!["ending=victim-wins"], "--set ending=victim-wins: no step holds", "remove the ending"),
            (
                vec!["gaurd=x"],
                "--set gaurd=x: neither sim-segments nor",
                "did you mean `guard`? allowed: guard, pool, r",
            ),
        ] {
            let refused = refusal(&pairs);
            assert!(refused.0.contains(problem), "{refused:?}");
            assert!(refused.1.contains(help), "{refused:?}");
        }
    }
}
