//! Many runs: what they have in common, how they are cut into parts, and what they say together.

pub mod arm_totals;
pub mod coverage;
pub mod document;
#[cfg(feature = "schema")]
pub mod document_schema;
pub mod draw;
pub mod goal;
pub mod nights;
pub mod overlaps;
pub mod part;
pub mod rate;
pub mod run_result;
pub mod trend;
pub mod write_latency;
pub mod writer_race;
