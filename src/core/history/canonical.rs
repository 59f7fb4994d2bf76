//! The one form of values that can be written in several ways, so that equal values have equal texts.
//!
//! ```text
//! decimal     1.50   +1.5   15e-1                         1.5
//! timestamp   2024-05-01 10:00+02   2024-05-01T08:00:00Z  2024-05-01T08:00:00Z
//! bytes       \x00FF   0x00ff   00ff                      00ff
//! json        {"b": 1.0, "a": []}                         {"a":[],"b":1}
//! ```
//!
//! No digit is lost on the way: numbers are never rounded to floats.

use crate::history::schema::{Type, Value};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The largest exponent of a decimal. Written out it has as many digits.
const EXPONENT_MAX: i64 = 10_000;

/// The value of this type that a text stands for. None if it stands for none.
pub fn value(ty: Type, text: &str) -> Option<Value> {
    match ty {
        Type::Long => text.parse().ok().map(Value::Long),
        Type::Double => double(text),
        Type::Decimal => decimal(text).map(|text| Value::String(text.into())),
        Type::Boolean => boolean(text).map(Value::Boolean),
        Type::String => Some(Value::String(text.into())),
        Type::Timestamp => timestamp(text).map(|text| Value::String(text.into())),
        Type::Bytes => bytes(text).map(|text| Value::String(text.into())),
        Type::Json => json(text).map(|text| Value::String(text.into())),
        Type::LongList | Type::StringList => {
            serde_json::from_str(text).ok().filter(|list: &Value| list.fits(ty) && *list != Value::Null)
        }
    }
}

/// A value in the one form that its type has. An error with the value if it is not of the type.
pub fn of_type(ty: Type, value: Value) -> Result<Value, Value> {
    let found = match (ty, &value) {
        (_, Value::Null) => return Ok(value),
        // Many JSON libraries write 1.0 as 1.
        (Type::Double, Value::Long(long)) => self::value(ty, &long.to_string()),
        (Type::Decimal, Value::Long(long)) => Some(Value::String(long.to_string().into())),
        (Type::Decimal, Value::Double(double)) => self::value(ty, &double.get().to_string()),
        (Type::Double | Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json, Value::String(text)) => {
            self::value(ty, text)
        }
        _ => return if value.fits(ty) { Ok(value) } else { Err(value) },
    };
    found.ok_or(value)
}

fn double(text: &str) -> Option<Value> {
    match text {
        "Infinity" | "inf" | "+Infinity" => Some(Value::double(f64::INFINITY)),
        "-Infinity" | "-inf" => Some(Value::double(f64::NEG_INFINITY)),
        "NaN" | "nan" => Some(Value::double(f64::NAN)),
        // A number beyond the largest double is none.
        number => number.parse().ok().filter(|double: &f64| double.is_finite()).map(Value::double),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "t" | "TRUE" | "True" | "1" => Some(true),
        "false" | "f" | "FALSE" | "False" | "0" => Some(false),
        _ => None,
    }
}

/// A number in plain digits, without zeros that mean nothing. None if it is no number.
pub fn decimal(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let mut all = format!("{whole}{fraction}");
    // Where the point is, counted in digits from the left.
    let mut point = i64::try_from(whole.len()).ok()? + exponent;
    if point < 0 {
        all.insert_str(0, &"0".repeat(point.unsigned_abs() as usize));
        point = 0;
    }
    while (all.len() as i64) < point {
        all.push('0');
    }
    let (whole, fraction) = all.split_at(point as usize);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let is_zero = whole == "0" && fraction.is_empty();
    let sign = if negative && !is_zero { "-" } else { "" };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{dot}{fraction}"))
}

/// An instant in UTC; or, without a zone, a date with a time of day, which is no instant.
fn timestamp(text: &str) -> Option<String> {
    let instant = text.parse::<Timestamp>().ok().map(|instant| instant.to_string());
    instant.or_else(|| text.parse::<DateTime>().ok().map(|civil| civil.to_string()))
}

/// Bytes in lower-case hexadecimal.
fn bytes(text: &str) -> Option<String> {
    let digits = text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
    let are_bytes = digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_bytes.then(|| digits.to_ascii_lowercase())
}

/// A JSON document without blanks, with its names sorted and its numbers in plain digits.
pub fn json(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    push_json(&mut out, text)?;
    Some(out)
}

fn push_json(out: &mut String, text: &str) -> Option<()> {
    match text.trim_start().as_bytes().first()? {
        b'{' => {
            let Members(mut members) = serde_json::from_str(text).ok()?;
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&serde_json::to_string(name).ok()?);
                out.push(':');
                push_json(out, member.get())?;
            }
            out.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                push_json(out, item.get())?;
            }
            out.push(']');
        }
        b'"' => {
            let string: Cow<'_, str> = serde_json::from_str(text).ok()?;
            out.push_str(&serde_json::to_string(&string).ok()?);
        }
        b'-' | b'0'..=b'9' => {
            let number: &RawValue = serde_json::from_str(text).ok()?;
            out.push_str(&decimal(number.get())?);
        }
        _ => {
            let word: &RawValue = serde_json::from_str(text).ok()?;
            out.push_str(word.get());
        }
    }
    Some(())
}

/// The members of an object, as written: in order, and as often as they are named.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        from.deserialize_map(Visitor).map(Members)
    }
}

/// A cell of a line of CSV, in quotes if it could be taken for several.
pub fn csv_cell(cell: &str) -> Cow<'_, str> {
    match cell.contains([',', '"']) {
        true => Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\""))),
        false => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ty: Type, from: &str) -> Option<String> {
        match value(ty, from)? {
            Value::String(text) => Some(text.to_string()),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn equal_numbers_have_one_text() {
        for (from, to) in [
            ("1.50", "1.5"),
            ("+1.5", "1.5"),
            ("15e-1", "1.5"),
            ("0.15E1", "1.5"),
            ("-0.0", "0"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1e-3", "0.001"),
            ("-120e-1", "-12"),
            (
                "123456789012345678901234567890.000000000000000000000001",
                "123456789012345678901234567890.000000000000000000000001",
            ),
        ] {
            assert_eq!(decimal(from).as_deref(), Some(to), "{from}");
        }
        for no_number in ["", "-", ".", "1e", "1e99999", "0x1", "1 ", "1.2.3", "NaN"] {
            assert_eq!(decimal(no_number), None, "{no_number}");
        }
    }

    #[test]
    fn equal_instants_have_one_text() {
        let instant = Some("2024-05-01T08:00:00.5Z".to_owned());
        for from in ["2024-05-01T08:00:00.5Z", "2024-05-01 10:00:00.50+02", "2024-05-01T04:00:00.500-04:00"] {
            assert_eq!(text(Type::Timestamp, from), instant, "{from}");
        }
        let without_zone = text(Type::Timestamp, "2024-05-01 08:00:00.5");
        assert_eq!(without_zone.as_deref(), Some("2024-05-01T08:00:00.5"));
        assert_eq!(text(Type::Timestamp, "yesterday"), None);
    }

    #[test]
    fn equal_documents_have_one_text() {
        let to = Some(r#"{"a":[1,null,"ü"],"b":0.10000000000000000001}"#.to_owned());
        assert_eq!(text(Type::Json, r#" { "b": 0.10000000000000000001, "a": [1.0, null, "\u00fc"] }"#), to);
        assert_eq!(text(Type::Json, r#"{"a":1,"a":2}"#).as_deref(), Some(r#"{"a":1,"a":2}"#));
        assert_eq!(text(Type::Json, "{"), None);
    }

    #[test]
    fn other_types() {
        assert_eq!(text(Type::Bytes, "\\x00FF"), text(Type::Bytes, "00ff"));
        assert_eq!((text(Type::Bytes, "0f0"), text(Type::Bytes, "0g")), (None, None));
        assert_eq!(value(Type::Boolean, "t"), Some(Value::Boolean(true)));
        assert_eq!(value(Type::Double, "1"), Some(Value::double(1.0)));
        assert_eq!(value(Type::Double, "1e999"), None);
        assert_ne!(value(Type::Double, "-0.0"), value(Type::Double, "0.0"));
        assert_eq!(value(Type::LongList, "[1,2]"), Some(Value::Longs([1, 2].into())));
        assert_eq!((value(Type::LongList, "null"), value(Type::LongList, "[\"a\"]")), (None, None));
    }
}
