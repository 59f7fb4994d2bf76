//! Running: the conductor decides, the engine or the simulator carries out its commands, and the record is
//! judged.

pub mod audit;
pub mod campaign;
pub mod campaign_record;
pub mod comparison;
pub mod engine;
pub mod error;
mod finding_kinds;
pub mod fitting;
pub mod folder_name;
pub mod hidden;
pub mod hooks;
pub mod imports;
pub mod inspect;
pub mod judging;
mod kept_runs;
pub mod observer;
pub mod pack;
mod panic;
pub mod process_run;
pub mod results_index;
pub mod run_spec;
mod sampling;
pub mod shrink;
pub mod signals;
pub mod simulated_run;
pub mod sweep;
pub mod target;
