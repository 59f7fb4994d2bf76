//! Any bytes as lines of a run's folder: a row, a log entry, current rows, an event, a cure, `run.json`.

use super::schema;
use dissent_core::history::event::TimedEvent;
use dissent_store::codec;
use dissent_store::cure::Cure;
use dissent_store::run_writer::RunFile;

/// Reads each line as each kind. What can be parsed must read the same after it is written again.
pub(crate) fn lines(bytes: &[u8]) {
    let schema = schema();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok((read, row)) = codec::decode_row(&schema, line) {
            assert_eq!(row.cols.len(), schema.columns.len());
            let again = serde_json::to_vec(&codec::row(&schema, read, &row)).expect("a row");
            assert_eq!(codec::decode_row(&schema, &again).expect("its own line"), (read, row));
        }
        if let Ok(entry) = codec::decode_entry(&schema, line) {
            let again = serde_json::to_vec(&codec::entry(&schema, &entry, 0)).expect("an entry");
            assert_eq!(codec::decode_entry(&schema, &again).expect("its own line"), entry);
        }
        if let Ok((read, flags)) = codec::decode_flags(line) {
            let again = serde_json::to_vec(&codec::flags(read, &flags)).expect("flags");
            assert_eq!(codec::decode_flags(&again).expect("its own line"), (read, flags));
        }
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
