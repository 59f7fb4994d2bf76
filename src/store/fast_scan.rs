//! Fast readers for the lines that a run has millions of. They work without a parser and accept only a line
//! in the exact layout that [`crate::codec`] and [`dissent_core::history::event`] write. For any other line
//! they return None, and the caller parses it in full.

use dissent_core::history::event::OpOutcome;
use dissent_core::history::row::{Entry, Row};
use dissent_core::history::run_record::{EntryHeader, EventRef};
use dissent_core::history::schema::{Column, Schema, Value};
use dissent_core::history::time::Nanos;
use memchr::{memchr, memrchr};

/// The unread rest of a line.
struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn has(&mut self, word: &[u8]) -> bool {
        self.word(word).is_some()
    }

    fn number(&mut self) -> Option<u64> {
        /// Numbers of up to this many digits cannot overflow.
        const SAFE: usize = 19;
        let (mut sum, mut digits) = (0_u64, 0);
        while let Some(digit) = self.0.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|it| *it < 10) {
            let digit = u64::from(digit);
            sum = if digits < SAFE { 10 * sum + digit } else { sum.checked_mul(10)?.checked_add(digit)? };
            digits += 1;
        }
        if digits == 0 || digits > 1 && self.0[0] == b'0' {
            return None;
        }
        self.0 = &self.0[digits..];
        Some(sum)
    }

    fn signed(&mut self) -> Option<i64> {
        if self.has(b"-") {
            0_i64.checked_sub_unsigned(self.number()?)
        } else {
            self.number()?.try_into().ok()
        }
    }

    /// A string without escapes, including its closing quote.
    fn plain(&mut self) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(memchr(b'"', self.0)?)?;
        self.0 = &rest[1..];
        let is_plain = text.iter().all(|byte| *byte >= b' ' && *byte != b'\\');
        if is_plain { std::str::from_utf8(text).ok() } else { None }
    }

    /// Skips the given name with its quote and colon, if it is next.
    fn is_named(&mut self, name: &str) -> bool {
        let rest = self.0.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"\":"));
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Reads the items of an open list or map up to its end.
    fn until(&mut self, end: &[u8], mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.has(end) {
            return Some(());
        }
        loop {
            item(self)?;
            if self.has(end) {
                return Some(());
            }
            self.word(b",")?;
        }
    }

    fn value(&mut self) -> Option<Value> {
        if self.has(b"\"") {
            return self.plain().map(|text| Value::String(text.into()));
        }
        if !self.has(b"[") {
            return self.signed().map(Value::Long);
        }
        if self.0.starts_with(b"\"") {
            let mut texts = Vec::new();
            self.until(b"]", |scan| {
                scan.word(b"\"")?;
                texts.push(scan.plain()?.into());
                Some(())
            })?;
            return Some(Value::Strings(texts.into()));
        }
        let mut longs = Vec::new();
        self.until(b"]", |scan| {
            longs.push(scan.signed()?);
            Some(())
        })?;
        Some(Value::Longs(longs.into()))
    }

    /// Named values in the schema's order, including the end of their map.
    fn values(&mut self, columns: &[Column]) -> Option<Vec<Value>> {
        let mut values = vec![Value::Null; columns.len()];
        let mut next = 0;
        self.until(b"}", |scan| {
            scan.word(b"\"")?;
            next += columns[next..].iter().position(|column| scan.is_named(&column.name))?;
            values[next] = scan.value()?;
            next += 1;
            Some(())
        })?;
        Some(values)
    }

    /// The fields before the values, which entries and rows share.
    fn front(&mut self) -> Option<EntryHeader<'a>> {
        self.word(b"{\"off\":")?;
        let off = self.number()?;
        self.word(b",\"key\":\"")?;
        let key = self.plain()?;
        self.word(b",\"op\":")?;
        let op = self.number()?;
        self.word(b",\"cmp\":")?;
        let cmp = self.signed()?;
        let tombstone = self.has(b",\"del\":true");
        self.word(b",\"cols\":{")?;
        Some(EntryHeader { off, key, op, cmp, tombstone })
    }

    /// The placement of a row (read and document), including the end of its line.
    fn placement(mut self) -> Option<(u64, u32)> {
        self.word(b"{\"read\":")?;
        let read = self.number()?;
        self.word(b",\"doc\":")?;
        let doc = self.number()?.try_into().ok()?;
        self.word(b"}}")?;
        self.end()?;
        Some((read, doc))
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The offset and the read of a row, and the length of its content: the line up to its placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlacedRow {
    pub(super) off: u64,
    pub(super) read: u64,
    pub(super) content: usize,
}

pub(super) fn placed(line: &[u8]) -> Option<PlacedRow> {
    let mut scan = Scan(line);
    scan.word(b"{\"off\":")?;
    let off = scan.number()?;
    // The last opening brace starts the placement, because only numbers follow it.
    let (front, at) = line.split_at(memrchr(b'{', line)?);
    let content = front.strip_suffix(b",\"at\":")?.len();
    let (read, _) = Scan(at).placement()?;
    Some(PlacedRow { off, read, content })
}

/// A log entry without its values.
pub(super) fn entry_header(line: &[u8]) -> Option<EntryHeader<'_>> {
    Scan(line).front()
}

/// A log entry.
pub(super) fn entry(schema: &Schema, line: &[u8]) -> Option<Entry> {
    let mut scan = Scan(line);
    let EntryHeader { off, key, op, cmp, tombstone } = scan.front()?;
    let cols = scan.values(&schema.columns)?;
    scan.word(b"}")?;
    scan.end()?;
    Some(Entry { off, key: key.into(), op, cmp, tombstone, cols })
}

/// A row and the id of its read.
pub(super) fn row(schema: &Schema, line: &[u8]) -> Option<(u64, Row)> {
    let mut scan = Scan(line);
    let EntryHeader { off, key, op, cmp, .. } = scan.front()?;
    let cols = scan.values(&schema.columns)?;
    scan.word(b",\"at\":")?;
    let (read, doc) = scan.placement()?;
    Some((read, Row { off, key: key.into(), op, cmp, cols, doc }))
}

/// The number of an event.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    let mut scan = Scan(line);
    scan.word(b"{\"n\":")?;
    scan.number()
}

/// The line of an op that is sent or answered.
pub(super) fn event_ref(line: &[u8]) -> Option<(Nanos, EventRef<'static>)> {
    let mut scan = Scan(line);
    match scan.has(b"{\"n\":") {
        true => scan.number().and_then(|_| scan.word(b",\"t\":"))?,
        false => scan.word(b"{\"t\":")?,
    }
    let t = Nanos(scan.number()?);
    scan.word(b",\"type\":\"")?;
    if scan.has(b"invoke\",\"op\":{\"id\":") {
        let op = scan.number()?;
        scan.word(b",\"partition\":")?;
        let partition = u32::try_from(scan.number()?).ok()?;
        let front = scan.0.strip_suffix(b"}}")?;
        let mut tail = Scan(&front[memrchr(b',', front)?..]);
        tail.word(b",\"due\":")?;
        let due = Nanos(tail.number()?);
        tail.end()?;
        return Some((t, EventRef::Invoked { op, partition, due }));
    }
    scan.word(b"complete\",\"op\":")?;
    let op = scan.number()?;
    scan.word(b",\"outcome\":\"ok\",\"off\":")?;
    let off = Some(scan.number()?);
    scan.word(b"}")?;
    scan.end()?;
    Some((t, EventRef::Completed { op, outcome: OpOutcome::Ok, off }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use dissent_core::history::event::{Event, Op, TimedEvent};
    use dissent_core::history::row::{Entry, Row};
    use dissent_core::history::schema::{Merge, Type};

    fn schema() -> Schema {
        let column = |(name, ty): (&str, Type)| Column::data(name, ty, Merge::Overwrite);
        let columns =
            [("x", Type::String), ("n", Type::Long), ("list", Type::LongList), ("texts", Type::StringList)];
        let [key, comparison, op] = ["k", "c", "o"].map(str::to_owned);
        Schema { key, comparison, op, ..Schema::plain("t", columns.map(column).into()) }
    }

    fn text(line: &impl serde::Serialize) -> String {
        serde_json::to_string(line).expect("JSON")
    }

    /// The line of a row up to format 2.
    fn placed_text(schema: &Schema, read: u64, row: &Row) -> String {
        let content = text(&codec::content(schema, row));
        let content = content.strip_suffix('}').expect("an object");
        format!("{content},\"at\":{{\"read\":{read},\"doc\":{}}}}}", row.doc)
    }

    /// Texts that look like the ends of lines.
    const TRAPS: [&str; 4] = ["", ",\"at\":{\"read\":1,\"doc\":2}}", ",\"due\":7}}", "{\\\"\u{fc}"];

    #[test]
    fn a_row_is_cut_where_its_placement_begins() {
        for trap in TRAPS {
            let row = Row {
                off: 7,
                key: trap.into(),
                op: u64::MAX,
                cmp: -3,
                cols: vec![Value::String(trap.into()), Value::Null, Value::Null, Value::Null],
                doc: 4,
            };
            let line = placed_text(&schema(), 9, &row);
            let placed = super::placed(line.as_bytes()).expect("as written");
            assert_eq!((placed.off, placed.read), (7, 9));
            assert!(line[placed.content..].starts_with(",\"at\":{\"read\":9"), "{line}");
            for cut in 0..line.len() {
                assert_eq!(
                    super::placed(&line.as_bytes()[..cut]),
                    None,
                    "{}",
                    &line.get(..cut).unwrap_or("")
                );
            }
        }
    }

    #[test]
    fn a_line_is_read_as_it_is_parsed_or_left_to_the_parser() {
        let schema = schema();
        let word = |text: &str| Value::String(text.into());
        let words =
            |texts: &[&str]| Value::Strings(texts.iter().map(|text| std::sync::Arc::from(*text)).collect());
        let values = [
            [Value::Null, Value::Null, Value::Null, Value::Null],
            [
                word(""),
                Value::Long(i64::MIN),
                Value::Longs([0, -1, i64::MAX].into()),
                words(&["a", ",", "]}"]),
            ],
            [Value::Null, Value::Long(0), Value::Longs([].into()), Value::Null],
            [word("\u{fc} }"), Value::Null, Value::Null, words(&[""])],
            [word("\n"), Value::Long(7), Value::Null, words(&["\\"])],
        ];
        for (at, cols) in values.map(Vec::from).into_iter().enumerate() {
            let (key, op, cmp) = (format!("k{at}"), u64::MAX, -3);
            let row = Row { off: 7, key: key.as_str().into(), op, cmp, cols: cols.clone(), doc: 4 };
            let line = placed_text(&schema, 9, &row);
            let (_, placement) = codec::parse(&schema, line.as_bytes()).expect("a row");
            assert_eq!(placement, Some(codec::ReadAt { read: 9, doc: 4 }));
            let is_escaped = line.contains('\\');
            assert_eq!(super::row(&schema, line.as_bytes()), (!is_escaped).then_some((9, row)), "{line}");
            let entry = Entry { off: 7, key: key.into(), op, cmp, tombstone: at % 2 == 0, cols };
            let line = text(&codec::entry(&schema, &entry, 0));
            assert_eq!(codec::parse(&schema, line.as_bytes()).expect("an entry").0, entry);
            assert_eq!(super::entry(&schema, line.as_bytes()), (!is_escaped).then_some(entry), "{line}");
            for cut in 0..line.len() {
                assert_eq!(super::entry(&schema, &line.as_bytes()[..cut]), None, "{line} at {cut}");
            }
        }
        for line in [
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"n":1,"x":"a"}}"#,
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"n":1,}}"#,
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"n":01}}"#,
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"later":1}}"#,
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"n":1.5}}"#,
            r#"{"off":7,"key":"k","op":1,"cmp":1,"cols":{"n":1}} "#,
        ] {
            assert_eq!(super::entry(&schema, line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_entry_is_skimmed_as_it_is_decoded() {
        for (trap, tombstone) in TRAPS.into_iter().zip([true, false, true, false]) {
            let cols = vec![Value::String(trap.into()), Value::Null, Value::Null, Value::Null];
            let entry = Entry { off: 7, key: trap.into(), op: 8, cmp: i64::MIN, tombstone, cols };
            let line = text(&codec::entry(&schema(), &entry, 3));
            match entry_header(line.as_bytes()) {
                None => assert!(trap.contains('"'), "only an escaped key is left to the parser: {line}"),
                Some(EntryHeader { off, key, op, cmp, tombstone: gone }) => {
                    assert_eq!((off, key, op, cmp, gone), (7, trap, 8, i64::MIN, tombstone));
                }
            }
        }
    }

    #[test]
    fn ops_are_read_as_they_are_parsed_and_all_else_is_left_to_the_parser() {
        for trap in TRAPS {
            let cols = vec![Value::String(trap.into()), Value::Null];
            let op =
                Op { id: 5, partition: 1, key: trap.into(), cmp: 5, cols, delete: false, due: Nanos(66) };
            let stamped = TimedEvent { t: Nanos(77), event: Event::Invoke { op } };
            // In the current format, and in format 1.
            for line in [text(&codec::event(9, &stamped)), text(&stamped)] {
                let found = event_ref(line.as_bytes()).expect("as written");
                assert_eq!(found, (Nanos(77), EventRef::Invoked { op: 5, partition: 1, due: Nanos(66) }));
            }
            assert_eq!(number(text(&codec::event(9, &stamped)).as_bytes()), Some(9));
            assert_eq!(number(text(&stamped).as_bytes()), None);
        }
        let complete =
            |outcome, off| text(&TimedEvent { t: Nanos(1), event: Event::Complete { op: 2, outcome, off } });
        let done = EventRef::Completed { op: 2, outcome: OpOutcome::Ok, off: Some(3) };
        assert_eq!(event_ref(complete(OpOutcome::Ok, Some(3)).as_bytes()), Some((Nanos(1), done)));
        assert_eq!(event_ref(complete(OpOutcome::Ok, None).as_bytes()), None);
        assert_eq!(event_ref(complete(OpOutcome::Unknown, Some(3)).as_bytes()), None);
        assert_eq!(event_ref(br#"{"t":1,"type":"boundary"}"#), None);
        assert_eq!(
            event_ref(br#"{"t":99999999999999999999,"type":"complete","op":1,"outcome":"ok","off":1}"#),
            None
        );
    }
}
