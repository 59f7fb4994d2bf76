//! Durations as people write them: `500ms`, `4s`, `2min`. A duration is one whole number and one unit, so
//! nothing is ever rounded. Use with `#[serde(with = "duration")]` on a [`Nanos`].

use super::time::Nanos;
use serde::{Deserialize as _, Deserializer, Serializer};

/// Units with their length in nanoseconds, longest first.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Other spellings of units.
const ALIASES: [(&str, &str); 7] = [
    ("hour", "h"),
    ("hours", "h"),
    ("m", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("second", "s"),
    ("seconds", "s"),
];

/// The JSON Schema of a duration.
#[cfg(feature = "schema")]
pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let names: Vec<&str> =
        UNITS.iter().chain(&ALIASES.map(|(alias, _)| (alias, 0))).map(|(name, _)| *name).collect();
    schemars::json_schema!({ "type": "string", "pattern": format!("^[0-9]+ *({})$", names.join("|")) })
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text does not start with a whole number.
    #[error("`{0}` is no length of time: write a whole number and a unit, such as `500ms`, `4s` or `2min`")]
    Form(String),
    /// The number is not whole.
    #[error("`{0}` is not a whole number of its unit: write it in a smaller one, such as `1500ms` for 1.5 s")]
    Fraction(String),
    /// The unit is unknown or missing.
    #[error("`{0}` has no known unit: use h, min, s, ms, us or ns, such as `5s`")]
    Unit(String),
    /// The value does not fit 64 bits of nanoseconds, about 584 years.
    #[error("`{0}` is too long: the longest time is 5124095h")]
    TooLong(String),
}

/// Parses a duration.
pub fn parse(text: &str) -> Result<Nanos, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::Form(text.to_owned()));
    }
    if unit.starts_with(['.', ',']) {
        return Err(DurationError::Fraction(text.to_owned()));
    }
    let unit = unit.trim_start();
    let unit = ALIASES.iter().find(|(alias, _)| *alias == unit).map_or(unit, |(_, name)| name);
    let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::Unit(text.to_owned()));
    };
    let nanos = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*length));
    nanos.map(Nanos).ok_or_else(|| DurationError::TooLong(text.to_owned()))
}

/// Formats a duration in the longest unit that represents it exactly.
pub fn format(time: Nanos) -> String {
    match UNITS.iter().find(|(_, length)| time.0 != 0 && time.0.is_multiple_of(*length)) {
        Some((unit, length)) => format!("{}{unit}", time.0 / length),
        None => "0s".to_owned(),
    }
}

/// For `#[serde(with = "duration")]`.
pub fn serialize<S: Serializer>(time: &Nanos, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format(*time))
}

/// For `#[serde(with = "duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_exactly_and_written_in_the_longest_exact_unit() {
        for (text, nanos, written) in [
            ("500ms", 500_000_000, "500ms"),
            ("4s", 4_000_000_000, "4s"),
            ("120 s", 120_000_000_000, "2min"),
            ("90min", 5_400_000_000_000, "90min"),
            ("2m", 120_000_000_000, "2min"),
            ("5 minutes", 300_000_000_000, "5min"),
            ("1500000us", 1_500_000_000, "1500ms"),
            ("0ms", 0, "0s"),
            ("18446744073709551615ns", u64::MAX, "18446744073709551615ns"),
        ] {
            assert_eq!(parse(text), Ok(Nanos(nanos)), "{text}");
            assert_eq!(format(Nanos(nanos)), written);
            assert_eq!(parse(written), Ok(Nanos(nanos)), "{written}");
        }
    }

    #[test]
    fn a_wrong_duration_gets_the_error_that_fits() {
        for (text, error) in [
            ("", DurationError::Form as fn(String) -> DurationError),
            ("soon", DurationError::Form),
            ("-4s", DurationError::Form),
            ("1.5s", DurationError::Fraction),
            ("4", DurationError::Unit),
            ("4 weeks", DurationError::Unit),
            ("1min 30s", DurationError::Unit),
            ("5124096h", DurationError::TooLong),
            ("18446744073709551616ns", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error(text.to_owned())), "{text}");
        }
    }
}
