//! Reports of hand-made verdicts.
