//! The table under test, from a workload.

use crate::history::schema::rules::Rules;
use crate::history::schema::{Column, Merge, Provenance, Role, Schema, Type};
use crate::history::workload::Workload;

/// The table's name.
pub const TABLE: &str = "acct";
/// The key column.
pub const KEY: &str = "pk";
/// The column with the id of the op merged last.
pub const OP: &str = "op";
/// The column of [`Role::Ops`].
pub const OPS: &str = "ops";
/// The column of [`Role::OpCount`].
pub const OP_COUNT: &str = "op_count";
/// The column of [`Role::OpSum`].
pub const OP_SUM: &str = "op_sum";

/// The table for a workload, without the optional columns that the target lacks.
pub fn schema(workload: &Workload, left_out: &[String]) -> Schema {
    let kept = workload.columns.iter().filter(|spec| !left_out.contains(&spec.name));
    let data =
        kept.map(|spec| Column { optional: spec.optional, ..Column::data(&spec.name, spec.ty, spec.merge) });
    let trace = |name: &str, ty, merge, role| Column { role, ..Column::data(name, ty, merge) };
    let traces = match workload.provenance {
        Provenance::Full => vec![trace(OPS, Type::LongList, Merge::Append, Role::Ops)],
        Provenance::Digest => vec![
            trace(OP_COUNT, Type::Long, Merge::Increment, Role::OpCount),
            trace(OP_SUM, Type::Long, Merge::Increment, Role::OpSum),
        ],
        Provenance::None => Vec::new(),
    };
    Schema {
        table: TABLE.to_owned(),
        key: KEY.to_owned(),
        comparison: workload.comparison.clone(),
        op: OP.to_owned(),
        columns: data.chain(traces).collect(),
        provenance: workload.provenance,
        guard_keys: workload.guard_keys,
        rules: Rules::default(),
    }
}
