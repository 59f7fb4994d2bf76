//! Turns a verdict into text and figures. All functions are pure: nothing here reads a clock, a file or a
//! terminal, so the same evidence gives the same bytes. The caller decides where they go.

mod answer;
mod answers;
pub mod campaign;
pub mod catalogue;
mod divergence;
pub mod doctor;
mod doubts;
pub(crate) mod format;
mod frontier_order;
mod frozen;
pub mod html;
pub mod json;
pub mod junit;
mod known;
mod lost_ack;
pub mod markdown;
mod no_findings;
pub mod raw;
pub mod self_test;
pub mod table;
pub mod terminal;
