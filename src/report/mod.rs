//! Turns a verdict into text and figures. All functions are pure: nothing here reads a clock, a file or a
//! terminal, so the same evidence gives the same bytes. The caller decides where they go.

mod answers;
pub mod catalogue;
mod clear;
mod disorder;
mod divergence;
pub mod doctor;
mod doubts;
mod frozen;
pub mod html;
pub mod json;
pub mod junit;
mod known;
mod lost_ack;
pub mod markdown;
pub mod raw;
pub mod self_test;
pub mod table;
pub mod tally;
pub mod terminal;
pub(crate) mod words;
