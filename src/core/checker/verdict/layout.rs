//! The layout of JSON that loses nothing in JavaScript and `jq`, whose numbers are exact up to 2^53, and that
//! needs no arithmetic to know what time it was.
//!
//! It is here and not in `report/`, because a campaign writes every verdict, and this crate is built for
//! speed.

use crate::history::time::Nanos;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{Result, Write};

/// The wall clock at a time of the run, in RFC 3339. None if it is not known.
pub type WallClock<'c> = &'c dyn Fn(Nanos) -> Option<String>;

/// Pretty JSON that loses nothing in readers with doubles.
pub fn exact(value: &impl Serialize, clock: WallClock<'_>) -> serde_json::Result<String> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, Exact::new(clock)))?;
    // JSON is UTF-8.
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The largest integer up to which all are exact as doubles.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Pretty JSON in which integers beyond 2^53 are strings, and in which `wall` follows each `t`.
struct Exact<'c> {
    pretty: PrettyFormatter<'static>,
    clock: WallClock<'c>,
    is_key: bool,
    /// The key of the value that is being written.
    key: String,
}

impl<'c> Exact<'c> {
    fn new(clock: WallClock<'c>) -> Self {
        Self { pretty: PrettyFormatter::new(), clock, is_key: false, key: String::new() }
    }

    /// Adds the wall clock beside a time.
    fn push_wall<W: ?Sized + Write>(&mut self, to: &mut W, t: Option<u64>) -> Result<()> {
        if self.key != "t" {
            return Ok(());
        }
        self.pretty.end_object_value(to)?;
        self.pretty.begin_object_key(to, false)?;
        to.write_all(b"\"wall\"")?;
        self.pretty.begin_object_value(to)?;
        match t.and_then(|t| (self.clock)(Nanos(t))) {
            Some(wall) => write!(to, "\"{wall}\""),
            None => to.write_all(b"null"),
        }
    }
}

impl Formatter for Exact<'_> {
    fn write_u64<W: ?Sized + Write>(&mut self, to: &mut W, value: u64) -> Result<()> {
        if value > EXACT_MAX {
            write!(to, "\"{value}\"")?
        } else {
            write!(to, "{value}")?
        }
        self.push_wall(to, Some(value))
    }

    fn write_i64<W: ?Sized + Write>(&mut self, to: &mut W, value: i64) -> Result<()> {
        if value.unsigned_abs() > EXACT_MAX { write!(to, "\"{value}\"") } else { write!(to, "{value}") }
    }

    fn write_null<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        to.write_all(b"null")?;
        self.push_wall(to, None)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> Result<()> {
        if self.is_key {
            self.key.push_str(fragment);
        }
        to.write_all(fragment.as_bytes())
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.is_key = true;
        self.key.clear();
        self.pretty.begin_object_key(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.is_key = false;
        self.pretty.begin_object_value(to)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.pretty.end_object_value(to)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.pretty.begin_object(to)
    }

    fn end_object<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.pretty.end_object(to)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.key.clear();
        self.pretty.begin_array(to)
    }

    fn end_array<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.pretty.end_array(to)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.pretty.begin_array_value(to, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, to: &mut W) -> Result<()> {
        self.pretty.end_array_value(to)
    }
}
