//! Style as a test: the invariants of `src/lib.rs` that a program can see.
