//! The types of columns, and values as they go in and come out.

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// A signed 64-bit integer.
    Long,
    /// A 64-bit float. Two are equal if their bits are.
    Double,
    /// An integer or decimal fraction of any size. Two are equal if their numbers are.
    Decimal,
    /// True or false.
    Boolean,
    /// A string.
    String,
    /// An instant. Two are equal if their instants are, whatever their zones.
    Timestamp,
    /// Bytes.
    Bytes,
    /// A JSON document. Two are equal if they hold the same, in whatever order their objects name it.
    Json,
    /// A list of signed 64-bit integers.
    LongList,
    /// A list of strings.
    StringList,
}

/// A finite double that is compared by its bits, so that every value equals itself.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Double(f64);

impl Double {
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Double {}

impl PartialOrd for Double {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Double {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Double {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

// Texts and lists are shared: a row, the row before it and the fold of the log mostly hold the same ones.
/// One value of a column. In an event, `Null` means "absent: keep the previous value".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A [`Type::Boolean`].
    Boolean(bool),
    /// A [`Type::Long`].
    Long(i64),
    /// A [`Type::Double`] that is finite.
    Double(Double),
    /// A [`Type::String`], or the one text that stands for a value of a type that JSON has no word for:
    /// decimals in plain digits, instants in RFC 3339 and UTC, bytes in hexadecimal, JSON without blanks and
    /// with sorted names, and a double that is not finite as `NaN`, `Infinity` or `-Infinity`.
    String(Arc<str>),
    /// A [`Type::LongList`]; an empty list of either type reads back as this variant.
    Longs(Arc<[i64]>),
    /// A [`Type::StringList`].
    Strings(Arc<[Arc<str>]>),
}

impl Type {
    /// All types.
    pub const ALL: [Type; 10] = [
        Type::Long,
        Type::Double,
        Type::Decimal,
        Type::Boolean,
        Type::String,
        Type::Timestamp,
        Type::Bytes,
        Type::Json,
        Type::LongList,
        Type::StringList,
    ];

    /// What specimen-segments and Pinot show in a raw row for a column that no event gave a value (Pinot:
    /// `FieldSpec` default null values of dimension columns). Generators never write these.
    pub fn default_value(self) -> Value {
        match self.default_text() {
            Some(text) => Value::String(text.into()),
            None if self == Type::Long => Value::Long(i64::MIN),
            None if self == Type::Boolean => Value::Boolean(false),
            None => Value::Longs(Arc::default()),
        }
    }

    /// Whether the value is the default of this type.
    pub fn is_default(self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.default_text() == Some(&**text),
            Value::Longs(longs) => longs.is_empty() && matches!(self, Type::LongList | Type::StringList),
            Value::Long(long) => self == Type::Long && *long == i64::MIN,
            Value::Boolean(boolean) => self == Type::Boolean && !boolean,
            Value::Null | Value::Double(_) | Value::Strings(_) => false,
        }
    }

    /// The default of a type whose default is a text.
    fn default_text(self) -> Option<&'static str> {
        match self {
            Type::Double => Some("-Infinity"),
            Type::Decimal => Some("0"),
            Type::String | Type::Json => Some("null"),
            Type::Timestamp => Some("1970-01-01T00:00:00Z"),
            Type::Bytes => Some(""),
            Type::Long | Type::Boolean | Type::LongList | Type::StringList => None,
        }
    }
}

impl Value {
    /// A double. One that is not finite has no number in JSON, and becomes its name.
    pub fn double(double: f64) -> Value {
        match double {
            finite if finite.is_finite() => Value::Double(Double(finite)),
            nan if nan.is_nan() => Value::String("NaN".into()),
            infinite if infinite > 0.0 => Value::String("Infinity".into()),
            _ => Value::String("-Infinity".into()),
        }
    }

    /// Whether this can be a value of the type, in its one form. An empty list is of either type.
    pub fn fits(&self, ty: Type) -> bool {
        match self {
            Value::Null => true,
            Value::Boolean(_) => ty == Type::Boolean,
            Value::Long(_) => ty == Type::Long,
            Value::Double(_) => ty == Type::Double,
            Value::String(text) => match ty {
                Type::Double => matches!(&**text, "NaN" | "Infinity" | "-Infinity"),
                Type::Decimal | Type::String | Type::Timestamp | Type::Bytes | Type::Json => true,
                Type::Long | Type::Boolean | Type::LongList | Type::StringList => false,
            },
            Value::Longs(list) => ty == Type::LongList || ty == Type::StringList && list.is_empty(),
            Value::Strings(_) => ty == Type::StringList,
        }
    }
}

/// Written by hand, since a derived `untagged` would copy every value into a buffer of its own and try the
/// variants one by one. The judge reads millions of values.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("null, a boolean, a number, a string, or a list of integers or strings")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: Error>(self, long: i64) -> Result<Value, E> {
        Ok(Value::Long(long))
    }

    fn visit_u64<E: Error>(self, long: u64) -> Result<Value, E> {
        match i64::try_from(long) {
            Ok(long) => Ok(Value::Long(long)),
            Err(_) => Err(E::custom(format_args!("{long} does not fit a signed 64-bit integer"))),
        }
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Boolean(boolean))
    }

    fn visit_f64<E: Error>(self, double: f64) -> Result<Value, E> {
        Ok(Value::double(double))
    }

    fn visit_str<E: Error>(self, string: &str) -> Result<Value, E> {
        Ok(Value::String(string.into()))
    }

    fn visit_string<E: Error>(self, string: String) -> Result<Value, E> {
        Ok(Value::String(string.into()))
    }

    /// The first element decides the type of the list. An empty list is a list of longs.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        match list.next_element()? {
            None => Ok(Value::Longs(Arc::default())),
            Some(Value::Long(first)) => rest(first, list).map(Value::Longs),
            Some(Value::String(first)) => rest(first, list).map(Value::Strings),
            Some(_) => Err(A::Error::custom("a list holds integers or strings, nothing else")),
        }
    }
}

fn rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(first: T, mut list: A) -> Result<Arc<[T]>, A::Error> {
    let mut all = vec![first];
    while let Some(next) = list.next_element()? {
        all.push(next);
    }
    Ok(all.into())
}
