//! From mismatched rows to findings: which mismatches belong together, their course, and the rows that show
//! it.

pub(super) mod assemble;
pub(super) mod course;
pub(super) mod evidence;
pub(super) mod newest_rows;
