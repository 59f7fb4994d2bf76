//! Sentences without what they must not quote: known words, and whatever looks like a place or a credential.

use std::collections::{BTreeMap, BTreeSet};

/// Words that announce a credential.
const BEFORE_SECRETS: [&str; 7] =
    ["authorization", "basic", "bearer", "passwd", "password", "secret", "token"];
/// The beginnings of dotted names that are no hosts: classes of Java.
const CLASSES: [&str; 3] = ["java.", "javax.", "org.apache."];
/// The roles that Helix puts before the host in an instance's name.
const INSTANCES: [&str; 4] = ["Broker_", "Controller_", "Minion_", "Server_"];

/// Words and what stands in their place.
#[derive(Default)]
pub(super) struct Dictionary {
    words: BTreeMap<String, String>,
    /// The lengths of the words, in bytes.
    lengths: BTreeSet<usize>,
}

impl Dictionary {
    pub(super) fn new(words: BTreeMap<String, String>) -> Dictionary {
        let lengths = words.keys().map(String::len).collect();
        Dictionary { words, lengths }
    }

    /// The text with every known word replaced, the longest that fits first. A word within another word is
    /// not meant.
    pub(super) fn replaced(&self, text: &str) -> String {
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        while let Some(letter) = text[at..].chars().next() {
            let begins = !text[..at].ends_with(char::is_alphanumeric) || !letter.is_alphanumeric();
            match self.word_at(&text[at..]).filter(|_| begins) {
                Some((length, replacement)) => {
                    out.push_str(replacement);
                    at += length;
                }
                None => {
                    out.push(letter);
                    at += letter.len_utf8();
                }
            }
        }
        out
    }

    fn word_at(&self, text: &str) -> Option<(usize, &str)> {
        self.lengths.iter().rev().find_map(|&length| {
            let (word, rest) = text.split_at_checked(length)?;
            let ends = !word.ends_with(char::is_alphanumeric) || !rest.starts_with(char::is_alphanumeric);
            self.words.get(word).filter(|_| ends).map(|replacement| (length, replacement.as_str()))
        })
    }
}

/// The text without URLs, hosts, paths, addresses with a user, and credentials.
pub(super) fn without_places(text: &str) -> String {
    let is_outside_url = |letter: char| letter.is_whitespace() || "\"'`()<>".contains(letter);
    let is_gap = |letter: char| is_outside_url(letter) || "[]{},;=".contains(letter);
    // URLs go first, as a whole: their queries have signs that part words elsewhere.
    let text = replaced(text, is_outside_url, |word, _| word.contains("://").then_some("URL"));
    let secret = |word: &str, before: &str| (!word.is_empty() && announces(before)).then_some("SECRET");
    replaced(&text, is_gap, |word, before| place(word).or_else(|| secret(word, before)))
}

/// The text with words replaced. `replacement` is asked with each word and the one before it.
fn replaced(
    text: &str,
    is_gap: impl Fn(char) -> bool,
    replacement: impl Fn(&str, &str) -> Option<&'static str>,
) -> String {
    let (mut out, mut before) = (String::with_capacity(text.len()), "");
    for part in text.split_inclusive(&is_gap) {
        let word = part.trim_end_matches(&is_gap).trim_end_matches(['.', ':', '!', '?', ',', ';']);
        match replacement(word, before) {
            Some(placeholder) => {
                out.push_str(placeholder);
                out.push_str(&part[word.len()..]);
            }
            None => out.push_str(part),
        }
        if !word.is_empty() {
            before = word;
        }
    }
    out
}

/// The hosts that a target file names: in URLs, and before ports.
pub(super) fn hosts(target_file: &str) -> BTreeSet<String> {
    let quoted = target_file.lines().flat_map(|line| line.split(['"', '\'']).skip(1).step_by(2));
    let host = |text: &str| {
        let (_, address) = text.split_once("://").or_else(|| text.contains(':').then_some(("", text)))?;
        let authority = address.split(['/', '?']).next()?;
        let host = authority.rsplit('@').next()?.trim_start_matches('[');
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_end_matches(']');
        (!host.is_empty()).then(|| host.to_owned())
    };
    quoted.flat_map(|text| text.split(',').filter_map(host)).collect()
}

fn announces(word: &str) -> bool {
    let last = word.rsplit(['-', '_', ':', '&', '?']).next().unwrap_or(word);
    BEFORE_SECRETS.contains(&last.to_ascii_lowercase().as_str())
}

/// What a word stands for, if that must not be told.
fn place(word: &str) -> Option<&'static str> {
    if word.contains('@') {
        return Some("ADDRESS");
    }
    let is_path = word.len() > 1 && ["/", "~/", "./", "../"].iter().any(|root| word.starts_with(root));
    if is_path || word.contains(":\\") || word.ends_with(".toml") {
        return Some("PATH");
    }
    is_host(word).then_some("HOST")
}

fn is_host(word: &str) -> bool {
    let (host, port) = word.rsplit_once(':').unwrap_or((word, ""));
    let has_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = if has_port { host } else { word };
    let labels = host.split('.').count();
    let has_letters = host.contains(|letter: char| letter.is_ascii_alphabetic());
    let is_class = CLASSES.iter().any(|root| host.starts_with(root));
    let is_address = host.split(['_', '/']).any(|part| part.parse::<std::net::IpAddr>().is_ok());
    let is_instance = INSTANCES.iter().any(|role| host.starts_with(role)) && host.matches('_').count() > 1;
    is_address
        || is_instance
        || has_port && (labels > 1 || host == "localhost")
        || labels > 2 && has_letters && !is_class && !host.contains(['/', '|', '*'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_replaced_where_they_stand_alone() {
        let words = [("k1", "A"), ("k1 b", "B"), ("p0-k1", "C"), ("é", "D")];
        let words = words.map(|(word, by)| (word.to_owned(), by.to_owned()));
        let dictionary = Dictionary::new(BTreeMap::from(words));
        assert_eq!(dictionary.replaced("k1, k12 and xk1: `k1`"), "A, k12 and xk1: `A`");
        assert_eq!(dictionary.replaced("k1 b p0-k1 é"), "B C D");
    }

    #[test]
    fn hosts_are_found_in_a_target_file() {
        let file = "url = \"https://me:pw@controller:9000/x\"\nbroker = 'kafka-0:9092,kafka-1:9092'\n\
                    [servers]\na = \"http://[::1]:1\"\nsystem = \"pinot\"\n";
        let hosts: Vec<String> = hosts(file).into_iter().collect();
        assert_eq!(hosts, ["::1", "controller", "kafka-0", "kafka-1"]);
    }

    #[test]
    fn places_and_credentials_are_left_out_and_the_rest_stays() {
        for (text, told) in [
            ("error for url (http://me:pw@pinot.corp:9000/x?y=1)", "error for url (URL)"),
            ("see http://[::1]:1/a?token=t;b,c, now", "see URL, now"),
            ("cannot reach 10.0.0.7:8098: refused", "cannot reach HOST: refused"),
            ("Server_pinot-3.corp.example_8098 is gone", "HOST is gone"),
            ("Server_pinot-3_8098 is gone", "HOST is gone"),
            ("cannot open /home/me/target.toml.", "cannot open PATH."),
            ("sent by me@example.com", "sent by ADDRESS"),
            ("Authorization: Bearer abc.def", "Authorization: SECRET SECRET"),
            ("password=hunter2", "password=SECRET"),
            ("kafka-0.corp.example failed", "HOST failed"),
            ("acct__0__4 at 14:30:02Z, offset 1,204", "acct__0__4 at 14:30:02Z, offset 1,204"),
            ("org.apache.kafka.Error at step hold", "org.apache.kafka.Error at step hold"),
            ("wrong-value/whole-segment since 1.2 s", "wrong-value/whole-segment since 1.2 s"),
        ] {
            assert_eq!(without_places(text), told, "{text}");
        }
    }
}
