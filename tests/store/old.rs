//! Runs of every format that was ever written can still be read, with the same counts.

use crate::store::sample::record;
use dissent_core::history::run_record::{FORMAT, RunRecord};
use dissent_store::dump::write_record;
use dissent_store::run_reader::RunReader;
use std::path::Path;

/// Counts of events, of entries, rows and current rows by partition, and of damage.
fn counts(dir: &Path) -> (usize, [usize; 2], [usize; 2], [usize; 2], usize) {
    let folder = RunReader::open(dir).expect("opened");
    let events = folder.events().count();
    let log = [0, 1].map(|partition| folder.log(partition).count());
    let rows = [0, 1].map(|partition| folder.rows(partition).count());
    let currents = [0, 1].map(|partition| folder.current_rows(partition).count());
    (events, log, rows, currents, folder.damage().len())
}

/// Goal: `tests/store/v<N>/small` stays readable. Method: count it, and count the same record as it is
/// written today, into the folder that the next `v<N>/small` is copied from (see `v1/README.md`).
#[test]
fn runs_of_every_format_are_read() {
    let today = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-small");
    if today.exists() {
        std::fs::remove_dir_all(&today).expect("removed");
    }
    write_record(&today, &record()).expect("written");
    let wanted = (30, [20, 2], [34, 2], [6, 3], 0);
    assert_eq!(counts(&today), wanted, "as written today");
    for format in 1..=FORMAT {
        let old = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/store/v{format}/small"));
        assert_eq!(counts(&old), wanted, "as written by format {format}");
        let folder = RunReader::open(&old).expect("opened");
        let last = folder.rows(1).last().map(|(read, row)| (read, row.off, row.key.clone()));
        assert_eq!(last, Some((19, 9, "k0".into())));
    }
}
