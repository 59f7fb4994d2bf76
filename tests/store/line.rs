//! What a row, an entry and a value look like on disk, and how odd lines are read.

use crate::store::sample::{meta, record};
use dissent_core::history::schema::Value;
use dissent_store::codec;
use std::sync::Arc;

fn json(line: &impl serde::Serialize) -> String {
    serde_json::to_string(line).expect("json")
}

#[test]
fn lines_are_json_in_the_order_of_the_schema() {
    let (record, schema) = (record(), meta().schema);
    let (_, row) = &record.rows[0][7];
    let content = r#""off":1,"key":"k1","op":18446744073709551614,"cmp":-1,"#;
    let cols = r#""cols":{"x":-9223372036854775807,"tags":[],"ops":[1,9223372036854775807],"note":"null"}"#;
    assert_eq!(json(&codec::content(&schema, row)), format!("{{{content}{cols}}}"));
    assert_eq!(json(&codec::entry(&schema, &record.log[0][1], 0)), format!("{{{content}{cols}}}"));
    let tombstone = json(&codec::entry(&schema, &record.log[0][7], 2));
    assert!(tombstone.ends_with(r#""cmp":-7,"del":true,"cols":{},"skip":2}"#), "{tombstone}");
    let line = json(&codec::event(7, &record.events[3]));
    assert_eq!(line, r#"{"n":7,"t":300000000,"type":"boundary"}"#);
}

#[test]
fn unknown_fields_and_columns_are_skipped_and_absent_columns_are_null() {
    let line = r#"{"new":{"a":[1]},"key":"k\u00e9","cols":{"ops":[4],"other":1.5,"x":2},"cmp":3,
        "off":1,"op":2,"at":{"doc":5,"seg":"s","read":6}}"#;
    let (read, row) = codec::decode_row(&meta().schema, line.as_bytes()).expect("row");
    let cols = vec![Value::Long(2), Value::Null, Value::Longs([4].into()), Value::Null];
    assert_eq!((read, row.off, row.op, row.cmp, row.doc), (6, 1, 2, 3, 5));
    assert_eq!((row.key.as_ref(), row.cols), ("ké", cols));
}

#[test]
fn lines_that_lack_something_are_refused_by_its_name() {
    let whole = r#"{"off":1,"key":"k","op":2,"cmp":3,"cols":{},"at":{"read":1,"doc":2}}"#;
    assert!(codec::decode_row(&meta().schema, whole.as_bytes()).is_ok());
    for (cut, lacks) in [
        (r#""off":1,"#, "`off`"),
        (r#""key":"k","#, "`key`"),
        (r#""op":2,"#, "`op`"),
        (r#""cmp":3,"#, "`cmp`"),
        (r#""cols":{},"#, "`cols`"),
        (r#","at":{"read":1,"doc":2}"#, "`at`"),
        (r#""read":1,"#, "`read`"),
    ] {
        let line = whole.replacen(cut, "", 1);
        let error = codec::decode_row(&meta().schema, line.as_bytes()).expect_err(&line);
        assert!(error.to_string().contains(lacks), "{error} does not name {lacks}");
    }
}

#[test]
fn values_are_told_apart_by_their_json() {
    let strings = |list: &[&str]| Value::Strings(list.iter().map(|s| Arc::from(*s)).collect());
    for (text, value) in [
        ("null", Value::Null),
        ("-9223372036854775808", Value::Long(i64::MIN)),
        ("9223372036854775807", Value::Long(i64::MAX)),
        ("true", Value::Boolean(true)),
        ("1.5", Value::double(1.5)),
        ("1.0", Value::double(1.0)),
        ("-0.0", Value::double(-0.0)),
        ("1e+300", Value::double(1e300)),
        ("\"NaN\"", Value::double(f64::NAN)),
        ("\"\"", Value::String(String::new().into())),
        ("\"a\\n\"", Value::String("a\n".into())),
        ("[]", Value::Longs([].into())),
        ("[1,-2]", Value::Longs([1, -2].into())),
        ("[\"\",\"b\"]", strings(&["", "b"])),
    ] {
        assert_eq!(serde_json::from_str::<Value>(text).expect(text), value);
        assert_eq!(serde_json::to_string(&value).expect(text), text);
    }
    for odd in [
        "9223372036854775808",
        "{}",
        "[true]",
        "[1.5]",
        "[null]",
        "[[1]]",
        "[1,\"a\"]",
        "[\"a\",1]",
        "[1",
        "",
    ] {
        assert!(serde_json::from_str::<Value>(odd).is_err(), "{odd} is taken for a value");
    }
}
