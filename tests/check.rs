//! Histories in, verdicts out: every rule of the judge has a case under `tests/check/`.
