//! One server of the cluster: its connections, and what its errors mean.

use crate::config::access::{Credentials, Login};
use crate::config::error::InvalidValue;
use crate::config::limits::Limits;
use crate::target_error::TargetError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

/// The name of our own connections in the server's views.
const APPLICATION: &str = "dissent";
/// SQLSTATE of a syntax error.
const SYNTAX: &str = "42601";
/// The time between two questions for something that is about to become true.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Parameters of a statement, with their types.
pub(super) type Given<'p> = &'p [(&'p (dyn ToSql + Sync), Type)];

/// A server of the target file.
pub(super) struct PostgresServer {
    /// Its name in the target file.
    pub(super) name: String,
    config: Config,
    timeout: Duration,
    /// Connections that are not in use.
    idle: Mutex<Vec<Client>>,
}

/// Reads the URL of a server: `postgres://HOST:PORT/DATABASE`.
pub(super) fn parse(key: &str, url: &str) -> Result<Config, InvalidValue> {
    let wrong = |problem: String, help: &str| {
        Err(InvalidValue { at: key.to_owned(), problem, help: help.to_owned() })
    };
    let help = "such as \"postgres://127.0.0.1:5432/postgres\"";
    let parsed = if url.starts_with("postgres://") { url.parse::<Config>().ok() } else { None };
    let Some(mut config) = parsed else {
        return wrong(format!("`{url}` is not the URL of a PostgreSQL server"), help);
    };
    if config.get_user().is_some() || config.get_password().is_some() {
        let help = "remove them from the URL, and write [credentials] with `user` and `password-env`";
        return wrong("a target file must not contain credentials".to_owned(), help);
    }
    if config.get_ssl_mode() == SslMode::Require {
        let help = "write `sslmode=disable`, and reach the server through a tunnel or from its own network";
        return wrong("TLS to PostgreSQL is not supported yet".to_owned(), help);
    }
    if config.get_dbname().is_none() || !matches!(config.get_hosts(), [Host::Tcp(_)]) {
        return wrong(format!("`{url}` does not name one host and a database"), help);
    }
    config.ssl_mode(SslMode::Disable);
    Ok(config)
}

/// The server gives up before the client does, so that its answer says what became of a statement.
fn statement_timeout(timeout: Duration) -> String {
    format!("-c statement_timeout={}", (timeout.as_millis() * 9 / 10).max(1))
}

impl PostgresServer {
    /// The server at a URL. Nothing is sent yet.
    pub(super) fn new(
        name: &str,
        url: &str,
        login: Option<&Credentials>,
        limits: &Limits,
    ) -> Result<PostgresServer, TargetError> {
        let unusable = |cause: String| TargetError::Unauthenticated { cause };
        let mut config = parse(name, url).map_err(|error| unusable(error.problem))?;
        let login = login.ok_or_else(|| unusable("the target file has no [credentials]".to_owned()))?;
        match login.login().map_err(|error| unusable(error.to_string()))? {
            Login::Password(user, password) => config.user(user).password(password.reveal()),
            Login::Token(_) => return Err(unusable("PostgreSQL takes no token but a password".to_owned())),
        };
        let timeout = Duration::from_nanos(limits.query_timeout.0);
        config.options(format!("{} -c synchronous_commit=on", statement_timeout(timeout)));
        Ok(PostgresServer { name: name.to_owned(), config, timeout, idle: Mutex::default() })
    }

    /// The same server, where every transaction is read-only and values look alike in all sessions. Rows
    /// that a policy hides from the user are an error there, not missing.
    pub(super) fn reading(mut self) -> PostgresServer {
        self.config.options(format!(
            "{} -c default_transaction_read_only=on -c row_security=off -c timezone=UTC -c datestyle=ISO \
             -c intervalstyle=iso_8601 -c bytea_output=hex -c extra_float_digits=1 \
             -c standard_conforming_strings=on",
            statement_timeout(self.timeout)
        ));
        self
    }

    /// How long a statement may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The address, the user and the password as a subscriber needs them to connect to this server
    /// (PostgreSQL manual, "Connection Strings").
    pub(super) fn connection_string(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let password = self.config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
        let port = self.config.get_ports().first().copied().unwrap_or(5432).to_string();
        let of = [
            ("host", self.host()),
            ("port", &port),
            ("dbname", self.config.get_dbname().unwrap_or_default()),
            ("user", self.user()),
            ("password", &password),
        ];
        of.map(|(key, value)| format!("{key}={}", quoted(value))).join(" ")
    }

    /// The user of its connections.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    fn host(&self) -> &str {
        match self.config.get_hosts() {
            [Host::Tcp(host), ..] => host,
            _ => "",
        }
    }

    /// The server in messages.
    pub(super) fn at(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{} ({}:{port})", self.name, self.host())
    }

    /// The error for what this server cannot be asked to do.
    pub(super) fn refused(&self, cause: impl Into<String>) -> TargetError {
        TargetError::Refused { at: self.at(), cause: cause.into() }
    }

    /// Opens a connection under a name of its own. It is closed with the client, or by the server.
    pub(super) async fn open(&self, application: &str) -> Result<Client, TargetError> {
        let mut config = self.config.clone();
        config.application_name(application);
        let (client, connection) = self.within(config.connect(NoTls)).await?;
        // Whatever ends the connection is told to the statement that waits for it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// A connection for one statement.
    pub(super) async fn client(&self) -> Result<Client, TargetError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match std::iter::from_fn(idle).find(|client| !client.is_closed()) {
            Some(client) => Ok(client),
            None => self.open(APPLICATION).await,
        }
    }

    /// Takes a connection back whose statement has succeeded.
    pub(super) fn keep(&self, client: Client) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// Waits for an answer, at most as long as a statement may take.
    pub(super) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, TargetError> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|error| self.told(&error)),
            Err(_) => {
                let cause = format!("none within {} ms", self.timeout.as_millis());
                Err(TargetError::Unreachable { at: self.at(), cause })
            }
        }
    }

    /// What an error says. Class 28 of SQLSTATE is a refused login, 57P a server that starts, stops or has
    /// crashed (PostgreSQL manual, Appendix A). Class 22 and syntax errors quote values.
    fn told(&self, error: &Error) -> TargetError {
        let at = self.at();
        let Some(told) = error.as_db_error() else {
            let source = std::error::Error::source(error);
            let cause = source.map_or(error.to_string(), |source| format!("{error}: {source}"));
            return TargetError::Unreachable { at, cause };
        };
        let more = [told.detail(), told.hint()].into_iter().flatten().map(|text| format!("; {text}"));
        let cause = format!("{}{}", told.message(), more.collect::<String>());
        match told.code().code() {
            code if code.starts_with("28") => {
                TargetError::Unauthenticated { cause: format!("{at}: {cause}") }
            }
            code if code.starts_with("57P") => TargetError::Unreachable { at, cause },
            code if code.starts_with("22") || code == SYNTAX => TargetError::InvalidResponse { at, cause },
            _ => TargetError::Refused { at, cause },
        }
    }

    /// The error for an answer that is not what was asked for.
    pub(super) fn invalid(&self, cause: impl ToString) -> TargetError {
        TargetError::InvalidResponse { at: self.at(), cause: cause.to_string() }
    }

    /// Asks for rows.
    pub(super) async fn ask(&self, sql: &str, given: Given<'_>) -> Result<Vec<Row>, TargetError> {
        let client = self.client().await?;
        let rows = self.within(client.query_typed(sql, given)).await?;
        self.keep(client);
        Ok(rows)
    }

    /// Asks for one row.
    pub(super) async fn ask_row(&self, sql: &str) -> Result<Row, TargetError> {
        self.ask(sql, &[]).await?.into_iter().next().ok_or_else(|| self.invalid("no row"))
    }

    /// Asks for one value.
    pub(super) async fn ask_value<T: FromSqlOwned>(&self, sql: &str) -> Result<T, TargetError> {
        self.get(&self.ask_row(sql).await?, 0)
    }

    /// A value of a row.
    pub(super) fn get<T: FromSqlOwned>(&self, row: &Row, column: usize) -> Result<T, TargetError> {
        row.try_get(column).map_err(|error| self.invalid(error))
    }

    /// Carries out one statement.
    pub(super) async fn run(&self, sql: &str) -> Result<(), TargetError> {
        let client = self.client().await?;
        self.within(client.batch_execute(sql)).await?;
        self.keep(client);
        Ok(())
    }

    /// Asks again and again until the answer is true, at most as long as a statement may take. `goal` says
    /// in an error what did not happen.
    pub(super) async fn until(&self, goal: &str, question: &str) -> Result<(), TargetError> {
        let end = Instant::now() + self.timeout;
        while !self.ask_value::<bool>(question).await? {
            if Instant::now() > end {
                return Err(self.refused(format!("{goal}: not within {} ms", self.timeout.as_millis())));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The version that it reports, without the name of its package.
    pub(super) async fn version(&self) -> Result<String, TargetError> {
        let version: String = self.ask_value("select current_setting('server_version')").await?;
        Ok(version.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Whether it replays the log of another server, as physical standbys do.
    pub(super) async fn is_standby(&self) -> Result<bool, TargetError> {
        self.ask_value("select pg_is_in_recovery()").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_host_and_a_database_and_holds_no_secret() {
        for url in
            ["postgres://127.0.0.1:5432/app", "postgres://db/app?sslmode=disable", "postgres://[::1]/a"]
        {
            assert!(parse("url", url).is_ok(), "{url}");
        }
        for (url, told) in [
            ("http://127.0.0.1:5432/app", "not the URL"),
            ("postgres://db:5432", "does not name"),
            ("postgres://a,b/app", "does not name"),
            ("postgres://%2Fvar%2Frun/app", "does not name"),
            ("postgres://me@db/app", "credentials"),
            ("postgres://db/app?password=hush", "credentials"),
            ("postgres://db/app?sslmode=require", "TLS"),
            ("postgres://db/app?sslmode=verify-full", "not the URL"),
        ] {
            let error = parse("url", url).expect_err(url);
            assert!(error.problem.contains(told), "{url}: {}", error.problem);
        }
    }

    #[test]
    fn a_connection_string_survives_quotes_and_spaces() {
        let config = parse("url", "postgres://db:7/app").expect("a URL");
        let timeout = Duration::from_secs(1);
        let mut server = PostgresServer { name: "a".to_owned(), config, timeout, idle: Mutex::default() };
        server.config.user("it's me").password("a\\b");
        let expected = "host='db' port='7' dbname='app' user='it\\'s me' password='a\\\\b'";
        assert_eq!(server.connection_string(), expected);
        assert_eq!(server.at(), "a (db:7)");
    }
}
