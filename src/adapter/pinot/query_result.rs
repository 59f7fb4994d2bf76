//! A broker's answers to queries, parsed from bytes: which server answered, whether the answer is complete,
//! and the values of its cells.

use super::wire::invalid_response;
use crate::adapter::http::parse;
use crate::target_error::TargetError;
use dissent_core::history::canonical;
use dissent_core::history::schema::{Column, Type, Value};
use serde::Deserialize;
use serde_json::Value as Json;
use std::sync::Arc;

/// A broker's answer to a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    result_table: Option<ResultTable>,
    #[serde(default)]
    exceptions: Vec<Exception>,
    #[serde(default)]
    partial_result: bool,
    #[serde(default)]
    num_groups_limit_reached: bool,
    #[serde(default)]
    num_segments_queried: usize,
    #[serde(default)]
    num_segments_pruned_by_broker: usize,
    #[serde(default)]
    num_docs_scanned: usize,
}

#[derive(Deserialize)]
struct ResultTable {
    rows: Vec<Vec<Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exception {
    error_code: i64,
    message: String,
}

/// The host name in all of these rows. None if there are no rows, or if several servers answered together
/// because they hold different segments.
pub(super) fn host_of<'r>(url: &str, rows: &'r [Vec<Json>]) -> Result<Option<&'r str>, TargetError> {
    let host = |row: &'r Vec<Json>| row.first().and_then(Json::as_str);
    let Some(first) = rows.first() else { return Ok(None) };
    let first = host(first).ok_or_else(|| invalid_response(url, "a row without the name of its host"))?;
    Ok(rows.iter().all(|row| host(row) == Some(first)).then_some(first))
}

/// The rows of an answer. An answer with an exception or one marked as partial is an error. So is one that
/// covers fewer than `segments` segments: a broker silently leaves out a segment that it does not know yet.
pub(super) fn rows(url: &str, body: &[u8], segments: usize) -> Result<Vec<Vec<Json>>, TargetError> {
    Ok(whole(url, body, segments)?.result_table.map(|table| table.rows).unwrap_or_default())
}

/// The rows of an answer in which every document that matches is a row. It is an error if the server counted
/// another number of documents than it sent.
pub(super) fn selected(url: &str, body: &[u8], segments: usize) -> Result<Vec<Vec<Json>>, TargetError> {
    let response = whole(url, body, segments)?;
    let counted = response.num_docs_scanned;
    let rows = response.result_table.map(|table| table.rows).unwrap_or_default();
    if rows.len() != counted {
        let cause = format!("a truncated answer: {} rows of {counted} documents", rows.len());
        return Err(TargetError::Refused { at: url.to_owned(), cause });
    }
    Ok(rows)
}

fn whole(url: &str, body: &[u8], segments: usize) -> Result<Response, TargetError> {
    let mut response: Response = parse(url, body)?;
    if let Some(Exception { error_code, message }) =
        std::mem::take(&mut response.exceptions).into_iter().next()
    {
        // From the first quotation on, it may be a key or a value.
        let words = message.split(['\n', '"', '\'']).next().unwrap_or_default();
        let cause = format!("not readable ({error_code}): {words}");
        return Err(TargetError::Refused { at: url.to_owned(), cause });
    }
    if response.partial_result || response.num_groups_limit_reached {
        return Err(TargetError::Refused { at: url.to_owned(), cause: "a partial result".to_owned() });
    }
    let asked = response.num_segments_queried + response.num_segments_pruned_by_broker;
    if asked < segments {
        let cause = format!("the broker knows {asked} of the table's {segments} segments");
        return Err(TargetError::Refused { at: url.to_owned(), cause });
    }
    Ok(response)
}

/// A cell as a value of its column. A list that was never set shows the default of its elements.
pub(super) fn cell(url: &str, column: &Column, cell: &Json) -> Result<Value, TargetError> {
    let odd = || invalid_response(url, &format!("column {} shows {cell}", column.name));
    let list = || cell.as_array().ok_or_else(odd);
    Ok(match column.ty {
        Type::Long => Value::Long(cell.as_i64().ok_or_else(odd)?),
        Type::Double => match cell.as_f64() {
            Some(double) => Value::double(double),
            None => canonical::value(Type::Double, cell.as_str().ok_or_else(odd)?).ok_or_else(odd)?,
        },
        Type::Boolean => Value::Boolean(cell.as_bool().ok_or_else(odd)?),
        Type::String => Value::String(cell.as_str().ok_or_else(odd)?.into()),
        // The server shows an instant in the zone of its own clock, and does not say which. Servers in
        // different zones show the same instant differently.
        Type::Timestamp => {
            let shown = cell.as_str().ok_or_else(odd)?;
            let instant = canonical::value(Type::Timestamp, &format!("{shown}Z"));
            instant.unwrap_or_else(|| Value::String(shown.into()))
        }
        ty @ (Type::Decimal | Type::Bytes | Type::Json) => {
            let shown = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
            canonical::value(ty, &shown).unwrap_or(Value::String(shown.into()))
        }
        Type::LongList => {
            let longs: Option<Vec<i64>> = list()?.iter().map(Json::as_i64).collect();
            match longs.ok_or_else(odd)?.as_slice() {
                [i64::MIN] => Value::Longs(Arc::default()),
                longs => Value::Longs(longs.into()),
            }
        }
        Type::StringList => {
            let texts: Option<Vec<&str>> = list()?.iter().map(Json::as_str).collect();
            match texts.ok_or_else(odd)?.as_slice() {
                ["null"] | [] => Value::Longs(Arc::default()),
                texts => Value::Strings(texts.iter().map(|text| Arc::from(*text)).collect()),
            }
        }
    })
}

/// Answers recorded from a cluster of 0.11.0, and one after the source of 1.4 (`BrokerResponseNative`).
#[cfg(test)]
mod tests {
    use super::*;
    use dissent_core::history::schema::Merge;

    macro_rules! recorded {
        ($name:literal) => {
            include_bytes!(concat!("answers/", $name, ".json"))
        };
    }

    #[test]
    fn only_a_whole_answer_has_rows() {
        let rows = |body: &[u8]| super::rows("the broker", body, 2);
        let answer = rows(recorded!("0.11.0/rows")).expect("rows");
        assert_eq!((answer[0][0].as_str(), answer[0][2].as_u64()), (Some("pinot-s2"), Some(0)));
        for (body, why) in [
            (&recorded!("0.11.0/no_table")[..], "190"),
            (&recorded!("0.11.0/server_gone")[..], "425"),
            (br#"{"resultTable":{"rows":[[1]]},"numSegmentsQueried":1}"#, "1 of the table's 2 segments"),
            (br#"{"resultTable":{"rows":[[1]]},"partialResult":true}"#, "partial"),
            (br#"{"resultTable":{"rows":[[1]]},"numGroupsLimitReached":true}"#, "partial"),
        ] {
            let error = rows(body).expect_err("no rows").to_string();
            assert!(error.contains(why) && !error.contains('\n'), "{error}");
        }
        assert!(rows(b"<html>").is_err());
    }

    #[test]
    fn what_an_exception_quotes_is_not_told() {
        for message in
            [r#"not a number: \"me@here\""#, "cannot parse: WHERE x IN ('me@here')", "no\\nme@here"]
        {
            let body = format!(r#"{{"exceptions":[{{"errorCode":200,"message":"{message}"}}]}}"#);
            let error = rows("", body.as_bytes(), 0).expect_err("no rows").to_string();
            assert!(error.contains("not readable (200): ") && !error.contains("me@here"), "{error}");
        }
    }

    #[test]
    fn a_later_release_says_more_and_means_the_same() {
        let answer = rows("", recorded!("1.4.0/rows"), 2).expect("rows");
        assert_eq!((answer.len(), host_of("", &answer).expect("a host")), (2, Some("pinot-s2")));
        assert!(
            rows("", recorded!("1.4.0/rows_partial"), 2).expect_err("partial").to_string().contains("427")
        );
    }

    #[test]
    fn several_servers_in_one_answer_are_nobody() {
        let rows =
            |hosts: &[&str]| -> Vec<Vec<Json>> { hosts.iter().map(|host| vec![(*host).into()]).collect() };
        let of = |hosts: &[&str]| host_of("", &rows(hosts)).expect("hosts").map(str::to_owned);
        assert_eq!(of(&["a", "a"]).as_deref(), Some("a"));
        assert_eq!((of(&["a", "b", "a"]), of(&[])), (None, None));
        assert!(host_of("", &[vec![Json::Null]]).is_err());
    }

    #[test]
    fn a_list_that_nothing_was_merged_into_is_empty() {
        let column = |ty| Column::data("c", ty, Merge::Overwrite);
        let of = |ty, text: &str| {
            let shown: Json = serde_json::from_str(text).expect("JSON");
            cell("", &column(ty), &shown).ok()
        };
        assert_eq!(of(Type::LongList, "[-9223372036854775808]"), Some(Value::Longs([].into())));
        assert_eq!(of(Type::StringList, r#"["null"]"#), Some(Value::Longs([].into())));
        assert_eq!(of(Type::LongList, "[3,-1]"), Some(Value::Longs([3, -1].into())));
        assert_eq!(of(Type::Long, "-9223372036854775808"), Some(Value::Long(i64::MIN)));
        assert_eq!(of(Type::String, r#""a""#), Some(Value::String("a".into())));
        for (ty, nonsense) in
            [(Type::Long, "1.5"), (Type::Long, r#""1""#), (Type::LongList, "1"), (Type::String, "null")]
        {
            assert_eq!(of(ty, nonsense), None, "{nonsense}");
        }
    }
}
