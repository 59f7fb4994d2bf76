//! The integration tests, as one binary, so that they link only once.

mod again;
mod audit;
mod bad_input;
mod cli;
mod compare;
mod draw;
mod etcd;
mod exec;
mod explained;
mod fuzz;
mod gone;
mod incident;
mod known;
mod machines;
mod mutate;
mod newest_row;
mod nights;
#[cfg(feature = "pinot")]
mod own_pinot;
mod pack;
#[cfg(feature = "pinot")]
mod pinot;
mod property;
mod raw;
mod reference;
mod report;
mod self_test;
mod shard;
mod shared_rows;
mod shrink;
mod simulated;
mod steps;
mod store;
mod stranded;
mod support;
mod sweep;
mod synth;
mod tidy;
mod true_length;
mod truth;
mod watchdog;
mod workloads;
