//! What is written is read back, even when it is torn.

mod folder;
mod frame;
mod latest;
mod line;
mod old;
mod sample;
mod table;
