//! Any bytes as lines of a run's folder: a row, a log entry, current rows, an event, a cure, `run.json`.

use super::schema;
use dissent_core::history::event::TimedEvent;
use dissent_core::history::row::CurrentRow;
use dissent_store::codec;
use dissent_store::cure::Cure;
use dissent_store::run_writer::RunFile;

/// Reads each line as each kind. What can be parsed must read the same after it is written again.
pub(crate) fn lines(bytes: &[u8]) {
    let schema = schema();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok((_, row)) = codec::decode_row(&schema, line) {
            assert_eq!(row.cols.len(), schema.columns.len());
        }
        if let Ok(row) = codec::decode_content(&schema, line) {
            let again = serde_json::to_vec(&codec::content(&schema, &row)).expect("a row");
            assert_eq!(codec::decode_content(&schema, &again).expect("its own line"), row);
        }
        if let Ok(entry) = codec::decode_entry(&schema, line) {
            let again = serde_json::to_vec(&codec::entry(&schema, &entry, 0)).expect("an entry");
            assert_eq!(codec::decode_entry(&schema, &again).expect("its own line"), entry);
        }
        if let Ok((_, flags)) = codec::decode_flags(line) {
            assert!(serde_json::to_vec(&flags).is_ok());
        }
        reads_back::<CurrentRow>(line);
        reads_back::<TimedEvent>(line);
        reads_back::<Cure>(line);
        reads_back::<RunFile>(line);
    }
}

fn reads_back<T>(line: &[u8])
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(item) = serde_json::from_slice::<T>(line) {
        let again = serde_json::to_vec(&item).expect("it was read from a line");
        assert_eq!(serde_json::from_slice::<T>(&again).expect("its own line"), item);
    }
}
