//! Turns a verdict into text and figures. All functions are pure: nothing here reads a clock, a file or a
//! terminal, so the same evidence gives the same bytes. The caller decides where they go.

mod answers;
pub mod campaign;
pub mod catalogue;
pub mod conformance;
mod coverage;
pub mod doctor;
mod doubts;
pub mod explain;
pub(crate) mod format;
pub mod html;
pub mod json;
pub mod json_reader;
pub mod junit;
mod junit_xml;
pub mod keys;
pub mod markdown;
pub mod plan_files;
pub mod raw;
pub mod run_facts;
pub mod self_test;
pub mod shrink;
pub mod sweep;
pub mod sweep_junit;
pub mod terminal;
pub mod variants;
