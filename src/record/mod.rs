//! a
pub mod event;
pub mod evidence;
pub mod row;
