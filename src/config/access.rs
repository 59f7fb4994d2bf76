//! Access to a secured cluster: credentials and trusted certificates.
//!
//! A target file never holds a secret, only its place: an environment variable or a file. So this may be
//! copied into cures, marks, records and messages, and a secret is read only when it is used.

use super::error::InvalidValue;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The user, and where the password or token is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Credentials {
    /// The user name that belongs to the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The environment variable that holds the user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// The file that holds the user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// The file that holds a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

/// Everything needed for HTTP access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// The credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// PEM bundle of CAs to trust instead of the system store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// A password or a token. Debug output does not show it.
pub struct Secret(String);

impl Secret {
    /// The text, for sending it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// The credentials to send.
#[derive(Debug)]
pub enum Login {
    /// User name and password.
    Password(String, Secret),
    /// A bearer token.
    Token(Secret),
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("the environment variable {0}, which must hold the {1}, is not set")]
    Unset(String, &'static str),
    /// The file cannot be read.
    #[error("cannot read the {what} in {path}: {error}")]
    Unreadable {
        /// Password or token.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
}

impl Credentials {
    /// Refuses anything but exactly one kind of credentials. `tokens`: whether a token is allowed.
    pub(super) fn check(&self, at: &str, tokens: bool) -> Result<(), InvalidValue> {
        let password = [self.password_env.is_some(), self.password_file.is_some()];
        let token = [self.token_env.is_some(), self.token_file.is_some()];
        let count = |of: &[bool]| of.iter().filter(|given| **given).count();
        let by_password = self.user.is_some() && count(&password) == 1 && count(&token) == 0;
        let by_token = tokens && self.user.is_none() && count(&password) == 0 && count(&token) == 1;
        let help = match tokens {
            true => "write `user` with `password-env` or `password-file`, or `token-env`, or `token-file`",
            false => "write `user` with `password-env` or `password-file`",
        };
        InvalidValue::unless(by_password || by_token, at, "exactly one kind of credentials is required", help)
    }

    /// Reads the secret, now.
    pub fn login(&self) -> Result<Login, SecretError> {
        if self.token_env.is_some() || self.token_file.is_some() {
            return secret("token", self.token_env.as_deref(), self.token_file.as_deref()).map(Login::Token);
        }
        let password = secret("password", self.password_env.as_deref(), self.password_file.as_deref())?;
        Ok(Login::Password(self.user.clone().unwrap_or_default(), password))
    }

    /// The same with absolute paths.
    fn anywhere(&self) -> Credentials {
        let whole = |path: &PathBuf| absolute(path);
        Credentials {
            password_file: self.password_file.as_ref().map(whole),
            token_file: self.token_file.as_ref().map(whole),
            ..self.clone()
        }
    }
}

impl Access {
    /// The access of a target file. Paths become absolute, because a fault may be undone from another folder.
    pub fn new(credentials: Option<&Credentials>, ca: Option<&PathBuf>) -> Access {
        let ca = ca.map(|path| absolute(path));
        Access { credentials: credentials.map(Credentials::anywhere), ca }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn secret(what: &'static str, env: Option<&str>, file: Option<&Path>) -> Result<Secret, SecretError> {
    match (env, file) {
        (Some(name), _) => {
            std::env::var(name).map(Secret).map_err(|_| SecretError::Unset(name.to_owned(), what))
        }
        (None, file) => {
            let path = file.unwrap_or_else(|| Path::new("")).to_owned();
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| SecretError::Unreadable { what, path, error })?;
            Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Credentials {
        toml::from_str(text).expect("it parses")
    }

    #[test]
    fn there_is_one_way_in_or_the_file_is_refused() {
        for (text, tokens, fits) in [
            ("user = \"a\"\npassword-env = \"P\"", true, true),
            ("user = \"a\"\npassword-file = \"p\"", false, true),
            ("token-env = \"T\"", true, true),
            ("token-file = \"t\"", true, true),
            ("token-env = \"T\"", false, false),
            ("user = \"a\"", true, false),
            ("password-env = \"P\"", true, false),
            ("user = \"a\"\npassword-env = \"P\"\npassword-file = \"p\"", true, false),
            ("user = \"a\"\npassword-env = \"P\"\ntoken-env = \"T\"", true, false),
            ("", true, false),
        ] {
            assert_eq!(of(text).check("credentials", tokens).is_ok(), fits, "{text}");
        }
        assert!(toml::from_str::<Credentials>("password = \"secret\"").is_err());
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_shows_itself_to_nobody() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("p");
        std::fs::write(&path, "hush hush\n").expect("a file");
        let credentials = of(&format!("user = \"a\"\npassword-file = \"{}\"", path.display()));
        let login = credentials.login().expect("it can be read");
        assert!(!format!("{login:?} {credentials:?}").contains("hush"));
        let Login::Password(user, secret) = login else { panic!("a password") };
        assert_eq!((user.as_str(), secret.reveal()), ("a", "hush hush"));
        let gone = of("token-env = \"DISSENT_TEST_NOT_SET\"").login().expect_err("it is not set");
        assert!(gone.to_string().contains("DISSENT_TEST_NOT_SET"), "{gone}");
        let gone = of("token-file = \"nowhere/t\"").login().expect_err("it is not there");
        assert!(gone.to_string().contains("nowhere/t"), "{gone}");
    }
}
