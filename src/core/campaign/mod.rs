//! Many runs: what they have in common, how they are cut into parts, and what they say together.

pub mod arm_totals;
pub mod document;
pub mod part;
pub mod rate;
pub mod run_result;
