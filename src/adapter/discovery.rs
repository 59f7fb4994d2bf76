//! A target file by discovery, as `dissent init` writes it: what was found stands in it, what may be done is
//! all forbidden, and what else can be said stands in comments.

use crate::config::access::{Access, Credentials};
use crate::target_error::TargetError;
use std::path::PathBuf;

/// What a target file is wanted for.
#[derive(Clone, Debug)]
pub struct DiscoveryRequest {
    /// The system.
    pub system: String,
    /// Where it is asked.
    pub url: String,
    /// The table that is to be looked at.
    pub table: Option<String>,
    /// Who asks.
    pub credentials: Option<Credentials>,
    /// Whose certificates are believed.
    pub ca: Option<PathBuf>,
}

impl DiscoveryRequest {
    /// How its HTTP is entered.
    pub fn access(&self) -> Access {
        Access::new(self.credentials.as_ref(), self.ca.as_ref())
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// For people, a line each.
    pub found: Vec<String>,
    /// The version.
    pub version: String,
    /// A broker's URL.
    pub broker: Option<String>,
    /// Kafka's address.
    pub kafka: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// Servers' own HTTP, by name.
    pub servers: Vec<(String, String)>,
}

/// Why there is no target file.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It does not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It answers, and is something else.
    #[error(
        "{url} answers, but not as a Pinot controller does{guess}: give the controller's URL (its port is \
         often 9000)"
    )]
    NoController {
        /// Where.
        url: String,
        /// What it may be.
        guess: String,
    },
    /// There are several.
    #[error("there are {} tables: choose one with --table: {}", .0.len(), .0.join(", "))]
    Tables(Vec<String>),
    /// There is none of that name.
    #[error("no realtime table is called `{name}`: there are {known}")]
    NoTable {
        /// As asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
}

impl Discovery {
    /// The target file.
    pub fn file(&self, wanted: &DiscoveryRequest) -> String {
        let mut text = format!("# A target of dissent: {}", wanted.system);
        if !self.version.is_empty() {
            text += &format!(" {}", self.version);
        }
        text += ".\n# Made by `dissent init`: what was found. Comments say what else can be said.\n\n";
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
            text += "\n# [servers]            # their own HTTP, as Pinot tells it\n";
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
            None => *text += "broker = \"http://BROKER:8099\"    # none is registered: say where one is\n",
        }
        match &self.kafka {
            Some(kafka) => line(text, "kafka", kafka),
            None => {
                *text +=
                    "# kafka = \"HOST:9092\"    # a run writes to it: where Pinot and this machine find it\n";
            }
        }
        match &self.table {
            Some(table) => line(text, "table", table),
            None => {
                *text +=
                    "# table = \"NAME\"         # what `dissent raw` looks at; a run makes one of its own\n"
            }
        }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    *text += &format!("{key} = {}\n", quoted(value));
}

/// A text as TOML has it.
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
[allow]                # without these nothing is done but reading
writes = false         # make tables `dissent_..` with their topics, write to them, force commits
holds = false          # hold back messages of the coordination store to a server
pause = false          # stop servers and let them go on
restart = false        # kill servers and start them again
downloads = false      # keep downloads waiting at a `dissent proxy`, which `proxy = \"..\"` above names
";

const ALLOW_WRITERS: &str = "\
writers = false        # start writers of the shard, and end them for good
";

const CREDENTIALS: &str = "
# [credentials]        # who asks by HTTP. A secret never stands in this file
# user = \"dissent\"
# password-env = \"PINOT_PASSWORD\"       # or password-file = \"..\"; or token-env, token-file, without user
# [kafka-credentials]  # who asks Kafka, by SASL PLAIN; TLS: `kafka-tls = true`, above [allow]
# user = \"dissent\"
# password-env = \"KAFKA_PASSWORD\"
";

const OPTIONS: &str = "
# [commands]           # by `sh -c`, with the server's name in $REPLICA; pause and holds need the first two
# pause = \"ssh \\\"$REPLICA\\\" pkill -STOP -f StartServer\"
# resume = \"ssh \\\"$REPLICA\\\" pkill -CONT -f StartServer\"
# kill = \"ssh \\\"$REPLICA\\\" pkill -KILL -f StartServer\"
# start = \"ssh \\\"$REPLICA\\\" systemctl start pinot-server\"

# [limits]
# queries = 1              # at the same time
# rows-per-second = 20000  # none: as they come
# query-timeout = \"20s\"
# back-off = true          # ask less while answers take twice as long as they used to

# [hooks]                  # by `sh -c`, around runs
# up = \"docker compose up --detach\"
# wait-ready = \"curl --fail --silent http://127.0.0.1:9000/health\"
# ready-within = \"2min\"
# collect = \"docker compose logs > $DISSENT_COLLECT/compose.log\"      # $DISSENT_RUN is the run's folder
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

    /// Its comments too are lines that would be understood.
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
        for (draft, wanted) in [
            (Discovery::default(), wanted("specimen-segments")),
            (Discovery::default(), wanted("pinot")),
            (pinot.clone(), DiscoveryRequest { credentials: Some(credentials.clone()), ..wanted("pinot") }),
        ] {
            let text = draft.file(&wanted);
            let file = loaded(&text);
            assert_eq!((file.allow, file.hooks.up, file.commands.pause), (Allow::default(), None, None));
            assert_eq!((&file.kafka, &file.table.name), (&draft.kafka, &draft.table));
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
