//! Any lines as the record of a run: `e` is an event; `l`, `r` and `c` with a partition are an entry, a row
//! and current rows. It is judged and reported without a check that panics, and twice with the same result.

use dissent::report::html::timeline::Timeline;
use dissent::report::run_facts::RunFacts;
use dissent::report::{html, json, json_reader, terminal};
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::DoubtKind;
use dissent_core::history::run_record::MemoryRecord;
use dissent_store::codec;
use dissent_store::run_writer::RunFile;
use std::sync::Arc;

/// The `RunMeta` is that of the sample under `tests/store`.
const FACTS: &str = include_str!("../../store/v1/small/run.json");
/// More lines would show nothing new.
const LINES_MAX: usize = 400;

/// Leaves out lines that cannot be parsed; a reader of a folder stops there.
pub(crate) fn evidence(bytes: &[u8]) {
    let record = understood(bytes);
    let verdict = judge(&record);
    let panicked = verdict.doubts.iter().find(|doubt| doubt.kind == DoubtKind::CheckFailed);
    assert_eq!(panicked, None);
    let meta = &record.meta;
    let told = json::verdict_json(&verdict, meta, &RunFacts::default(), 0).expect("a verdict is JSON");
    assert_eq!(json_reader::read(&told).expect("it is read back"), std::slice::from_ref(&verdict));
    assert_eq!(judge(&record), verdict);
    assert!(!terminal::summary(&verdict, meta, terminal::Style::default()).is_empty());
    assert!(!terminal::last_line(&verdict, meta, None).contains('\n'));
    html::page(&verdict, &record.meta, &Timeline::of(&record));
}

fn understood(bytes: &[u8]) -> MemoryRecord {
    let meta = serde_json::from_str::<RunFile>(FACTS).expect("the sample").meta;
    let partitions = meta.partitions as usize;
    let (log, rows, currents) =
        (vec![Vec::new(); partitions], vec![Vec::new(); partitions], vec![Vec::new(); partitions]);
    let mut record = MemoryRecord { meta, events: Vec::new(), log, rows, current_rows: currents };
    let lines = bytes.split(|byte| *byte == b'\n').take(LINES_MAX);
    for line in lines.filter(|line| line.len() > 3) {
        let (head, line) = line.split_at(3);
        let partition = usize::from(head[1] == b'1');
        let schema = &record.meta.schema;
        match head[0] {
            b'e' => record.events.extend(serde_json::from_slice(line).ok()),
            b'l' => record.log[partition].extend(codec::decode_entry(schema, line).ok()),
            b'r' => record.rows[partition]
                .extend(codec::decode_row(schema, line).ok().map(|(read, row)| (read, Arc::new(row)))),
            b'c' => record.current_rows[partition].extend(codec::decode_flags(line).ok()),
            _ => {}
        }
    }
    record.log.iter_mut().for_each(|log| log.sort_by_key(|entry| entry.off));
    record.rows.iter_mut().for_each(|rows| rows.sort_by_key(|(read, row)| (row.off, *read)));
    let by_key = |flags: &mut Vec<(u64, dissent_core::history::row::CurrentRow)>| {
        flags.sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
    };
    record.current_rows.iter_mut().for_each(by_key);
    record
}
