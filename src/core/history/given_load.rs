//! A load that a workload gives write by write, in place of one that is drawn: for a regression test, or for
//! what a failing run was shrunk to.

use super::delivery::Delivery;
use super::duration;
use super::schema::Value;
use super::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One write, or one deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WriteSpec {
    /// When it is due, from the beginning of the load.
    #[serde(with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub at: Nanos,
    /// Its partition.
    #[serde(default)]
    pub partition: u32,
    /// Its key.
    pub key: String,
    /// Its comparison value; `None`: its op id, which rises from write to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Whether it deletes the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// How it is sent.
    #[serde(default, skip_serializing_if = "Delivery::is_once")]
    pub delivery: Delivery,
    /// The values that it sets, by column. Any other column keeps its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
}

/// One boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BoundarySpec {
    /// When it is requested, from the beginning of the load.
    #[serde(with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub at: Nanos,
}
