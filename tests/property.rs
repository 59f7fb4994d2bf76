//! What holds for whatever a seed draws, beside the fold: that is the core's.

mod frame;
mod judge;
mod settings;
