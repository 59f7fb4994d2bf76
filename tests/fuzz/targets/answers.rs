//! Any bytes as the body of a target's answer. Memory: at most the body and its contents; the client refuses
//! a body above its own limit.

use super::schema;
use dissent::adapter::http::parse;
use dissent::adapter::specimen::wire::{entries, flags, held, produced, rows};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{Coverage, Segment};

/// The body is read as every kind of answer.
pub(crate) fn answers(bytes: &[u8]) {
    let schema = schema();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
    let width = schema.columns.len();
    let mut taken = 0;
    let told = rows(&schema, "fuzz", bytes, &mut |row| taken += u64::from(row.cols.len() == width));
    assert!(told.map_or(taken < lines, |told| told == taken));
    let told = held(&schema, "fuzz", bytes);
    assert!(
        told.map_or(true, |held| held.len() as u64 == lines
            && held.iter().all(|row| row.cols.len() == width))
    );
    taken = 0;
    let told = entries(&schema, "fuzz", bytes, &mut |entry| taken += u64::from(entry.cols.len() == width));
    assert!(told.map_or(taken < lines, |told| told == taken));
    taken = 0;
    let told = flags("fuzz", bytes, &mut |_| taken += 1);
    assert!(told.map_or(taken == 0, |told| told.keys == taken));
    for told in [
        produced("fuzz", bytes).map(drop),
        parse::<Vec<u64>>("fuzz", bytes).map(drop),
        parse::<Vec<Segment>>("fuzz", bytes).map(drop),
        parse::<Coverage>("fuzz", bytes).map(drop),
        parse::<Vec<LifecycleRecord>>("fuzz", bytes).map(drop),
    ] {
        if let Err(error) = told {
            assert!(error.to_string().starts_with("unexpected answer from fuzz: "), "{error}");
        }
    }
}
