//! The value that a self-test changes.

use crate::history::run_record::RunMeta;
use crate::history::schema::{Role, Value};

/// The value that was changed: what a replica shows in one column of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The partition.
    pub partition: u32,
    /// The log offset of the row.
    pub off: u64,
    /// The key of the row.
    pub key: String,
    /// The name of the replica or the shard.
    pub replica: String,
    /// The name of the column.
    pub column: String,
}

/// The columns with data, by index.
pub(super) fn data_columns(meta: &RunMeta) -> Vec<usize> {
    let columns = meta.schema.columns.iter().enumerate();
    columns.filter(|(_, column)| column.role == Role::Data).map(|(at, _)| at).collect()
}

/// Another value of the same type that is not the type's default either.
pub(super) fn another(value: &Value) -> Value {
    match value {
        Value::Null => Value::Long(1),
        Value::Boolean(boolean) => Value::Boolean(!boolean),
        Value::Long(long) => Value::Long(long.wrapping_add(1)),
        Value::Double(double) => Value::double(double.get() / 2.0 + 1.0),
        Value::String(string) => Value::String(format!("{string}, changed by the self-test").into()),
        Value::Longs(list) => {
            let most = list.iter().copied().max().unwrap_or(0);
            Value::Longs(list.iter().copied().chain([most.wrapping_add(1)]).collect())
        }
        Value::Strings(list) => {
            Value::Strings(list.iter().cloned().chain(["added by the self-test".into()]).collect())
        }
    }
}
