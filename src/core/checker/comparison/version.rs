//! The order of versions: which of two rows of a key is the newer one.
//!
//! A CSV file has only text, so text that is a number is ordered as one:
//! ```text
//! a v=9 v=10     as text, 9 would be the newer one
//! ```

use crate::history::canonical;
use crate::history::schema::Value;
use std::cmp::Ordering;

/// The order of two versions: numbers and LSNs by their size, whatever their types; all else by its text.
pub fn version_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Long(a), Value::Long(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// A number, in any type or as a text: one that a position can be compared with.
pub(super) fn is_number(version: &Value) -> bool {
    matches!(rank(version), Rank::Number(_))
}

/// Where a version stands among all.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'v> {
    Null,
    Number(Number),
    /// The text without the mark of UTC, which would come after a digit: `08:00:00.12Z`, `08:00:00.123Z`.
    Text(&'v str, &'v str),
    Other(&'v Value),
}

fn rank(version: &Value) -> Rank<'_> {
    let digits = match version {
        Value::Null => return Rank::Null,
        Value::Long(long) => Some(long.to_string()),
        Value::Double(double) => canonical::decimal(&format!("{:e}", double.get())),
        Value::String(text) => canonical::decimal(text).or_else(|| lsn(text)),
        _ => None,
    };
    match (digits, version) {
        (Some(digits), _) => Rank::Number(Number(digits)),
        (None, Value::String(text)) => Rank::Text(text.trim_end_matches('Z'), text),
        (None, other) => Rank::Other(other),
    }
}

/// The number of an LSN of PostgreSQL, such as `16/B374D848`.
fn lsn(text: &str) -> Option<String> {
    let (high, low) = text.split_once('/')?;
    let half = |digits| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some((half(high)? << 32 | half(low)?).to_string())
}

/// A number of any size, in plain digits.
#[derive(PartialEq, Eq)]
struct Number(String);

impl Number {
    /// Its sign, and its digits before and after the point.
    fn parts(&self) -> (bool, &str, &str) {
        let (negative, digits) = self.0.strip_prefix('-').map_or((false, &*self.0), |digits| (true, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        (negative, whole, fraction)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let (negative, whole, fraction) = self.parts();
        let (other_negative, other_whole, other_fraction) = other.parts();
        let size = (whole.len(), whole, fraction).cmp(&(other_whole.len(), other_whole, other_fraction));
        match (negative, other_negative) {
            (false, false) => size,
            (true, true) => size.reverse(),
            _ => other_negative.cmp(&negative),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_one_order_whatever_their_types() {
        let text = |text: &str| Value::String(text.into());
        let ascending = [
            Value::Null,
            text("-10"),
            Value::Long(-9),
            text("9"),
            Value::double(9.5),
            Value::Long(10),
            text("10.25"),
            text("16/B374D848"),
            text("123456789012345678901234567890"),
            text("123456789012345678901234567891"),
            text("2024-05-01T08:00:00Z"),
            text("2024-05-01T08:00:00.12Z"),
            text("2024-05-01T08:00:00.123Z"),
            Value::Longs([1].into()),
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(version_order(a, b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert!(version_order(&text("9"), &Value::Long(9)).is_eq());
    }
}
