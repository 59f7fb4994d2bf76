//! From mismatched rows to findings: what belongs together, how it went on, and the rows that show it.

pub(super) mod assemble;
pub(super) mod course;
pub(super) mod evidence;
