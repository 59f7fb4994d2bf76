//! What a log proves that may lack its beginning.
//!
//! A key may be older than the log. Then the fold lacks what was merged before, and right replicas differ
//! from it:
//! ```text
//! before the log   k: n+=3      all replicas rightly show n=4,
//! log              k: n+=1      and the fold is n=1
//! ```
//! So a difference that events before the log can explain proves nothing, and there the peers judge. What
//! none can explain is proved: an overwritten value, or an element that a union lacks. A replica that is
//! proved wrong in one column is not believed in the others.

use super::basis::Basis;
use super::rows::ReplicaRow;
use super::version::version_order;
use crate::checker::safety::merge_functions::{alike, merge_into};
use crate::history::schema::{Column, Merge, Value};

/// By column, whether the referee judges it on a key that shows these rows, where it expects `right`.
pub(super) fn proved(basis: &Basis, shown: &[&ReplicaRow], right: &ReplicaRow) -> Vec<bool> {
    let differs =
        |row: &ReplicaRow, at: usize| basis.refereed[at] && !basis.same(&row.cols[at], &right.cols[at]);
    let all = 0..basis.columns.len();
    let is_proved_wrong = |row: &ReplicaRow| {
        !is_newer(basis, row, right)
            && all.clone().any(|at| {
                differs(row, at) && !may_be_older(&basis.columns[at], &right.cols[at], &row.cols[at])
            })
    };
    let open: Vec<&ReplicaRow> = match basis.referee_is_whole {
        true => Vec::new(),
        false => shown.iter().copied().filter(|row| !is_proved_wrong(row)).collect(),
    };
    all.clone().map(|at| basis.refereed[at] && !open.iter().any(|row| differs(row, at))).collect()
}

/// Whether a row has a higher version than the log's newest event: a write before the log may have made it,
/// and all events of the log came out of order.
fn is_newer(basis: &Basis, row: &ReplicaRow, right: &ReplicaRow) -> bool {
    let versions = basis.version_of(row).zip(basis.version_of(right));
    versions.is_some_and(|(own, right)| version_order(own, right).is_gt())
}

/// Whether events before those that fold to `folded` may have made `shown` of it.
fn may_be_older(column: &Column, folded: &Value, shown: &Value) -> bool {
    match (column.merge, folded, shown) {
        (_, Value::Null, _) => true,
        (Merge::Overwrite, ..) | (_, _, Value::Null) => false,
        (Merge::Ignore | Merge::Increment, ..) => true,
        (Merge::Append, Value::Longs(end), Value::Longs(all)) => all.ends_with(end),
        (Merge::Append, Value::Strings(end), Value::Strings(all)) => all.ends_with(end),
        (Merge::Append, ..) => false,
        (Merge::Union | Merge::Max | Merge::Min, ..) => {
            let mut merged = shown.clone();
            merge_into(column, &mut merged, folded);
            alike(column, &merged, shown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::schema::Type;

    #[test]
    fn what_came_before_the_log_explains_some_differences_and_not_others() {
        let (longs, nothing) = (|longs: &[i64]| Value::Longs(longs.into()), Value::Null);
        for (merge, folded, shown, is_explained) in [
            (Merge::Overwrite, Value::Long(1), Value::Long(2), false),
            (Merge::Overwrite, nothing.clone(), Value::Long(2), true),
            (Merge::Ignore, Value::Long(1), Value::Long(2), true),
            (Merge::Ignore, Value::Long(1), nothing.clone(), false),
            (Merge::Increment, Value::Long(4), Value::Long(3), true),
            (Merge::Increment, Value::Long(4), nothing, false),
            (Merge::Max, Value::Long(4), Value::Long(5), true),
            (Merge::Max, Value::Long(4), Value::Long(3), false),
            (Merge::Min, Value::Long(4), Value::Long(3), true),
            (Merge::Min, Value::Long(4), Value::Long(5), false),
            (Merge::Append, longs(&[2]), longs(&[1, 2]), true),
            (Merge::Append, longs(&[2]), longs(&[2, 1]), false),
            (Merge::Union, longs(&[2]), longs(&[2, 1]), true),
            (Merge::Union, longs(&[1, 2]), longs(&[1, 3]), false),
        ] {
            let column = Column::data("x", Type::Long, merge);
            assert_eq!(
                may_be_older(&column, &folded, &shown),
                is_explained,
                "{merge:?} {folded:?} {shown:?}"
            );
        }
    }
}
