//! What is tried: each merge function, and values and keys at which adapters fail.

use super::trials::{Trial, TrialStep};
use crate::adapter::state::StateStore;
use dissent_core::history::schema::rules::{LogSource, Rules};
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};
use dissent_core::history::stored_name::stored_name;
use std::sync::Arc;

/// The first integer that a double cannot hold.
const BEYOND_DOUBLES: i64 = (1 << 53) + 1;

/// The length of a long string, in bytes.
const LONG_BYTES: usize = 1 << 20;

/// The length of a long list.
const LONG_LIST: i64 = 10_000;

/// The number of keys that are written at the end, so that a read has many rows.
const MANY: u32 = 120;

/// The columns. Those whose merge function a store lacks are left out.
const COLUMNS: [(&str, Type, Merge); 20] = [
    ("text", Type::String, Merge::Overwrite),
    ("number", Type::Long, Merge::Overwrite),
    ("float", Type::Double, Merge::Overwrite),
    ("amount", Type::Decimal, Merge::Overwrite),
    ("flag", Type::Boolean, Merge::Overwrite),
    ("instant", Type::Timestamp, Merge::Overwrite),
    ("bytes", Type::Bytes, Merge::Overwrite),
    ("document", Type::Json, Merge::Overwrite),
    ("numbers", Type::LongList, Merge::Overwrite),
    ("texts", Type::StringList, Merge::Overwrite),
    ("first_text", Type::String, Merge::Ignore),
    ("first_number", Type::Long, Merge::Ignore),
    ("total", Type::Long, Merge::Increment),
    ("trail", Type::LongList, Merge::Append),
    ("trail_texts", Type::StringList, Merge::Append),
    ("tags", Type::StringList, Merge::Union),
    ("tag_numbers", Type::LongList, Merge::Union),
    ("most", Type::Long, Merge::Max),
    ("least", Type::Long, Merge::Min),
    ("most_float", Type::Double, Merge::Max),
];

/// The table that a store is proven on.
pub(super) fn schema(store: &dyn StateStore, name: &str) -> Schema {
    let columns = COLUMNS.into_iter().filter(|(.., merge)| !store.lacks().contains(merge));
    let columns = columns.map(|(name, ty, merge)| Column::data(name, ty, merge)).collect();
    let rules = Rules { retains: store.retains(), log: LogSource::Sessions, ..Rules::default() };
    let (key, comparison, op) = ("row_key".to_owned(), "row_cmp".to_owned(), "row_op".to_owned());
    Schema { key, comparison, op, rules, ..Schema::plain(name, columns) }
}

fn trial(what: &str, key: &str, steps: &[&[(&str, Value)]], expected: &[(&str, Value)]) -> Trial {
    let owned = |cols: &[(&str, Value)]| {
        cols.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let steps = steps.iter().map(|cols| TrialStep::Set(owned(cols))).collect();
    Trial {
        what: what.to_owned(),
        key: key.to_owned(),
        steps,
        expected: Some(owned(expected)),
        numbers: None,
    }
}

/// The column that holds a value of this type as it was written.
fn holder(schema: &Schema, ty: Type) -> Option<&str> {
    let holds =
        |column: &&Column| column.ty == ty && matches!(column.merge, Merge::Overwrite | Merge::Ignore);
    schema.columns.iter().find(holds).map(|column| column.name.as_str())
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

fn texts(texts: &[&str]) -> Value {
    Value::Strings(texts.iter().map(|text| Arc::from(*text)).collect())
}

/// A write of every column.
pub(super) fn first(schema: &Schema) -> Vec<Trial> {
    let value = |column: &Column| match column.ty {
        Type::Long => Value::Long(7),
        Type::Double => Value::double(7.5),
        Type::Decimal => text("7.5"),
        Type::Boolean => Value::Boolean(true),
        Type::String => text("seven"),
        Type::Timestamp => text("2027-07-07T07:07:07Z"),
        Type::Bytes => text("07"),
        Type::Json => text("{\"seven\":7}"),
        Type::LongList => Value::Longs([7].into()),
        Type::StringList => texts(&["seven"]),
    };
    let cols: Vec<(&str, Value)> =
        schema.columns.iter().map(|column| (column.name.as_str(), value(column))).collect();
    let what = "an acknowledged write is read back on every replica";
    vec![trial(what, "first", &[&cols], &cols)]
}

/// Three values of a column, and what they merge to.
fn series(ty: Type, merge: Merge) -> ([Value; 3], Value) {
    let three = match (ty, merge) {
        (Type::Long, Merge::Increment) => [BEYOND_DOUBLES, 2, -5].map(Value::Long),
        (Type::Long, Merge::Max) => [5, BEYOND_DOUBLES + 1, BEYOND_DOUBLES].map(Value::Long),
        (Type::Long, Merge::Min) => [-5, -BEYOND_DOUBLES - 1, -BEYOND_DOUBLES].map(Value::Long),
        (Type::Long, _) => [1, -BEYOND_DOUBLES, BEYOND_DOUBLES].map(Value::Long),
        (Type::Double, Merge::Max) => [0.1, 1e300, -2.5].map(Value::double),
        (Type::Double, _) => [1e300, -2.5, 0.1].map(Value::double),
        (Type::Decimal, _) => ["0.1", "-12345678901234567890.5", "98765432109876543210"].map(text),
        (Type::Boolean, _) => [true, true, false].map(Value::Boolean),
        (Type::String, _) => ["one", "two", "three"].map(text),
        (Type::Timestamp, _) => {
            ["1969-12-31T23:59:59.5Z", "2027-07-07T07:07:07Z", "2027-07-07T07:07:07.000001Z"].map(text)
        }
        (Type::Bytes, _) => ["00", "ff00", ""].map(text),
        (Type::Json, _) => ["{}", "[1,{\"a\":null}]", "{\"a\":\"b\",\"c\":1.5}"].map(text),
        (Type::LongList, _) => {
            [&[2, 1][..], &[1, BEYOND_DOUBLES], &[2]].map(|longs| Value::Longs(longs.into()))
        }
        (Type::StringList, _) => [&["b", "a"][..], &["a", "c"], &["b"]].map(texts),
    };
    let merged = match (ty, merge) {
        (Type::Long, Merge::Increment) => Value::Long(BEYOND_DOUBLES - 3),
        (_, Merge::Max | Merge::Min) => three[1].clone(),
        (Type::LongList, Merge::Append) => Value::Longs([2, 1, 1, BEYOND_DOUBLES, 2].into()),
        (Type::StringList, Merge::Append) => texts(&["b", "a", "a", "c", "b"]),
        (Type::LongList, Merge::Union) => Value::Longs([1, 2, BEYOND_DOUBLES].into()),
        (Type::StringList, Merge::Union) => texts(&["a", "b", "c"]),
        (_, Merge::Ignore) => three[0].clone(),
        _ => three[2].clone(),
    };
    (three, merged)
}

/// Each merge function: null keeps, and the first, second and third value.
pub(super) fn merges(schema: &Schema) -> Vec<Trial> {
    let mut trials = Vec::new();
    for column in &schema.columns {
        let (name, merge) = (column.name.as_str(), column.merge);
        let ([one, two, three], merged) = series(column.ty, merge);
        let of = |value: &Value| [(name, value.clone())];
        let (function, ty) = (stored_name(&merge), stored_name(&column.ty));
        let what = format!("{function} of a {ty}: null keeps, then a second and a third value");
        let key = |series: &str| format!("merge {name} {series}");
        trials.push(trial(&what, &key("null"), &[&[]], &[]));
        trials.push(trial(&what, &key("first and null"), &[&of(&one), &[]], &of(&one)));
        let all: [&[(&str, Value)]; 4] = [&[], &of(&one), &of(&two), &of(&three)];
        trials.push(trial(&what, &key("null and three"), &all, &of(&merged)));
        if merge == Merge::Increment {
            let (most, one) = (of(&Value::Long(i64::MAX)), of(&Value::Long(1)));
            let what = "increment wraps at 64 bits";
            trials.push(trial(what, &key("wraps"), &[&most, &one], &of(&Value::Long(i64::MIN))));
        }
    }
    trials
}

/// Values of each type that are easily bent.
pub(super) fn values(schema: &Schema) -> Vec<Trial> {
    let long = |long: i64| (Type::Long, "64-bit integers are exact", Value::Long(long));
    let string = |what: &'static str, string: &str| (Type::String, what, text(string));
    let longs =
        |longs: Vec<i64>| (Type::LongList, "lists of integers, empty and long", Value::Longs(longs.into()));
    let list = |list: &[&str]| (Type::StringList, "lists of strings, empty and with any", texts(list));
    let exact = [i64::MIN, i64::MIN + 1, -BEYOND_DOUBLES, -1, 0, 1, BEYOND_DOUBLES, i64::MAX - 1, i64::MAX];
    let mut values = Vec::from(exact.map(long));
    let unicode = ["Ωμέγα", "語", "\u{1f9ea}\u{200d}\u{1f9ea}", "e\u{301}", "\u{feff}x", "שלום"];
    values.extend(unicode.map(|it| string("strings hold any letter", it)));
    let quotes = ["a\nb", "a\r\nb\t", "it's", "\"quoted\"", "back\\slash \\n", "{\"a\":[1]}", "%s $1 :x ;--"];
    values.extend(quotes.map(|it| string("strings hold line ends and quotes", it)));
    let nothings = ["", " ", "null", "NULL", "\\N", "0"];
    values.extend(nothings.map(|it| string("an empty string is not null", it)));
    values.push(string("a string of 1 MiB", &"0123456789abcdef".repeat(LONG_BYTES / 16)));
    values.extend([longs(vec![]), longs(vec![i64::MIN, i64::MAX]), longs((0..LONG_LIST).collect())]);
    values.extend([list(&[]), list(&[""]), list(&["a,b", "{\"c\"}", "d'e\\", "NULL", "\n"])]);
    let mut trials = Vec::new();
    for (at, (ty, what, value)) in values.into_iter().enumerate() {
        if let Some(name) = holder(schema, ty) {
            let cols = [(name, value)];
            trials.push(trial(what, &format!("value {at:02}"), &[&cols], &cols));
        }
    }
    trials
}

/// Keys that are easily bent.
pub(super) fn keys(schema: &Schema) -> Vec<Trial> {
    let long = "k".repeat(200);
    let keys = [
        "a:b",
        "a/b",
        "../a",
        "a b",
        " a ",
        "a*",
        "a?[b]",
        "%41",
        "a'b",
        "a\"b",
        "a\\b",
        "a\nb",
        "a,b",
        "{a}",
        "$1",
        "null",
        "0",
        "-1",
        "ключ",
        "\u{1f511}",
        "A",
        "a",
        &long,
    ];
    let name = holder(schema, Type::String);
    let cols = |key: &str| name.map(|name| (name, text(key))).into_iter().collect::<Vec<_>>();
    keys.map(|key| trial("keys hold any letter", key, &[&cols(key)], &cols(key))).to_vec()
}

/// Op ids and comparison values at the ends of what runs use.
pub(super) fn numbers(_schema: &Schema) -> Vec<Trial> {
    let beyond = BEYOND_DOUBLES.unsigned_abs();
    let pairs = [(beyond, BEYOND_DOUBLES), (i64::MAX.unsigned_abs(), i64::MAX), (beyond + 2, i64::MIN)];
    let of = |(op, cmp): (u64, i64)| {
        let what = "op ids and comparison values are exact";
        Trial { numbers: Some((op, cmp)), ..trial(what, &format!("numbers {op} {cmp}"), &[&[]], &[]) }
    };
    pairs.map(of).to_vec()
}

/// A delete, and a write after it.
pub(super) fn deletes(schema: &Schema) -> Vec<Trial> {
    let named = |ty: Type, value: Value| holder(schema, ty).map(|name| (name, value));
    let both: Vec<(&str, Value)> =
        [named(Type::String, text("old")), named(Type::Long, Value::Long(1))].into_iter().flatten().collect();
    let new: Vec<(&str, Value)> = named(Type::Long, Value::Long(2)).into_iter().collect();
    let mut deleted = trial("a deleted key is gone", "deleted", &[&both], &[]);
    deleted.steps.push(TrialStep::Delete);
    deleted.expected = None;
    let what = "a key that is written after its delete is new";
    let mut back = trial(what, "deleted and back", &[&both, &new], &new);
    back.steps.insert(1, TrialStep::Delete);
    vec![deleted, back]
}

/// Many keys.
pub(super) fn many(schema: &Schema) -> Vec<Trial> {
    let name = holder(schema, Type::Long);
    let of = |at: u32| {
        let cols: Vec<(&str, Value)> = name.map(|name| (name, Value::Long(at.into()))).into_iter().collect();
        trial("a read holds many rows", &format!("many {at:03}"), &[&cols], &cols)
    };
    (0..MANY).map(of).collect()
}
