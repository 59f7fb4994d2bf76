//! What is written is read back, also when it is torn.

mod folder;
mod frame;
mod latest;
mod line;
mod old;
mod sample;
