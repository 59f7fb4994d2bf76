//! The text of a generated target file. It states what was found, permits nothing, and mentions other options
//! in comments.

use super::discovery::{Discovery, DiscoveryRequest, OwnText, line};
use super::system::System;
use crate::config::access::Credentials;
use std::path::PathBuf;

/// The text of the target file of a cluster that was discovered.
pub fn target_file(system: &dyn System, discovery: &Discovery, wanted: &DiscoveryRequest) -> String {
    let OwnText { keys, log_in, tables, options } = system.own_text(discovery);
    let mut text = format!("# Target file for dissent: {}", wanted.system);
    if !discovery.version.is_empty() {
        text += &format!(" {}", discovery.version);
    }
    text += ".\n# Written by `dissent init`. Comments show what else can be set.\n\n";
    line(&mut text, "system", &wanted.system);
    line(&mut text, system.address_key(), wanted.url.trim_end_matches('/'));
    text += &keys;
    if let Some(ca) = &wanted.ca {
        line(&mut text, "ca", &ca.display().to_string());
    }
    text += "\n[allow]                # by default only reading is allowed\n";
    for (permission, what) in system.permissions() {
        text += &format!("{:<23}# {what}\n", format!("{} = false", permission.line()));
    }
    match &wanted.credentials {
        Some(credentials) => push_credentials(&mut text, credentials),
        None => text += log_in,
    }
    text + &tables + options + LIMITS
}

fn push_credentials(text: &mut String, credentials: &Credentials) {
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

const LIMITS: &str = "
# [limits]
# queries = 1              # concurrent queries
# rows-per-second = 20000  # default: unlimited
# query-timeout = \"20s\"
# back-off = true          # slow down while answers take twice as long as before
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::access::Credentials;
    use crate::config::target::{Allow, TargetFile};

    fn wanted(system: &str) -> DiscoveryRequest {
        let (system, url) = (system.to_owned(), "http://127.0.0.1:9000/".to_owned());
        DiscoveryRequest { system, url, table: None, credentials: None, ca: None }
    }

    fn of(system: &str) -> &'static dyn System {
        crate::adapter::system(system).expect("it is known")
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
            (Discovery::default(), wanted("specimen-shard")),
            (Discovery::default(), wanted("pinot")),
            (pinot.clone(), DiscoveryRequest { credentials: Some(credentials.clone()), ..wanted("pinot") }),
        ] {
            let text = target_file(of(&wanted.system), &discovery, &wanted);
            let file = loaded(&text);
            assert_eq!((file.allow, file.hooks.up, file.commands.pause), (Allow::default(), None, None));
            assert_eq!((&file.kafka, &file.table.name), (&discovery.kafka, &discovery.table));
            assert_eq!(file.credentials, wanted.credentials);
            assert!(text.lines().all(|line| line.chars().count() < 110), "{text}");
        }
        let all = with_comments(&target_file(of("pinot"), &pinot, &wanted("pinot")));
        assert!(
            all.hooks.collect.is_some() && all.commands.start.is_some() && all.kafka_credentials.is_some()
        );
        assert_eq!((all.limits.rows_per_second, all.limits.queries), (Some(20_000), 1));
        assert_eq!(all.servers["Server_a_8098"], "http://a:8097");
    }
}
