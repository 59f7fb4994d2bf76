//! Values of Pinot: what a broker shows in a cell, and what it will show for a value of an event.
//!
//! Cells are kept as they are shown. Nothing is rounded, sorted or put into another form, so two servers
//! agree only if a user sees the same.
//!
//! What becomes of an event's value depends on a chain of conversions in Pinot, and if one fails the whole
//! event is dropped. So only values are converted here of which the result is certain.

use super::wire::invalid_response;
use crate::target_error::TargetError;
use dissent_core::history::canonical;
use dissent_core::history::schema::{Type, Value};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// A type of Pinot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinotType {
    Int,
    Long,
    Float,
    Double,
    BigDecimal,
    Boolean,
    Timestamp,
    String,
    Json,
    Bytes,
}

/// The type of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellType {
    pub(super) ty: PinotType,
    /// Whether a cell has one value, not a list.
    pub(super) single: bool,
}

/// A value whose conversion by Pinot is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uncertain;

impl CellType {
    /// None if values of this type are not comparable here.
    pub(super) fn named(name: &str, single: bool) -> Option<CellType> {
        let ty = match name {
            "INT" => PinotType::Int,
            "LONG" => PinotType::Long,
            "FLOAT" => PinotType::Float,
            "DOUBLE" => PinotType::Double,
            "BIG_DECIMAL" => PinotType::BigDecimal,
            "BOOLEAN" => PinotType::Boolean,
            "TIMESTAMP" => PinotType::Timestamp,
            "STRING" => PinotType::String,
            "JSON" => PinotType::Json,
            "BYTES" => PinotType::Bytes,
            _ => return None,
        };
        Some(CellType { ty, single })
    }

    /// The type in our own terms. A list of anything but integers is one of texts.
    pub(super) fn own(self) -> Type {
        match (self.ty, self.single) {
            (PinotType::Int | PinotType::Long, true) => Type::Long,
            (PinotType::Float | PinotType::Double, true) => Type::Double,
            (PinotType::BigDecimal, true) => Type::Decimal,
            (PinotType::Boolean, true) => Type::Boolean,
            (PinotType::Timestamp, true) => Type::Timestamp,
            (PinotType::String, true) => Type::String,
            (PinotType::Json, true) => Type::Json,
            (PinotType::Bytes, true) => Type::Bytes,
            (PinotType::Int | PinotType::Long, false) => Type::LongList,
            (_, false) => Type::StringList,
        }
    }

    /// The column in a SQL list. A decimal comes as text, since a JSON number would lose digits.
    pub(super) fn selected(self, name: &str) -> String {
        match (self.ty, self.single) {
            (PinotType::BigDecimal, true) => format!("CAST(\"{name}\" AS STRING)"),
            _ => format!("\"{name}\""),
        }
    }

    /// A value as a constant in SQL. None if its text may mean another value there.
    pub(super) fn constant(self, text: &str) -> Option<String> {
        match (self.ty, self.single) {
            (PinotType::String, true) => Some(format!("'{}'", text.replace('\'', "''"))),
            (PinotType::Int | PinotType::Long, true) => text.parse::<i64>().ok().map(|long| long.to_string()),
            _ => None,
        }
    }

    /// A cell as it is shown.
    pub(super) fn shown(self, url: &str, name: &str, cell: &Json) -> Result<Value, TargetError> {
        let odd = || invalid_response(url, &format!("column {name} shows {cell}"));
        if cell.is_null() {
            return Ok(Value::Null);
        }
        if self.single {
            return self.shown_element(cell).ok_or_else(odd);
        }
        let elements = cell.as_array().ok_or_else(odd)?.iter();
        let elements: Option<Vec<Value>> = elements.map(|element| self.shown_element(element)).collect();
        Ok(list(elements.ok_or_else(odd)?))
    }

    fn shown_element(self, cell: &Json) -> Option<Value> {
        match self.ty {
            PinotType::Int | PinotType::Long => cell.as_i64().map(Value::Long),
            PinotType::Float | PinotType::Double => match cell.as_f64() {
                Some(double) => Some(Value::double(double)),
                None => canonical::value(Type::Double, cell.as_str()?),
            },
            PinotType::Boolean => cell.as_bool().map(Value::Boolean),
            _ => cell.as_str().map(|text| Value::String(text.into())),
        }
    }

    /// What is shown where an event says nothing. `given` is the schema's own choice, or null.
    pub(super) fn default(self, is_metric: bool, given: &Json) -> Value {
        let chosen = self.event(given).ok().filter(|value| *value != Value::Null);
        chosen.unwrap_or_else(|| {
            let element = self.type_default(is_metric);
            if self.single { element } else { list(vec![element]) }
        })
    }

    fn type_default(self, is_metric: bool) -> Value {
        let text = |text: &str| Value::String(text.into());
        match self.ty {
            PinotType::Int | PinotType::Long if is_metric => Value::Long(0),
            PinotType::Float | PinotType::Double if is_metric => Value::double(0.0),
            PinotType::Int => Value::Long(i64::from(i32::MIN)),
            PinotType::Long => Value::Long(i64::MIN),
            PinotType::Float | PinotType::Double => Value::double(f64::NEG_INFINITY),
            PinotType::BigDecimal => text("0"),
            PinotType::Boolean => Value::Boolean(false),
            PinotType::Timestamp => text("1970-01-01 00:00:00.0"),
            PinotType::String | PinotType::Json => text("null"),
            PinotType::Bytes => text(""),
        }
    }

    /// What a value of an event will be shown as. Null if the event says nothing, as with an empty list.
    pub(super) fn event(self, value: &Json) -> Result<Value, Uncertain> {
        match value {
            Json::Null => Ok(Value::Null),
            Json::Array(_) if self.single => Err(Uncertain),
            Json::Array(elements) => {
                let told = elements.iter().filter(|element| !element.is_null());
                let elements: Vec<Value> =
                    told.map(|element| self.element(element)).collect::<Result<_, _>>()?;
                Ok(if elements.is_empty() { Value::Null } else { list(elements) })
            }
            // Pinot drops events with lists of these, if they are written as numbers.
            _ if !self.single && matches!(self.ty, PinotType::Timestamp | PinotType::Boolean) => {
                Err(Uncertain)
            }
            value if self.single => self.element(value),
            value => Ok(list(vec![self.element(value)?])),
        }
    }

    fn element(self, value: &Json) -> Result<Value, Uncertain> {
        match self.ty {
            PinotType::Int => {
                self.integer(value).filter(|long| i32::try_from(*long).is_ok()).map(Value::Long)
            }
            PinotType::Long => self.integer(value).map(Value::Long),
            // A float is shown with as few digits as tell it from others.
            PinotType::Float => value.as_f64().and_then(|double| {
                let text = (double as f32).to_string();
                text.parse().ok().filter(|double: &f64| double.is_finite()).map(Value::double)
            }),
            PinotType::Double => value.as_f64().map(Value::double),
            PinotType::BigDecimal => value
                .as_i64()
                .map(|long| long.to_string())
                .or_else(|| plain(value))
                .map(|text| Value::String(text.into())),
            PinotType::Boolean => value.as_bool().map(Value::Boolean),
            PinotType::Timestamp if self.single => timestamp(value).map(|text| Value::String(text.into())),
            PinotType::String => match value {
                Json::String(text) => Some(Value::String(text.clone().into())),
                Json::Bool(_) => Some(Value::String(value.to_string().into())),
                Json::Number(number) if number.is_i64() => Some(Value::String(number.to_string().into())),
                _ => None,
            },
            PinotType::Json => {
                value.as_str().filter(|text| is_plain_json(text)).map(|text| Value::String(text.into()))
            }
            PinotType::Bytes => canonical::value(Type::Bytes, value.as_str().ok_or(Uncertain)?),
            PinotType::Timestamp => None,
        }
        .ok_or(Uncertain)
    }

    fn integer(self, value: &Json) -> Option<i64> {
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// A list of integers, or of the texts of anything else.
fn list(elements: Vec<Value>) -> Value {
    let longs: Option<Vec<i64>> = elements
        .iter()
        .map(|element| match element {
            Value::Long(long) => Some(*long),
            _ => None,
        })
        .collect();
    match longs {
        Some(longs) => Value::Longs(longs.into()),
        None => Value::Strings(elements.iter().map(|element| text(element).into()).collect()),
    }
}

/// The text of a value, for keys and lists.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        value => serde_json::to_string(value).unwrap_or_default(),
    }
}

/// A decimal that is written as text without an exponent keeps its zeros.
fn plain(value: &Json) -> Option<String> {
    let text = value.as_str()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Java writes no zero with a sign, and no zeros before the first digit.
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let is_java = (whole == "0" || !whole.starts_with('0')) && !(is_zero && text.starts_with('-'));
    (are_digits(whole) && are_digits(fraction) && is_java).then(|| text.to_owned())
}

/// Whether a document comes back as it was written: without blanks, and with numbers that a double can
/// hold.
fn is_plain_json(text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok_and(|document| is_plain(&document))
        && canonical::json(text).as_deref() == Some(text)
}

fn is_plain(document: &Json) -> bool {
    match document {
        Json::Number(number) => number.is_i64(),
        Json::Array(items) => items.iter().all(is_plain),
        Json::Object(members) => members.values().all(is_plain),
        Json::String(text) => text.is_ascii(),
        Json::Null | Json::Bool(_) => true,
    }
}

/// An instant as Java shows it in UTC: milliseconds, or a text that Java reads.
fn timestamp(value: &Json) -> Option<String> {
    let instant = match value {
        Json::Number(number) => {
            Timestamp::from_millisecond(number.as_i64()?).ok()?.to_zoned(TimeZone::UTC).datetime()
        }
        Json::String(text) if !text.contains(['T', 'Z', '+']) => text.parse::<DateTime>().ok()?,
        _ => return None,
    };
    let (day, time) = (instant.date(), instant.time());
    let fraction = format!("{:03}", instant.subsec_nanosecond() / 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    Some(format!("{day} {hour:02}:{minute:02}:{second:02}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::super::query_result;
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn cell(name: &str) -> CellType {
        CellType::named(name, true).expect("a type")
    }

    fn several(name: &str) -> CellType {
        CellType::named(name, false).expect("a type")
    }

    fn string(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn cells_are_kept_as_they_are_shown() {
        let shown = |ty: CellType, value: Json| ty.shown("", "c", &value).ok();
        assert_eq!(shown(cell("LONG"), json!(i64::MIN)), Some(Value::Long(i64::MIN)));
        assert_eq!(shown(cell("DOUBLE"), json!("-Infinity")), Some(string("-Infinity")));
        assert_eq!(shown(cell("FLOAT"), json!(1.1)), Some(Value::double(1.1)));
        assert_eq!(shown(cell("BIG_DECIMAL"), json!("1.50")), Some(string("1.50")));
        assert_eq!(
            shown(cell("TIMESTAMP"), json!("2024-05-01 08:00:00.5")),
            Some(string("2024-05-01 08:00:00.5"))
        );
        assert_eq!(shown(cell("JSON"), json!("{\"b\":1.0,\"a\":2}")), Some(string("{\"b\":1.0,\"a\":2}")));
        assert_eq!(shown(several("LONG"), json!([i64::MIN])), Some(Value::Longs([i64::MIN].into())));
        let texts =
            |texts: &[&str]| Some(Value::Strings(texts.iter().map(|text| Arc::from(*text)).collect()));
        assert_eq!(shown(several("STRING"), json!(["b", "a", "b"])), texts(&["b", "a", "b"]));
        assert_eq!(shown(several("DOUBLE"), json!([0.1, "NaN"])), texts(&["0.1", "NaN"]));
        assert_eq!(shown(several("BOOLEAN"), json!([true, false])), texts(&["true", "false"]));
        assert_eq!(shown(cell("STRING"), Json::Null), Some(Value::Null));
        for (ty, odd) in [(cell("LONG"), json!(1.5)), (several("INT"), json!(1)), (cell("STRING"), json!(1))]
        {
            assert_eq!(shown(ty, odd), None);
        }
        assert_eq!(CellType::named("MAP", true), None);
    }

    #[test]
    fn a_recorded_answer_is_read_cell_by_cell_and_a_truncated_one_is_none() {
        let recorded = include_str!("answers/0.11.0/types_rows.json");
        let rows = query_result::selected("", recorded.as_bytes(), 0).expect("a whole answer");
        let row = rows.iter().find(|row| row[1] == 1).expect("document 1");
        for (at, ty, shown) in [
            (4, cell("INT"), Value::Long(i64::from(i32::MIN))),
            (6, cell("FLOAT"), string("-Infinity")),
            (7, cell("BIG_DECIMAL"), string("12345678901234567000")),
            (8, cell("BOOLEAN"), Value::Boolean(false)),
            (9, cell("TIMESTAMP"), string("2024-05-01 08:00:00.5")),
            (10, cell("JSON"), string(r#"{"a":2,"z":1}"#)),
            (11, cell("BYTES"), string("")),
            (12, several("DOUBLE"), Value::Strings(["-Infinity".into()].into())),
            (13, several("STRING"), Value::Strings(["c".into(), "a".into()].into())),
        ] {
            assert_eq!(ty.shown("", "c", &row[at]).ok(), Some(shown));
        }
        let more = recorded.replace("\"numDocsScanned\":3", "\"numDocsScanned\":4");
        let error = query_result::selected("", more.as_bytes(), 0).expect_err("a truncated answer");
        assert!(error.to_string().contains("3 rows of 4 documents"), "{error}");
    }

    #[test]
    fn an_event_is_converted_only_where_the_result_is_certain() {
        for (ty, value, shown) in [
            (cell("INT"), json!("12"), Value::Long(12)),
            (cell("FLOAT"), json!(1.1), Value::double(1.1)),
            (cell("FLOAT"), json!(0.123_456_789_012), Value::double(0.123_456_79)),
            (cell("BIG_DECIMAL"), json!("-12.50"), string("-12.50")),
            (cell("BIG_DECIMAL"), json!("-0.5"), string("-0.5")),
            (cell("BIG_DECIMAL"), json!(5), string("5")),
            (cell("TIMESTAMP"), json!(1_700_000_000_120_i64), string("2023-11-14 22:13:20.12")),
            (cell("TIMESTAMP"), json!("2024-05-01 08:00:00"), string("2024-05-01 08:00:00.0")),
            (cell("STRING"), json!(12), string("12")),
            (cell("JSON"), json!("{\"a\":[1,null]}"), string("{\"a\":[1,null]}")),
            (cell("BYTES"), json!("00FF"), string("00ff")),
            (several("INT"), json!([3, null, 1]), Value::Longs([3, 1].into())),
            (several("INT"), json!(7), Value::Longs([7].into())),
            (several("INT"), json!([]), Value::Null),
            (cell("LONG"), Json::Null, Value::Null),
        ] {
            assert_eq!(ty.event(&value), Ok(shown), "{value}");
        }
        for (ty, value) in [
            (cell("INT"), json!(3_000_000_000_i64)),
            (cell("LONG"), json!(1.5)),
            (cell("BIG_DECIMAL"), json!(1.5)),
            (cell("BIG_DECIMAL"), json!("1e3")),
            (cell("BIG_DECIMAL"), json!("-0.0")),
            (cell("TIMESTAMP"), json!("2024-05-01T08:00:00Z")),
            (cell("JSON"), json!({ "a": 1 })),
            (cell("JSON"), json!("{ \"a\": 1 }")),
            (cell("STRING"), json!([1])),
            (several("TIMESTAMP"), json!([1])),
        ] {
            assert_eq!(ty.event(&value), Err(Uncertain), "{value}");
        }
    }

    #[test]
    fn what_is_shown_for_nothing_is_the_schemas_choice_or_the_types() {
        assert_eq!(cell("INT").default(false, &Json::Null), Value::Long(i64::from(i32::MIN)));
        assert_eq!(cell("INT").default(true, &Json::Null), Value::Long(0));
        assert_eq!(cell("STRING").default(false, &json!("none")), string("none"));
        assert_eq!(several("LONG").default(false, &Json::Null), Value::Longs([i64::MIN].into()));
        assert_eq!(several("STRING").default(false, &Json::Null), Value::Strings(["null".into()].into()));
    }

    #[test]
    fn constants_are_only_of_types_that_sql_reads_the_same_way() {
        assert_eq!(cell("STRING").constant("it's").as_deref(), Some("'it''s'"));
        assert_eq!(cell("INT").constant("-7").as_deref(), Some("-7"));
        assert_eq!((cell("INT").constant("7 OR 1=1"), cell("DOUBLE").constant("1.5")), (None, None));
    }
}
