//! What a run must bring along to prove anything: sound assumptions, a whole log, an exercised fault. The
//! word itself (pass, fail, inconclusive) is found in `verdict/outcome.rs`.

pub(super) mod assumptions;
pub(super) mod exposure;
pub(super) mod input_log;
