//! What holds for whatever a seed draws. The fold has its own test, in the core.

mod frame;
mod judge;
mod settings;
