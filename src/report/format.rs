//! Formats numbers, lists, values and times for reports. Enum names are spelled as in the stored verdict, so
//! that a reader can search for them there.

use dissent_core::checker::verdict::{Divergence, Side};
use dissent_core::history::run_record::{Activity, RunMeta};
use dissent_core::history::schema::Value;
use dissent_core::history::schema::rules::Absence;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A name with spaces instead of hyphens.
pub(super) fn spaced(name: &str) -> String {
    name.replace('-', " ")
}

/// A number with a comma at every thousand.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 key`, `14 keys`, `0 copies`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if n == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{} {stem}ies", count(n)),
        _ => format!("{} {noun}s", count(n)),
    }
}

/// `512 bytes`, `1.5 MB`: with decimal prefixes.
pub(crate) fn bytes(n: u64) -> String {
    let (unit, name) = match n {
        0..1_000 => return counted(n, "byte"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", count(n / unit), n % unit * 10 / unit)
}

/// The number of items as a count.
pub(super) fn len<T>(items: &[T]) -> u64 {
    items.len() as u64
}

/// `a, b and c`.
pub(super) fn joined(items: &[String]) -> String {
    match items {
        [] => "none".to_owned(),
        [only] => printable(only),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(|item| printable(item)).collect();
            format!("{} and {}", init.join(", "), printable(last))
        }
    }
}

/// `5 rows that the table may lack (2 superseded, 3 tombstones)`; none if all rows are there.
pub(super) fn excused(rows: &BTreeMap<Absence, u64>) -> Option<String> {
    let all = counted(rows.values().sum(), "row");
    let by_reason: Vec<String> =
        rows.iter().map(|(reason, rows)| format!("{} {}", count(*rows), stored_name(reason))).collect();
    (!rows.is_empty()).then(|| format!("{all} that the table may lack ({})", by_reason.join(", ")))
}

/// `a, b, c +11 more`: bounds the size of a report.
pub(super) fn listed<T: ToString>(items: &[T], most: usize) -> String {
    let shown: Vec<_> = items.iter().take(most).map(|item| printable(&item.to_string())).collect();
    match items.len().saturating_sub(most) {
        0 if items.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        rest => format!("{} +{} more", shown.join(", "), count(rest as u64)),
    }
}

/// Text from the target with control characters escaped: a key must not move the cursor or split the line
/// that people grep for.
pub(super) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().collect::<String>(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// At most `most` characters, with `…` if some are left out.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

/// A value as in a row, cut at about 60 characters.
pub(super) fn value(value: &Value) -> String {
    const ITEMS: usize = 10;
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Long(long) => long.to_string(),
        Value::Double(double) => double.get().to_string(),
        Value::String(string) => shortened(&printable(string), 60),
        Value::Longs(longs) => format!("[{}]", in_brackets(longs, ITEMS)),
        Value::Strings(strings) => {
            let short: Vec<_> = strings.iter().map(|string| shortened(string, 20)).collect();
            format!("[{}]", in_brackets(&short, ITEMS))
        }
    }
}

fn in_brackets<T: ToString>(items: &[T], most: usize) -> String {
    if items.is_empty() { String::new() } else { listed(items, most) }
}

/// A length of time: `150 ms`, `2.3 s`, `5 min 3 s`, `9 h 41 min`.
pub(crate) fn span(length: Nanos) -> String {
    let millis = length.0 / 1_000_000;
    match millis {
        0 => format!("{} µs", length.0 / 1_000),
        1..1_000 => format!("{millis} ms"),
        1_000..120_000 if millis % 1_000 < 100 => format!("{} s", millis / 1_000),
        1_000..120_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// A length of time in milliseconds, as [`span`] tells it.
pub(super) fn millis(length: u64) -> String {
    span(Nanos(length.saturating_mul(1_000_000)))
}

/// Formats times of a run: as wall-clock time if there is one, otherwise as an offset from the start.
#[derive(Default)]
pub(super) struct Clock {
    started: Option<Timestamp>,
}

impl Clock {
    /// The clock of a run. A simulated run has no wall clock; a start that is not RFC 3339 counts as none.
    pub(super) fn of(meta: &RunMeta) -> Self {
        let started = if meta.simulated { None } else { meta.started.parse().ok() };
        Self { started }
    }

    /// `14:30:02Z`, or `+2.315s` since the start.
    pub(super) fn at(&self, t: Nanos) -> String {
        self.wall(t).unwrap_or_else(|| offset(t))
    }

    /// `14:30:02Z (+2.315s)`, so that the time can be found both in a log and in the figure.
    pub(super) fn both(&self, t: Nanos) -> String {
        match self.wall(t) {
            Some(wall) => format!("{wall} ({})", offset(t)),
            None => offset(t),
        }
    }

    /// The same with the date.
    pub(super) fn dated(&self, t: Nanos) -> String {
        match self.formatted(t, "%Y-%m-%d %H:%M:%SZ") {
            Some(wall) => format!("{wall} ({})", offset(t)),
            None => offset(t),
        }
    }

    /// Date and time of the start; none if the run has no wall clock.
    pub(super) fn start(&self) -> Option<String> {
        self.formatted(Nanos(0), "%Y-%m-%d %H:%M:%SZ")
    }

    /// `2026-11-29T14:30:02.315Z`; `None` in virtual time.
    pub(super) fn rfc3339(&self, t: Nanos) -> Option<String> {
        self.formatted(t, "%Y-%m-%dT%H:%M:%S%.3fZ")
    }

    fn wall(&self, t: Nanos) -> Option<String> {
        self.formatted(t, "%H:%M:%SZ")
    }

    fn formatted(&self, t: Nanos, format: &str) -> Option<String> {
        let since_start = SignedDuration::from_nanos(i64::try_from(t.0).ok()?);
        let at: Timestamp = self.started?.checked_add(since_start).ok()?;
        Some(at.strftime(format).to_string())
    }
}

/// A time on the run's clock: `+2.315s`.
pub(super) fn offset(t: Nanos) -> String {
    let millis = t.0 / 1_000_000;
    format!("+{}.{:03}s", millis / 1_000, millis % 1_000)
}

/// The words that name a run, but for its seed: target, workload and plan.
pub(super) fn run_words(meta: &RunMeta) -> Vec<String> {
    match meta.activity {
        Activity::Run => vec![meta.target.clone(), meta.workload.name.clone(), meta.nemesis.name.clone()],
        activity => vec![stored_name(&activity), meta.target.clone()],
    }
}

/// The seed of a run. None where nothing is drawn from one.
pub(super) fn seed(meta: &RunMeta) -> Option<u64> {
    (meta.activity == Activity::Run).then_some(meta.seed.0)
}

/// The command that repeats the run.
pub(super) fn repeat(meta: &RunMeta) -> String {
    if meta.activity != Activity::Run {
        let words = meta.command.iter().map(|word| quoted(word));
        return ["dissent".to_owned(), stored_name(&meta.activity)]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ");
    }
    let older = meta.command.is_empty().then(|| command_of_older(meta));
    run_command(older.as_ref().unwrap_or(&meta.command), meta.seed.0)
}

/// The command of a run with this seed, from its other arguments.
pub(crate) fn run_command(words: &[String], seed: u64) -> String {
    let words = words.iter().map(|word| quoted(word));
    let mut words: Vec<String> = ["dissent", "run"].map(str::to_owned).into_iter().chain(words).collect();
    // After target, workload and nemesis.
    let at = words.len().min(5);
    words.splice(at..at, ["--seed".to_owned(), seed.to_string()]);
    words.join(" ")
}

/// The command of a record that does not store it.
fn command_of_older(meta: &RunMeta) -> Vec<String> {
    let target = meta.target_file.as_ref().unwrap_or(&meta.target);
    let plan = [target, &meta.workload.name, &meta.nemesis.name].map(Clone::clone);
    let set = meta.settings.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
    plan.into_iter().chain(set).collect()
}

/// A word quoted for a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", printable(word).replace('\'', r"'\''")),
    }
}

/// Whether a model says which replica is right (`RULES.md` 5: otherwise reports say "differs").
pub(super) fn modelled(divergence: &Divergence) -> bool {
    divergence.last.side != Side::Unknown
}

/// The text with its first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
