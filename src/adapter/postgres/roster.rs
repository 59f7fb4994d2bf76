//! The servers of a target file.

use super::server::{PostgresServer, parse};
use super::sql;
use crate::config::error::InvalidValue;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;

/// The name of the server at `url`, which takes all writes.
pub(super) const PRIMARY: &str = "primary";

/// All servers, reached or not.
pub(super) struct Roster {
    pub(super) primary: PostgresServer,
    /// Its standbys and subscribers.
    pub(super) others: Vec<PostgresServer>,
}

/// What must be in a target file.
pub(super) fn check(file: &TargetFile) -> Result<(), InvalidValue> {
    let wrong = |at: &str, problem: String, help: &str| {
        Err(InvalidValue { at: at.to_owned(), problem, help: help.to_owned() })
    };
    parse("url", &file.url)?;
    for (name, url) in &file.servers {
        parse("servers", url)?;
        if name == PRIMARY {
            return wrong("servers", format!("`{PRIMARY}` is the server at `url`"), "remove the line");
        }
        if !sql::is_plain(name) {
            let problem = format!("`{name}` cannot be part of the name of a replication slot");
            return wrong("servers", problem, "at most 31 lower case letters, digits and underscores");
        }
    }
    let has_user = file.credentials.as_ref().is_some_and(|login| login.user.is_some());
    if !has_user {
        let help = "write [credentials] with `user`, and `password-env` or `password-file`";
        return wrong("credentials", "PostgreSQL needs a user and a password".to_owned(), help);
    }
    Ok(())
}

impl Roster {
    /// The servers of a target file. Reads the password, and sends nothing yet.
    pub(super) fn new(file: &TargetFile) -> Result<Roster, TargetError> {
        let login = file.access().credentials;
        let server = |name: &str, url: &str| PostgresServer::new(name, url, login.as_ref(), &file.limits);
        let others = file.servers.iter().map(|(name, url)| server(name, url));
        Ok(Roster { primary: server(PRIMARY, &file.url)?, others: others.collect::<Result<_, _>>()? })
    }

    /// The same, but no connection can write.
    pub(super) fn reading(file: &TargetFile) -> Result<Roster, TargetError> {
        let Roster { primary, others } = Roster::new(file)?;
        let others = others.into_iter().map(PostgresServer::reading).collect();
        Ok(Roster { primary: primary.reading(), others })
    }

    /// All servers, the primary first.
    pub(super) fn servers(&self) -> impl Iterator<Item = &PostgresServer> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// The server with this name.
    pub(super) fn named(&self, name: &str) -> Result<&PostgresServer, TargetError> {
        let cause = || "the target file has no such server".to_owned();
        let found = self.servers().find(|server| server.name == name);
        found.ok_or_else(|| TargetError::Refused { at: name.to_owned(), cause: cause() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_file_names_its_servers_and_a_user() {
        let login = "[credentials]\nuser = \"me\"\npassword-env = \"P\"\n";
        for (url, rest, wrong) in [
            ("postgres://a/x", "[servers]\nsub_1 = \"postgres://b/x\"\n".to_owned() + login, None),
            ("postgres://a/x", login.to_owned(), None),
            ("http://a/x", login.to_owned(), Some("url")),
            ("postgres://a/x", String::new(), Some("credentials")),
            (
                "postgres://a/x",
                "[servers]\nprimary = \"postgres://b/x\"\n".to_owned() + login,
                Some("servers"),
            ),
            ("postgres://a/x", "[servers]\nSub-1 = \"postgres://b/x\"\n".to_owned() + login, Some("servers")),
            ("postgres://a/x", "[servers]\nsub = \"http://b/x\"\n".to_owned() + login, Some("servers")),
        ] {
            let text = format!("system = \"postgres\"\nurl = \"{url}\"\n{rest}");
            let file: TargetFile = toml::from_str(&text).expect("it parses");
            assert_eq!(check(&file).err().map(|error| error.at).as_deref(), wrong, "{text}");
        }
    }
}
