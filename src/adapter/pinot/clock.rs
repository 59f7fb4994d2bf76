//! The clock on the wall, which locks and log entries carry.

/// The clock on the wall, in milliseconds.
pub(super) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}
