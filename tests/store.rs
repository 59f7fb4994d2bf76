//! What is written is read back, also when it is torn.
