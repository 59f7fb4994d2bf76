//! Which rows a table may lack according to its configuration (`GET /tables/{table}`).

use dissent_core::history::duration;
use dissent_core::history::schema::rules::{Absence, EventOfDeleted, Rules};
use dissent_core::history::time::Nanos;
use serde_json::Value;
use std::collections::BTreeSet;

/// Tasks that rewrite segments without the rows that upsert has invalidated.
const COMPACTING: [&str; 2] = ["UpsertCompactionTask", "UpsertCompactMergeTask"];

/// The rules of a table. An event of a deleted key always makes a new row.
///
/// A `metadataTTL` is a time to live too: the state of an older key is forgotten, and its next event makes a
/// row of its own. It is in units of the comparison column, which are taken as milliseconds.
pub(super) fn from_config(config: &Value) -> Rules {
    let config = &config["REALTIME"];
    let upsert = &config["upsertConfig"];
    let tasks = &config["task"]["taskTypeConfigsMap"];
    let is_on = |flag: &Value| flag.as_bool() == Some(true);
    let keys_live = [&upsert["metadataTTL"], &config["dedupConfig"]["metadataTTL"]].map(milliseconds);
    let time_to_live = keys_live.into_iter().flatten().chain(retention(&config["segmentsConfig"])).min();
    let compacts =
        COMPACTING.iter().any(|task| !tasks[*task].is_null()) || is_on(&upsert["enableCommitTimeCompaction"]);
    let found = [
        (Absence::Superseded, compacts),
        (Absence::Tombstones, milliseconds(&upsert["deletedKeysTTL"]).is_some()),
        (Absence::Expired, time_to_live.is_some()),
        (Absence::Late, is_on(&upsert["dropOutOfOrderRecord"])),
        (Absence::Duplicates, is_on(&config["dedupConfig"]["dedupEnabled"])),
    ];
    let may_be_absent: BTreeSet<Absence> =
        found.into_iter().filter(|(_, is_so)| *is_so).map(|(absence, _)| absence).collect();
    Rules {
        may_be_absent,
        time_to_live: time_to_live.unwrap_or_default(),
        event_of_deleted: EventOfDeleted::New,
        ..Rules::default()
    }
}

/// The rows that may be absent, in words. None if none may be.
pub(super) fn describe(rules: &Rules) -> Option<String> {
    let describe = |absence: &Absence| match absence {
        Absence::Superseded => "superseded rows".to_owned(),
        Absence::Tombstones => "tombstones".to_owned(),
        Absence::Expired => format!("rows that are {} old", duration::format(rules.time_to_live)),
        Absence::Late => "late events".to_owned(),
        Absence::Duplicates => "duplicates".to_owned(),
    };
    let all: Vec<String> = rules.may_be_absent.iter().map(describe).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// A positive number, or its text. Anything else means none.
fn milliseconds(value: &Value) -> Option<Nanos> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (number > 0.0).then_some(Nanos((number * 1e6) as u64))
}

/// How long segments are kept.
fn retention(segments: &Value) -> Option<Nanos> {
    const UNITS: [(&str, f64); 5] = [
        ("DAYS", 86_400_000.0),
        ("HOURS", 3_600_000.0),
        ("MINUTES", 60_000.0),
        ("SECONDS", 1_000.0),
        ("MILLISECONDS", 1.0),
    ];
    let unit = segments["retentionTimeUnit"].as_str()?.trim().to_uppercase();
    let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let number = milliseconds(&segments["retentionTimeValue"])?;
    Some(Nanos((number.0 as f64 * length) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plain_table_keeps_everything() {
        let plain = json!({ "REALTIME": { "upsertConfig": { "mode": "PARTIAL", "metadataTTL": 0.0 } } });
        assert!(from_config(&plain).is_plain());
    }

    #[test]
    fn each_option_that_drops_rows_is_declared() {
        let hour = Nanos(3_600_000_000_000);
        for (config, absence, time_to_live) in [
            (
                json!({ "task": { "taskTypeConfigsMap": { "UpsertCompactionTask": {} } } }),
                Absence::Superseded,
                Nanos(0),
            ),
            (
                json!({ "upsertConfig": { "enableCommitTimeCompaction": true } }),
                Absence::Superseded,
                Nanos(0),
            ),
            (json!({ "upsertConfig": { "deletedKeysTTL": 86400 } }), Absence::Tombstones, Nanos(0)),
            (json!({ "upsertConfig": { "dropOutOfOrderRecord": true } }), Absence::Late, Nanos(0)),
            (json!({ "dedupConfig": { "dedupEnabled": true } }), Absence::Duplicates, Nanos(0)),
            (json!({ "upsertConfig": { "metadataTTL": 3_600_000 } }), Absence::Expired, hour),
            (
                json!({ "segmentsConfig": { "retentionTimeUnit": "HOURS", "retentionTimeValue": "1" } }),
                Absence::Expired,
                hour,
            ),
        ] {
            let rules = from_config(&json!({ "REALTIME": config }));
            assert_eq!(rules.may_be_absent, BTreeSet::from([absence]), "{config}");
            assert_eq!(rules.time_to_live, time_to_live, "{config}");
        }
    }
}
