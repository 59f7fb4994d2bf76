//! The names under which the variants of enums are stored.

use serde::Serialize;

/// The name of an enum's variant, as files and reports have it: `late-transition`, not `LateTransition`.
pub fn stored_name(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
