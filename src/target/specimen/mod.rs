//! `specimen-segments`: the embedded cluster as real processes of this very binary, over loopback HTTP.
//! It is private to its run: it starts with it and dies with it.

mod cluster;
mod hands;
mod http;

pub use cluster::Cluster;

use super::{Target, TargetError};

use crate::schema::{Column, Merge, Schema, Type};
use http::Http;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The name of the target as processes.
pub const PROCESSES: &str = "specimen-segments";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-segments";

/// The settings that `--set` may change.
pub const SETTINGS: &[&str] = &["guard", "pool", "servers"];

/// The configuration of a specimen for this table. `settings` holds the target's own keys only.
pub fn config(
    schema: &Schema,
    partitions: u32,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::Config, String> {
    let columns = schema.columns.iter().map(column).collect();
    let mut config = ::specimen::Config::new(&schema.table, columns, partitions);
    for (key, value) in settings {
        let number = || value.parse::<usize>().map_err(|error| format!("--set {key}={value}: {error}"));
        match key.as_str() {
            "guard" => {
                config.guard = value.parse().map_err(|error| format!("--set guard={value}: {error}"))?
            }
            "pool" => config.pool = number()?,
            "servers" => config.servers = (0..number()?).map(|n| format!("server-{n}")).collect(),
            _ => {}
        }
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

/// The two crates know the same merge functions and types, and share none of their code.
fn column(column: &Column) -> ::specimen::Column {
    use ::specimen::{Merge as To, Type as As};
    ::specimen::Column {
        name: column.name.clone(),
        ty: match column.ty {
            Type::Long => As::Long,
            Type::String => As::String,
            Type::LongList => As::LongList,
            Type::StringList => As::StringList,
        },
        merge: match column.merge {
            Merge::Overwrite => To::Overwrite,
            Merge::Ignore => To::Ignore,
            Merge::Increment => To::Increment,
            Merge::Append => To::Append,
            Merge::Union => To::Union,
            Merge::Max => To::Max,
            Merge::Min => To::Min,
        },
    }
}

/// Starts a cluster whose files lie in `dir`, and gives it as a target; faults are marked with `mark`.
pub async fn open(
    config: &::specimen::Config,
    schema: &Schema,
    program: &Path,
    dir: &Path,
    mark: &str,
) -> Result<(Target, Arc<Cluster>), TargetError> {
    let cluster = Arc::new(Cluster::start(config, program, dir).await?);
    let http = Arc::new(Http::new(Arc::clone(&cluster), schema.clone())?);
    let hands = Arc::new(hands::SpecimenHands::new(Arc::clone(&cluster), Arc::clone(&http), mark));
    let target = Target {
        name: PROCESSES.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roster: config.servers.clone(),
        writes: Some(http.clone()),
        log: Some(http.clone()),
        authority: Some(http.clone()),
        raw: Some(http.clone()),
        lifecycle: Some(http),
        hands: Some(hands),
    };
    Ok((target, cluster))
}
