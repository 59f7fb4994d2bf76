//! The wall clock, which locks and log entries carry.

/// The time since 1970, in milliseconds.
pub(super) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
