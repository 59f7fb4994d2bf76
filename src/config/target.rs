//! A target file: where a cluster is, and what may be done to it. By default only reading is allowed, so that
//! nobody writes to a shared cluster, or breaks it, by mistake.

use super::access::{Access, Credentials};
use super::catalogue::EmbeddedFile;
use super::document::ConfigFile;
use super::error::{ConfigError, InvalidValue};
use super::fault_commands::FaultCommands;
use super::file_schema;
use super::limits::{Hooks, Limits};
use super::table::TableOptions;
use dissent_core::history::fault::{FaultKind, command_name};
use dissent_core::history::fault_catalogue::{Need, Permission};
use dissent_core::history::schema::rules::{Absence, Rules};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What may be done to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Create a table in place of the existing one, write to it, commit its segments.
    pub writes: bool,
    /// Hold messages of the coordination service, and choose who wins a commit.
    pub holds: bool,
    /// Kill replicas and start them again.
    pub restart: bool,
    /// Stop replicas and resume them.
    pub pause: bool,
    /// Hold downloads back at the proxy.
    pub downloads: bool,
    /// Start writers of a shared shard, and stop them for good.
    pub writers: bool,
    /// Begin the faults under `[fault]`.
    pub commands: bool,
    /// Cut and disturb the network between nodes.
    pub network: bool,
    /// Slow machines down, set their clocks and fill their disks.
    pub machines: bool,
}

impl Allow {
    /// Whether it has this permission.
    pub fn permits(self, permission: Permission) -> bool {
        match permission {
            Permission::Writes => self.writes,
            Permission::Holds => self.holds,
            Permission::Restart => self.restart,
            Permission::Pause => self.pause,
            Permission::Downloads => self.downloads,
            Permission::Writers => self.writers,
            Permission::Commands => self.commands,
            Permission::Network => self.network,
            Permission::Machines => self.machines,
        }
    }
}

/// Commands for replicas that signals cannot reach. Each is run by `sh -c`, with the name of the replica in
/// the environment variable `REPLICA`, and must exit with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Commands {
    /// Stops the process, so that it can be resumed.
    pub pause: Option<String>,
    /// Resumes the process.
    pub resume: Option<String>,
    /// Kills the process, as kill -9 does.
    pub kill: Option<String>,
    /// Starts it again, with the same name and files.
    pub start: Option<String>,
}

/// A target file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// The stem of the file name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(test, schemars(skip))]
    pub name: String,
    /// The folder of the file. Commands run there.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The system.
    pub system: String,
    /// The URL to query first. Empty for a system that is reached by a command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The command of an adapter in any language, run by `sh -c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// PEM bundle of CAs to trust instead of the system store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Pinot: the URL of a broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// Pinot: the address of a Kafka broker, which runs need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<String>,
    /// Pinot: whether to use TLS for Kafka.
    #[serde(default, rename = "kafka-tls", skip_serializing_if = "std::ops::Not::not")]
    pub kafka_tls: bool,
    /// Pinot: the table to inspect, and the options of the table that a run creates.
    #[serde(default, skip_serializing_if = "TableOptions::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "super::table::schema"))]
    pub table: TableOptions,
    /// What that table may lack, and what an event means in it, instead of what its configuration says. The
    /// table that a run creates keeps everything.
    #[serde(default, rename = "table-rules", skip_serializing_if = "Option::is_none")]
    pub table_rules: Option<Rules>,
    /// Addresses of replicas by name, where the system does not tell them, or tells names that are not
    /// reachable from here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, String>,
    /// Pinot: the control URL of the `dissent proxy` through which servers download segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Pinot: log files by instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<String, PathBuf>,
    /// Commands to stop, resume, kill and start replicas.
    #[serde(default)]
    pub commands: Commands,
    /// Faults of the user's own, by name.
    #[serde(default, rename = "fault", skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<String, FaultCommands>,
    /// What dissent may do.
    #[serde(default)]
    pub allow: Allow,
    /// HTTP credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Kafka credentials, for SASL PLAIN.
    #[serde(default, rename = "kafka-credentials", skip_serializing_if = "Option::is_none")]
    pub kafka_credentials: Option<Credentials>,
    /// Limits on the load.
    #[serde(default)]
    pub limits: Limits,
    /// Commands before and after runs.
    #[serde(default)]
    pub hooks: Hooks,
}

impl ConfigFile for TargetFile {
    const KIND: &'static str = "target";
    const FOLDER: &'static str = "targets";
    const CATALOGUE: &'static [EmbeddedFile] = &[];
    const SCHEMA: &'static str = file_schema::TARGET;
    const SETTINGS: &'static [&'static str] = &[];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set_folder(&mut self, folder: &Path) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        self.folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    }

    fn set(&mut self, _key: &str, _value: &str) -> Result<(), String> {
        Err("not a setting of a target file".to_owned())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let url = if self.url.is_empty() { Ok(()) } else { check_url("url", &self.url) };
        let servers = self.servers.values().map(|address| refuse_credentials("servers", address));
        let problem = "this build of dissent does not support TLS";
        let tls =
            InvalidValue::unless(!self.kafka_tls || cfg!(feature = "tls"), "kafka-tls", problem, NO_TLS);
        let credentials = |given: &Option<Credentials>, at, tokens| {
            given.as_ref().map_or(Ok(()), |credentials| credentials.check(at, tokens))
        };
        let others = [
            self.table.check(),
            tls,
            credentials(&self.credentials, "credentials", true),
            credentials(&self.kafka_credentials, "kafka-credentials", false),
            self.table_rules.as_ref().map_or(Ok(()), check_rules),
            self.limits.check(),
        ];
        let faults = self.faults.iter().map(|(name, fault)| fault.check(name));
        [url].into_iter().chain(servers).chain(others).chain(faults).filter_map(Result::err).collect()
    }
}

/// Rows expire only with a time to live, and a time to live only makes sense if they do.
fn check_rules(rules: &Rules) -> Result<(), InvalidValue> {
    let (expires, has_time) = (rules.allow(Absence::Expired), rules.time_to_live.0 > 0);
    let key = "table-rules.time-to-live";
    let problem = "the time to live of rows is missing";
    InvalidValue::unless(has_time || !expires, key, problem, "such as `time-to-live = \"24h\"`")?;
    let help = "add \"expired\" to `may-be-absent`";
    InvalidValue::unless(expires || !has_time, key, "rows do not expire", help)
}

/// How the URL of an encrypted web server begins.
pub const HTTPS: &str = "https://";
const NO_TLS: &str = "build dissent with the feature `tls`";

/// Refuses what is not a URL of any scheme, or contains credentials. `key` is its place in a target file.
pub fn check_url(key: &str, text: &str) -> Result<(), InvalidValue> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let problem = format!("`{text}` is not a URL");
    let is_url = !scheme.is_empty() && !rest.is_empty();
    InvalidValue::unless(is_url, key, &problem, "such as http://127.0.0.1:4000")?;
    refuse_credentials(key, text)
}

/// Refuses what is not a URL of a web server that this build can reach.
pub fn check_http_url(key: &str, text: &str) -> Result<(), InvalidValue> {
    check_url(key, text)?;
    let secure = text.starts_with(HTTPS);
    let problem = "this build of dissent does not support TLS";
    InvalidValue::unless(!secure || cfg!(feature = "tls"), key, problem, NO_TLS)?;
    let problem = format!("`{text}` is not an HTTP URL");
    InvalidValue::unless(
        secure || text.starts_with("http://"),
        key,
        &problem,
        "such as http://127.0.0.1:4000",
    )
}

/// Refuses an address with a user or a password in it.
fn refuse_credentials(key: &str, address: &str) -> Result<(), InvalidValue> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let help = "remove them from the URL, and name the variable or file that holds them under [credentials]";
    InvalidValue::unless(!host.contains('@'), key, "a target file must not contain credentials", help)
}

impl TargetFile {
    /// A target file with only a system and its URL.
    pub fn at(system: &str, url: &str) -> TargetFile {
        TargetFile {
            name: String::new(),
            folder: PathBuf::new(),
            system: system.to_owned(),
            url: url.to_owned(),
            command: None,
            ca: None,
            broker: None,
            kafka: None,
            kafka_tls: false,
            table: TableOptions::default(),
            table_rules: None,
            servers: BTreeMap::new(),
            proxy: None,
            logs: BTreeMap::new(),
            commands: Commands::default(),
            faults: BTreeMap::new(),
            allow: Allow::default(),
            credentials: None,
            kafka_credentials: None,
            limits: Limits::default(),
            hooks: Hooks::default(),
        }
    }

    /// The commands of a fault that the file describes. None for another kind, or if they are missing.
    pub fn fault_commands(&self, kind: FaultKind) -> Option<&FaultCommands> {
        let FaultKind::Command(line) = kind else { return None };
        self.faults.get(command_name(&line))
    }

    /// Why a fault cannot be begun with the commands of the file. None if it can, or is another kind.
    pub fn missing_fault(&self, kind: FaultKind) -> Option<String> {
        let FaultKind::Command(line) = kind else { return None };
        match command_name(&line) {
            "" if self.faults.is_empty() => Some("its target file has no table [fault.NAME]".to_owned()),
            "" => None,
            name if self.faults.contains_key(name) => None,
            name => Some(format!("its target file has no table [fault.{name}]")),
        }
    }

    /// Everything needed for HTTP access.
    pub fn access(&self) -> Access {
        Access::new(self.credentials.as_ref(), self.ca.as_ref())
    }

    /// Refuses writes unless the file allows them.
    pub fn admit_writes(&self, path: &str, what: &'static str) -> Result<(), ConfigError> {
        match self.allow.writes {
            true => Ok(()),
            false => Err(ConfigError::NotAllowed { path: path.to_owned(), what, line: "writes" }),
        }
    }

    /// Refuses a run that needs more than the file allows; `path` is the file as given.
    pub fn check_allowed(&self, path: &str, needs: impl Iterator<Item = Need>) -> Result<(), ConfigError> {
        let writing = Need { to: "create a table and write to it", permission: Permission::Writes };
        match [writing].into_iter().chain(needs).find(|need| !self.allow.permits(need.permission)) {
            None => Ok(()),
            Some(Need { to, permission }) => {
                let (path, line) = (path.to_owned(), permission.line());
                Err(ConfigError::NotAllowed { path, what: to, line })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load;
    use crate::run::run_spec::probe;
    use dissent_core::history::nemesis::Nemesis;

    fn needs(faults: impl Iterator<Item = FaultKind>) -> impl Iterator<Item = Need> {
        faults.flat_map(|kind| kind.spec().needs.iter().copied())
    }

    fn target(allow: &str) -> TargetFile {
        let text = format!("system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n[allow]\n{allow}");
        toml::from_str(&text).expect("it is a target file")
    }

    #[test]
    fn a_probe_restarts_and_so_must_be_allowed_to() {
        let none: Nemesis = load("none").expect("it is in the catalogue");
        let admit = |allow: &str, probe_restart: bool| {
            target(allow).check_allowed("mine.toml", needs(none.faults().chain(probe(probe_restart)))).is_ok()
        };
        assert!(admit("writes = true", false) && !admit("writes = true", true));
        assert!(admit("writes = true\nrestart = true", true));
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
            let refused =
                target(allow).check_allowed("mine.toml", needs(nemesis.faults())).err().map(|error| {
                    let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
                    (error.to_string(), help.unwrap_or_default())
                });
            match (missing, refused) {
                (None, None) => {}
                (Some(line), Some((problem, help))) => {
                    assert!(problem.starts_with("mine.toml does not allow dissent to "), "{problem}");
                    assert!(help.contains(&format!("`{line} = true`")), "{plan} {allow}: {help}");
                }
                other => panic!("{plan} {allow}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_a_table_may_lack_is_declared_and_what_expires_needs_its_time() {
        let with = |rules: &str| {
            let text = "system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n[table-rules]\n";
            toml::from_str::<TargetFile>(&format!("{text}{rules}"))
        };
        let all = "may-be-absent = [\"superseded\", \"expired\"]\ntime-to-live = \"24h\"\n\
                   event-of-deleted = \"dropped\"";
        let file = with(all).expect("it is a target file");
        assert_eq!(file.check(), []);
        assert!(file.table_rules.is_some_and(|rules| rules.allow(Absence::Expired) && !rules.is_plain()));
        for wrong in ["may-be-absent = [\"expired\"]", "time-to-live = \"24h\""] {
            assert!(with(wrong).expect("it can be read").check().len() == 1, "{wrong}");
        }
        assert!(with("may-be-absent = [\"gone\"]").is_err());
    }
}
