//! Generates a target file for `dissent init`. It states what was found, permits nothing, and mentions other
//! options in comments.

use crate::config::access::{Access, Credentials};
use crate::target_error::TargetError;
use std::path::PathBuf;

/// A request to generate a target file.
#[derive(Clone, Debug)]
pub struct DiscoveryRequest {
    /// The name of the system.
    pub system: String,
    /// The URL of the controller or supervisor.
    pub url: String,
    /// The table to inspect. None lets discovery choose.
    pub table: Option<String>,
    /// The credentials for the cluster's HTTP interface.
    pub credentials: Option<Credentials>,
    /// A file of trusted certificates. None means those of the system.
    pub ca: Option<PathBuf>,
}

impl DiscoveryRequest {
    /// The access to the cluster's HTTP interface.
    pub fn access(&self) -> Access {
        Access::new(self.credentials.as_ref(), self.ca.as_ref())
    }
}

/// The result of discovery.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Findings for the user, one per line.
    pub found: Vec<String>,
    /// The version that the cluster reports.
    pub version: String,
    /// The URL of a broker.
    pub broker: Option<String>,
    /// The address of Kafka. None if tables use different ones.
    pub kafka: Option<String>,
    /// The name of the table to inspect.
    pub table: Option<String>,
    /// The URLs of the servers by name.
    pub servers: Vec<(String, String)>,
}

/// Why no target file was generated.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The cluster does not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The answer is not that of a controller.
    #[error(
        "{url} answers, but is not a Pinot controller{guess}: give the URL of a controller (its port is \
         often 9000)"
    )]
    NoController {
        /// The URL that was asked.
        url: String,
        /// What the process may be instead.
        guess: String,
    },
    /// There are several tables to choose from.
    #[error("there are {} tables; choose one with --table: {}", .0.len(), .0.join(", "))]
    Tables(Vec<String>),
    /// No table has the requested name.
    #[error("no realtime table is called `{name}`; tables: {known}")]
    NoTable {
        /// The name as given.
        name: String,
        /// The existing tables.
        known: String,
    },
}

impl Discovery {
    /// The text of the target file.
    pub fn file(&self, wanted: &DiscoveryRequest) -> String {
        let mut text = format!("# Target file for dissent: {}", wanted.system);
        if !self.version.is_empty() {
            text += &format!(" {}", self.version);
        }
        text += ".\n# Written by `dissent init`. Comments show what else can be set.\n\n";
        line(&mut text, "system", &wanted.system);
        line(&mut text, "url", wanted.url.trim_end_matches('/'));
        if wanted.system == crate::config::target::PINOT {
            self.push_pinot(&mut text);
        }
        if let Some(ca) = &wanted.ca {
            line(&mut text, "ca", &ca.display().to_string());
        }
        text += ALLOW;
        if wanted.system == crate::config::target::SHARD {
            text += ALLOW_WRITERS;
        }
        push_credentials(&mut text, wanted.credentials.as_ref());
        if !self.servers.is_empty() {
            text += "\n# [servers]            # HTTP of the servers, as reported by Pinot\n";
            let lines =
                self.servers.iter().map(|(name, url)| format!("# {} = {}\n", quoted(name), quoted(url)));
            text += &lines.collect::<String>();
        }
        text += OPTIONS;
        text
    }

    fn push_pinot(&self, text: &mut String) {
        match &self.broker {
            Some(broker) => line(text, "broker", broker),
            None => *text += "broker = \"http://BROKER:8099\"    # none is registered: enter its URL\n",
        }
        match &self.kafka {
            Some(kafka) => line(text, "kafka", kafka),
            None => {
                *text += "# kafka = \"HOST:9092\"    # needed by runs; reachable from Pinot and from here\n";
            }
        }
        match &self.table {
            Some(table) => line(text, "table", table),
            None => {
                *text += "# table = \"NAME\"         # for `dissent raw`; each run creates its own table\n"
            }
        }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    *text += &format!("{key} = {}\n", quoted(value));
}

/// A string in TOML syntax.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn push_credentials(text: &mut String, credentials: Option<&Credentials>) {
    let Some(credentials) = credentials else {
        *text += CREDENTIALS;
        return;
    };
    *text += "\n[credentials]\n";
    let Credentials { user, password_env, password_file, token_env, token_file } = credentials;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    for (key, value) in [
        ("user", user.clone()),
        ("password-env", password_env.clone()),
        ("password-file", path(password_file)),
        ("token-env", token_env.clone()),
        ("token-file", path(token_file)),
    ] {
        value.iter().for_each(|value| line(text, key, value));
    }
}

const ALLOW: &str = "
[allow]                # by default only reading is allowed
writes = false         # create tables `dissent_..` with their topics, write to them, force commits
holds = false          # hold back messages of the coordination store to a server
pause = false          # stop servers and resume them
restart = false        # kill servers and start them again
downloads = false      # hold back downloads at a `dissent proxy`; needs `proxy = \"..\"` above [allow]
";

const ALLOW_WRITERS: &str = "\
writers = false        # start writers of the shard, and stop them for good
";

const CREDENTIALS: &str = "
# [credentials]        # for HTTP. Never write a secret into this file
# user = \"dissent\"
# password-env = \"PINOT_PASSWORD\"       # or password-file; or, without user, token-env or token-file
# [kafka-credentials]  # SASL PLAIN; for TLS: `kafka-tls = true`, above [allow]
# user = \"dissent\"
# password-env = \"KAFKA_PASSWORD\"
";

const OPTIONS: &str = "
# [commands]           # run by `sh -c`; $REPLICA is the server; pause and holds need the first two
# pause = \"ssh \\\"$REPLICA\\\" pkill -STOP -f StartServer\"
# resume = \"ssh \\\"$REPLICA\\\" pkill -CONT -f StartServer\"
# kill = \"ssh \\\"$REPLICA\\\" pkill -KILL -f StartServer\"
# start = \"ssh \\\"$REPLICA\\\" systemctl start pinot-server\"

# [limits]
# queries = 1              # concurrent queries
# rows-per-second = 20000  # default: unlimited
# query-timeout = \"20s\"
# back-off = true          # slow down while answers take twice as long as before

# [hooks]                  # run by `sh -c`, before and after runs
# up = \"docker compose up --detach\"
# wait-ready = \"curl --fail --silent http://127.0.0.1:9000/health\"
# ready-within = \"2min\"
# collect = \"docker compose logs > $DISSENT_COLLECT/compose.log\"      # $DISSENT_RUN is the run folder
# down = \"docker compose down --volumes\"
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::target::{Allow, TargetFile};

    fn wanted(system: &str) -> DiscoveryRequest {
        let (system, url) = (system.to_owned(), "http://127.0.0.1:9000/".to_owned());
        DiscoveryRequest { system, url, table: None, credentials: None, ca: None }
    }

    fn loaded(text: &str) -> TargetFile {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Enables the commented settings, so that they are parsed too.
    fn with_comments(text: &str) -> TargetFile {
        let all = text.lines().skip(2).map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or_default();
            let says = bare.starts_with('[') || bare.contains(" = ");
            if says { bare } else { line }
        });
        loaded(&all.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn what_is_written_is_a_target_file_in_which_everything_is_forbidden() {
        let credentials: Credentials = toml::from_str("token-env = \"T\"").expect("it parses");
        let pinot = Discovery {
            broker: Some("http://b:8099".to_owned()),
            kafka: Some("k:9092".to_owned()),
            table: Some("acct".to_owned()),
            servers: vec![("Server_a_8098".to_owned(), "http://a:8097".to_owned())],
            ..Discovery::default()
        };
        for (discovery, wanted) in [
            (Discovery::default(), wanted("specimen-segments")),
            (Discovery::default(), wanted("pinot")),
            (pinot.clone(), DiscoveryRequest { credentials: Some(credentials.clone()), ..wanted("pinot") }),
        ] {
            let text = discovery.file(&wanted);
            let file = loaded(&text);
            assert_eq!((file.allow, file.hooks.up, file.commands.pause), (Allow::default(), None, None));
            assert_eq!((&file.kafka, &file.table.name), (&discovery.kafka, &discovery.table));
            assert_eq!(file.credentials, wanted.credentials);
            assert!(text.lines().all(|line| line.chars().count() < 110), "{text}");
        }
        let all = with_comments(&pinot.file(&wanted("pinot")));
        assert!(
            all.hooks.collect.is_some() && all.commands.start.is_some() && all.kafka_credentials.is_some()
        );
        assert_eq!((all.limits.rows_per_second, all.limits.queries), (Some(20_000), 1));
        assert_eq!(all.servers["Server_a_8098"], "http://a:8097");
    }
}
