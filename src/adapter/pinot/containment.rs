//! How to contain a wrong copy on Pinot, with its own REST interface. Checked against 0.11.0.

use super::table::realtime;
use crate::adapter::containment::{Affected, Containment, ContainmentStep, shell_word};

/// The commands for these segments and replicas.
pub(in crate::adapter) fn containment(affected: &Affected<'_>) -> Containment {
    let table = realtime(affected.table);
    let isolate = affected.wrong.iter().filter(|_| !affected.right.is_empty()).map(|server| {
        let instance = format!("$CONTROLLER/instances/{server}");
        ContainmentStep::new(
            format!("no more queries to {server}; it goes on consuming"),
            format!(
                "curl -s {instance} | jq '.queriesDisabled=true' | curl -s -X PUT {instance} \
                 -H 'Content-Type: application/json' -d @-"
            ),
        )
    });
    let committed = affected.segments.iter().map(|segment| {
        ContainmentStep::new(
            format!("the committed copy of {segment}, and its checksum on each server"),
            format!(
                "curl -s -o {segment}.tar.gz $CONTROLLER/segments/{table}/{segment}; \
                 for s in $SERVERS; do curl -s $s/tables/{table}/segments/crc; done"
            ),
        )
    });
    let open = affected.segments.iter().map(|segment| {
        let sql = format!(
            "SELECT $hostName, * FROM {table} WHERE $segmentName = '{segment}' LIMIT 1000000 \
             option(skipUpsert=true)"
        );
        ContainmentStep::new(
            format!("the raw rows of {segment}; repeat until every $hostName has answered"),
            query(&sql),
        )
    });
    let key = affected.key.replace('\'', "''");
    let sql = format!(
        "SELECT $hostName, $segmentName, $docId, * FROM {table} WHERE {} = '{key}' ORDER BY $segmentName \
         LIMIT 1000 option(skipUpsert=true)",
        affected.key_column
    );
    Containment {
        isolate: isolate.collect(),
        preserve: committed.chain(open).collect(),
        read_key: vec![ContainmentStep::new("repeat until every $hostName has answered", query(&sql))],
        not_yet: vec![
            format!(
                "do not pause consumption or force a commit of {}: both commit the open segment, and a \
                 wrong copy can win",
                affected.table
            ),
            "do not reload, reset or rebalance: a server then fetches the committed copy, right or wrong"
                .to_owned(),
            "do not restart a server before its log is saved: the open segment and its metadata are lost"
                .to_owned(),
        ],
    }
}

fn query(sql: &str) -> String {
    let body = serde_json::json!({ "sql": sql }).to_string();
    format!("curl -s $BROKER/query/sql -H 'Content-Type: application/json' -d {}", shell_word(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrong_servers_are_isolated_and_only_if_a_right_one_is_left() {
        let names = |all: &str| all.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (segments, wrong, right) = (names("acct__0__3"), names("s1"), names("s2 s3"));
        let affected = Affected {
            table: "acct",
            segments: &segments,
            wrong: &wrong,
            right: &right,
            key_column: "pk",
            key: "it's",
        };
        let found = containment(&affected);
        assert_eq!(found.isolate.len(), 1);
        assert!(found.isolate[0].command.contains("/instances/s1 "), "{:?}", found.isolate);
        assert!(found.read_key[0].command.contains(r"pk = '\''it'\'''\''s'\''"), "{:?}", found.read_key);
        assert!(containment(&Affected { right: &[], ..affected }).isolate.is_empty());
    }
}
