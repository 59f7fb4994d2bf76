//! The lines that a run has millions of, read without a parser: only the fields that are asked for, and only
//! from a line that looks exactly as [`crate::record::codec`] and [`crate::record::event`] write it. Any
//! other line gives nothing here, and is then parsed whole.

use super::event::Outcome;
use super::evidence::{Moment, Skimmed};
use super::row::Nanos;
use memchr::{memchr, memrchr};

/// What is left of a line.
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
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        let digit = |sum: u64, byte: &u8| sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
        if digits == 0 { None } else { number.iter().try_fold(0, digit) }
    }

    fn signed(&mut self) -> Option<i64> {
        if self.has(b"-") {
            0_i64.checked_sub_unsigned(self.number()?)
        } else {
            self.number()?.try_into().ok()
        }
    }

    /// A string without escapes, up to and with its closing quote.
    fn plain(&mut self) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(memchr(b'"', self.0)?)?;
        self.0 = &rest[1..];
        std::str::from_utf8(text).ok().filter(|text| !text.contains('\\'))
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Where a row lies and which read brought it, and how long its content is: the line up to its placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) off: u64,
    pub(super) read: u64,
    pub(super) content: usize,
}

/// The line of a row.
pub(super) fn row(line: &[u8]) -> Option<Placed> {
    let mut scan = Scan(line);
    scan.word(b"{\"off\":")?;
    let off = scan.number()?;
    // The last brace that opens is the placement's: what comes after it is numbers.
    let (front, at) = line.split_at(memrchr(b'{', line)?);
    let content = front.strip_suffix(b",\"at\":")?.len();
    let mut scan = Scan(at);
    scan.word(b"{\"read\":")?;
    let read = scan.number()?;
    scan.word(b",\"doc\":")?;
    scan.number()?;
    scan.word(b"}}")?;
    scan.end()?;
    Some(Placed { off, read, content })
}

/// The line of a log entry.
pub(super) fn entry(line: &[u8]) -> Option<Skimmed<'_>> {
    let mut scan = Scan(line);
    scan.word(b"{\"off\":")?;
    let off = scan.number()?;
    scan.word(b",\"key\":\"")?;
    let key = scan.plain()?;
    scan.word(b",\"op\":")?;
    let op = scan.number()?;
    scan.word(b",\"cmp\":")?;
    let cmp = scan.signed()?;
    let tombstone = scan.has(b",\"del\":true");
    scan.word(b",\"cols\":{")?;
    Some(Skimmed { off, key, op, cmp, tombstone })
}

/// The line of an op that is sent or answered.
pub(super) fn moment(line: &[u8]) -> Option<(Nanos, Moment<'static>)> {
    let mut scan = Scan(line);
    scan.word(b"{\"t\":")?;
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
        return Some((t, Moment::Invoked { op, partition, due }));
    }
    scan.word(b"complete\",\"op\":")?;
    let op = scan.number()?;
    scan.word(b",\"outcome\":\"ok\",\"off\":")?;
    let off = Some(scan.number()?);
    scan.word(b"}")?;
    scan.end()?;
    Some((t, Moment::Completed { op, outcome: Outcome::Ok, off }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec;
    use crate::record::event::{Event, Op, Stamped};
    use crate::record::row::{Entry, Row};
    use crate::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};

    fn schema() -> Schema {
        let x = Column {
            name: "x".into(),
            ty: Type::String,
            merge: Merge::Overwrite,
            optional: false,
            role: Role::Data,
        };
        let [table, key, comparison, op] = ["t", "k", "c", "o"].map(str::to_owned);
        Schema { table, key, comparison, op, columns: vec![x], provenance: Provenance::None }
    }

    fn text(line: &impl serde::Serialize) -> String {
        serde_json::to_string(line).expect("JSON")
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
                cols: vec![Value::String(trap.into())],
                doc: 4,
            };
            let line = text(&codec::row(&schema(), 9, &row));
            let placed = super::row(line.as_bytes()).expect("as written");
            assert_eq!((placed.off, placed.read), (7, 9));
            assert!(line[placed.content..].starts_with(",\"at\":{\"read\":9"), "{line}");
            for cut in 0..line.len() {
                assert_eq!(super::row(&line.as_bytes()[..cut]), None, "{}", &line.get(..cut).unwrap_or(""));
            }
        }
    }

    #[test]
    fn an_entry_is_skimmed_as_it_is_decoded() {
        for (trap, tombstone) in TRAPS.into_iter().zip([true, false, true, false]) {
            let cols = vec![Value::String(trap.into())];
            let entry = Entry { off: 7, key: trap.into(), op: 8, cmp: i64::MIN, tombstone, cols };
            let line = text(&codec::entry(&schema(), &entry));
            match super::entry(line.as_bytes()) {
                None => assert!(trap.contains('"'), "only an escaped key is left to the parser: {line}"),
                Some(Skimmed { off, key, op, cmp, tombstone: gone }) => {
                    assert_eq!((off, key, op, cmp, gone), (7, trap, 8, i64::MIN, tombstone));
                }
            }
        }
    }

    #[test]
    fn ops_are_read_as_they_are_parsed_and_all_else_is_left_to_the_parser() {
        for trap in TRAPS {
            let cols = vec![Value::String(trap.into()), Value::Null];
            let op = Op { id: 5, partition: 1, key: trap.into(), cmp: 5, cols, due: Nanos(66) };
            let line = text(&Stamped { t: Nanos(77), event: Event::Invoke { op } });
            let found = moment(line.as_bytes()).expect("as written");
            assert_eq!(found, (Nanos(77), Moment::Invoked { op: 5, partition: 1, due: Nanos(66) }));
        }
        let complete =
            |outcome, off| text(&Stamped { t: Nanos(1), event: Event::Complete { op: 2, outcome, off } });
        let done = Moment::Completed { op: 2, outcome: Outcome::Ok, off: Some(3) };
        assert_eq!(moment(complete(Outcome::Ok, Some(3)).as_bytes()), Some((Nanos(1), done)));
        assert_eq!(moment(complete(Outcome::Ok, None).as_bytes()), None);
        assert_eq!(moment(complete(Outcome::Unknown, Some(3)).as_bytes()), None);
        assert_eq!(moment(br#"{"t":1,"type":"boundary"}"#), None);
        assert_eq!(
            moment(br#"{"t":99999999999999999999,"type":"complete","op":1,"outcome":"ok","off":1}"#),
            None
        );
    }
}
