//! Goal: what members of an etcd cluster answer becomes the right rows, outcomes and errors. Method: the real
//! adapter on a member that answers what was recorded (`etcd/fake.rs`).

mod fake;

use dissent::adapter::discovery::DiscoveryRequest;
use dissent::adapter::etcd::Etcd;
use dissent::adapter::state::{StateRow, StateStore, StateSystem as _};
use dissent::config::access::Credentials;
use dissent::config::target::TargetFile;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::{Column, Merge, Provenance, Role, Schema, Type, Value};
use dissent_core::history::time::Nanos;
use fake::{Asked, Fake, recorded};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const RANGE: &str = "/v3/kv/range";
const TXN: &str = "/v3/kv/txn";
const WATCH: &str = "/v3/watch";

/// The table of the recorded answers: `k1` was written by the ops 1, 3 and 4, `k/2` by op 2.
fn schema() -> Schema {
    let column = |name: &str, ty, merge| {
        let (optional, role) = (false, Role::Data);
        Column { name: name.to_owned(), ty, merge, optional, role }
    };
    Schema {
        table: "dissent_acct".to_owned(),
        key: "key".to_owned(),
        comparison: "version".to_owned(),
        op: "op".to_owned(),
        columns: vec![
            column("status", Type::String, Merge::Overwrite),
            column("balance", Type::Long, Merge::Increment),
            column("ops", Type::LongList, Merge::Append),
        ],
        provenance: Provenance::Full,
        guard_keys: 2,
        rules: Default::default(),
    }
}

fn op(id: u64, key: &str, cols: Vec<Value>) -> Op {
    let (key, cmp) = (key.to_owned(), id.cast_signed());
    Op { id, partition: 0, key: key.into(), cmp, cols, delete: false, due: Nanos(0) }
}

/// An op that depends on nothing.
fn plain(id: u64, key: &str) -> Op {
    op(id, key, vec![Value::String("new".into()), Value::Null, Value::Null])
}

fn row(key: &str, op: u64, status: &str, balance: Option<i64>, ops: &[i64]) -> StateRow {
    let balance = balance.map_or(Value::Null, Value::Long);
    let cols = vec![Value::String(status.into()), balance, Value::Longs(ops.to_vec().into())];
    StateRow { key: key.to_owned(), op, cmp: op.cast_signed(), cols }
}

fn ok(answer: impl ToString) -> Option<(u16, String)> {
    Some((200, answer.to_string()))
}

/// A page of the recorded rows.
fn page(cells: std::ops::Range<usize>) -> Json {
    let mut rows: Json = serde_json::from_str(recorded!("rows.json")).expect("JSON");
    rows["kvs"] = json!(rows["kvs"].as_array().expect("cells")[cells]);
    rows
}

/// The member that has the recorded table.
fn table(asked: &Asked) -> Option<(u16, String)> {
    match (asked.path.as_str(), asked.body["key"].as_str().unwrap_or_default()) {
        (RANGE, "dissent/dissent_acct/run") => ok(json!({"header": page(0..0)["header"], "kvs": [{
            "key": "ZGlzc2VudC9kaXNzZW50X2FjY3QvcnVu", "value": "cnVuLTE=",
            "create_revision": "2", "mod_revision": "2", "version": "1"}], "count": "1"})),
        // In the order of keys the sixth cell is one that the newest write put.
        (RANGE, _) if asked.body["sort_target"] == "MOD" => ok(page(5..6)),
        (RANGE, "dissent/dissent_acct/r/k1/") => ok(page(4..9)),
        (RANGE, _) => ok(page(0..9)),
        (WATCH, _) => ok(recorded!("watch.jsonl")),
        (TXN, _) => ok(json!({"header": page(0..0)["header"], "succeeded": true})),
        _ => None,
    }
}

async fn history(store: &Arc<dyn StateStore>, from: u64) -> Result<(u64, Vec<StateRow>), String> {
    let mut rows = Vec::new();
    let next = store.history(&schema(), "m1", from, &mut |row| rows.push(row)).await;
    next.map(|next| (next, rows)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_members_that_vote_and_have_started_are_the_replicas() {
    let fake = Fake::new(|_| None).await;
    let store = Etcd.connect(&TargetFile::at("etcd", &fake.url)).await.expect("a store");
    assert_eq!(
        (store.replicas(), store.version().as_str()),
        (["m1", "m2", "m3"].map(str::to_owned).into(), "3.5.2")
    );
    let wanted = DiscoveryRequest {
        system: "etcd".to_owned(),
        url: format!("{}/", fake.url),
        table: None,
        credentials: None,
        ca: None,
    };
    let found = Etcd.discover(&wanted).await.expect("a cluster");
    assert_eq!(found.servers[1], ("m2".to_owned(), "http://127.0.0.1:33802".to_owned()));
    assert_eq!((found.servers.len(), found.found[0].as_str()), (3, "etcd 3.5.2"));
    assert!(store.replica("m4").await.is_err(), "a learner");
}

#[test]
fn a_target_file_gives_the_http_urls_of_members() {
    let file = |url: &str, member: &str| TargetFile {
        servers: [("m1".to_owned(), member.to_owned())].into(),
        ..TargetFile::at("etcd", url)
    };
    let good = "http://127.0.0.1:2379";
    for (url, member, place) in
        [(good, good, None), ("grpc://m1:2379", good, Some("url")), (good, "m1:2379", Some("servers"))]
    {
        let refused = Etcd.check(&file(url, member)).err().map(|error| error.at);
        assert_eq!(refused.as_deref(), place, "{url} {member}");
    }
}

#[tokio::test]
async fn a_member_says_what_it_has_consumed_and_what_it_has_kept() {
    let status = |more: Json| {
        let mut status: Json = serde_json::from_str(recorded!("status.json")).expect("JSON");
        let (Some(status), Json::Object(more)) = (status.as_object_mut(), more) else { panic!("objects") };
        status.extend(more);
        json!(status).to_string()
    };
    for (more, words) in [
        (json!({}), "follower of m3, revision 7, no alarm"),
        (json!({"leader": "18074522115951795621"}), "leader, revision 7, no alarm"),
        (
            json!({"leader": "0", "errors": ["etcdserver: no leader", "memberID:41 alarm:NOSPACE "]}),
            "without a leader, revision 7, etcdserver: no leader, memberID:41 alarm:NOSPACE",
        ),
    ] {
        let answer = status(more);
        let fake = Fake::new(move |asked| {
            let page = || ok(page(0..0));
            if asked.path.ends_with("/status") { ok(&answer) } else { page().filter(|_| asked.path == RANGE) }
        });
        let fake = fake.await;
        let store = fake.store().await;
        let state = store.replica("m1").await.expect("a state");
        assert_eq!((state.status.as_str(), state.position), (words, Some(14)));
        assert_eq!(state.incarnation, 1_795_999_350_230, "milliseconds");
        let last = fake.asked("").into_iter().map(|asked| asked.path).next_back();
        assert_eq!(last.as_deref(), Some("/v3/maintenance/status"), "never older than the incarnation");
        assert_eq!(store.upstream().await.expect("a position"), Some(14));
        let read = &fake.asked(RANGE)[0].body;
        assert!(read.get("serializable").is_none(), "only a linearizable read waits for all writes: {read}");
    }
}

#[tokio::test]
async fn without_metrics_a_member_has_no_incarnation_and_says_so() {
    let fake = Fake::new(|asked| (asked.path == "/metrics").then(|| (200, String::new()))).await;
    let error = fake.store().await.replica("m1").await.expect_err("no incarnation").to_string();
    assert!(error.contains("process_start_time_seconds") && error.contains("/metrics"), "{error}");
}

#[tokio::test]
async fn rows_are_read_at_one_revision_and_a_page_that_is_short_is_an_error() {
    for (cells, holds) in [(5..9, true), (5..8, false)] {
        let fake = Fake::new(move |asked| {
            let second = asked.body.get("revision").is_some();
            if asked.path == RANGE { ok(page(if second { cells.clone() } else { 0..5 })) } else { None }
        });
        let fake = fake.await;
        let mut rows = Vec::new();
        let read = fake.store().await.rows(&schema(), "m1", &mut |row| rows.push(row)).await;
        if holds {
            read.expect("rows");
            assert_eq!(rows, [row("k/2", 2, "new", None, &[2]), row("k1", 4, "paid", Some(12), &[1, 3, 4])]);
            let pages = fake.asked(RANGE);
            assert!(pages.iter().all(|page| page.body["serializable"] == true), "around the leader");
            let (key, revision) = (&pages[1].body["key"], &pages[1].body["revision"]);
            assert_eq!((key, revision), (&json!("dissent/dissent_acct/r/k1/balance\0"), &json!("8")));
        } else {
            let error = read.expect_err("a row is missing").to_string();
            assert!(error.contains("of 9") && rows.is_empty(), "{error}");
        }
    }
}

#[tokio::test]
async fn each_revision_shows_the_whole_row_after_it() {
    let all = [
        row("k1", 1, "new", Some(5), &[1]),
        row("k/2", 2, "new", None, &[2]),
        row("k1", 3, "new", Some(12), &[1, 3]),
        row("k1", 4, "paid", Some(12), &[1, 3, 4]),
    ];
    let fake = Fake::new(table).await;
    let store = fake.store().await;
    assert_eq!(history(&store, 0).await, Ok((8, all.to_vec())));
    assert_eq!(fake.asked(WATCH)[0].body["create_request"]["start_revision"], "2", "where the table began");
    assert_eq!(history(&store, 8).await, Ok((8, vec![])), "nothing new");
    // A caller that asks again for what it had gets the same rows, though they were folded already.
    assert_eq!(history(&store, 6).await, Ok((8, all[2..].to_vec())));
    assert_eq!(history(&store, 0).await, Ok((8, all.to_vec())));
}

#[tokio::test]
async fn a_history_that_is_not_whole_is_an_error() {
    let cut = recorded!("watch.jsonl").lines().next().expect("a line");
    for (answer, words) in [
        (
            recorded!("compacted.jsonl"),
            "before revision 3 has been compacted and is gone; let no compaction happen",
        ),
        (recorded!("denied.jsonl"), "permission denied"),
        (cut, "ended before the newest"),
        ("{\"error\":{\"message\":\"etcdserver: no leader\"}}\n", "no leader"),
        ("<html>\n", "unexpected answer"),
    ] {
        let fake = Fake::new(move |asked| if asked.path == WATCH { ok(answer) } else { table(asked) }).await;
        let error = history(&fake.store().await, 0).await.expect_err("it is not whole");
        assert!(error.contains(words), "{error}");
    }
}

/// What `NEVER_PROPOSED` in the adapter lists is failed, and nothing else is.
#[tokio::test]
async fn a_write_has_failed_only_if_no_member_can_apply_it() {
    let recorded: Vec<(u16, Json)> = serde_json::from_str(recorded!("errors.json")).expect("JSON");
    let told = ["etcdserver: too many requests", "etcdserver: not capable", "raft proposal dropped"];
    let told = told.map(|words| (503, json!({"message": words})));
    for (status, answer) in recorded.into_iter().chain(told) {
        let words = answer["message"].as_str().expect("words").to_owned();
        let unknown =
            ["user name is empty", "denied", "space exceeded", "compacted", "deadline", "leader changed"];
        let expected = if unknown.iter().any(|end| words.contains(end)) {
            OpOutcome::Unknown
        } else {
            OpOutcome::Failed
        };
        let fake = Fake::new(move |asked| (asked.path == TXN).then(|| (status, answer.to_string()))).await;
        assert_eq!(fake.store().await.write(&schema(), &plain(1, "k1")).await, expected, "{words}");
    }
    let fake = Fake::new(|asked| (asked.path == TXN).then(|| (200, r#"{"header":{}}"#.to_owned()))).await;
    let outcome = fake.store().await.write(&schema(), &plain(1, "k1")).await;
    assert_eq!(outcome, OpOutcome::Unknown, "other members may have found its comparisons to hold");
}

#[tokio::test]
async fn a_write_goes_to_the_next_member_only_if_it_was_not_sent() {
    let fake = Fake::new(table).await;
    let cutting = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let cuts = format!("http://{}", cutting.local_addr().expect("an address"));
    tokio::spawn(async move { while cutting.accept().await.is_ok() {} });
    for (other, wanted) in [("http://127.0.0.1:1", OpOutcome::Ok), (cuts.as_str(), OpOutcome::Unknown)] {
        let mut file = fake.file();
        file.servers.insert("m2".to_owned(), other.to_owned());
        let store = Etcd.connect(&file).await.expect("a store");
        let mut outcomes = Vec::new();
        for id in 1..=8 {
            outcomes.push(store.write(&schema(), &plain(id, &format!("k{id}"))).await);
        }
        assert!(outcomes.contains(&wanted) && outcomes.contains(&OpOutcome::Ok), "{other}: {outcomes:?}");
        assert!(outcomes.iter().all(|it| [wanted, OpOutcome::Ok].contains(it)), "{other}: {outcomes:?}");
        assert_eq!(store.upstream().await.expect("a position"), Some(14), "one member is enough");
    }
    let dead =
        TargetFile { servers: [("m1".to_owned(), "http://127.0.0.1:1".to_owned())].into(), ..fake.file() };
    let store = Etcd.connect(&dead).await.expect("a store");
    assert_eq!(store.write(&schema(), &plain(1, "k1")).await, OpOutcome::Failed);
}

#[tokio::test]
async fn an_op_is_one_transaction_on_what_was_read_at_its_member() {
    let fake = Fake::new(table).await;
    let store = fake.store().await;
    let values =
        |balance, ops: &[i64]| vec![Value::Null, Value::Long(balance), Value::Longs(ops.to_vec().into())];
    assert_eq!(store.write(&schema(), &op(5, "k1", values(7, &[5]))).await, OpOutcome::Ok);
    assert_eq!(store.write(&schema(), &plain(6, "a/b%c")).await, OpOutcome::Ok);
    let put = |row: &str, column: &str, value: &str| {
        let key = format!("dissent/dissent_acct/r/{row}/{column}");
        json!({"request_put": {"key": key, "value": value}})
    };
    let kept = |column: &str, version: &str| {
        let key = format!("dissent/dissent_acct/r/k1/{column}");
        json!({"key": key, "target": "VERSION", "result": "EQUAL", "version": version})
    };
    let guard = json!({"key": "dissent/dissent_acct/g/", "range_end": "dissent/dissent_acct/g0",
                       "target": "VERSION", "result": "GREATER", "version": "0"});
    let [merged, replaced] = &fake.asked(TXN)[..] else { panic!("two transactions") };
    assert_eq!(merged.body["compare"], json!([guard, kept("balance", "2"), kept("ops", "3")]));
    let puts = [("op", "5"), ("version", "5"), ("balance", "19"), ("ops", "[1,3,4,5]")];
    assert_eq!(merged.body["success"], json!(puts.map(|(column, value)| put("k1", column, value))));
    assert_eq!(replaced.body["compare"], json!([guard]));
    let puts = [("op", "6"), ("version", "6"), ("status", "\"new\"")];
    assert_eq!(replaced.body["success"], json!(puts.map(|(column, value)| put("a%2Fb%25c", column, value))));
    assert_eq!(fake.asked(RANGE).len(), 1, "an op that overwrites needs no read");
}

/// The merge function, what was read, the event, and what is put; null: nothing.
#[tokio::test]
async fn merge_functions_are_computed_from_what_was_read() {
    for (merge, before, event, after) in [
        (Merge::Overwrite, json!(4), json!(3), json!(3)),
        (Merge::Ignore, json!(4), json!(3), Json::Null),
        (Merge::Ignore, Json::Null, json!(3), json!(3)),
        (Merge::Increment, json!(i64::MAX), json!(1), json!(i64::MIN)),
        (Merge::Increment, Json::Null, json!(3), json!(3)),
        (Merge::Max, json!(4), json!(3), json!(4)),
        (Merge::Min, json!(4), json!(3), json!(3)),
        (Merge::Append, json!(["b"]), json!(["a", "a"]), json!(["b", "a", "a"])),
        (Merge::Append, json!(["b"]), json!([]), json!(["b"])),
        (Merge::Union, json!([5, 3]), json!([4, 3]), json!([3, 4, 5])),
        (Merge::Union, Json::Null, json!(["b", "a", "b"]), json!(["a", "b"])),
    ] {
        let words = format!("{merge:?} {before} {event}");
        let held = move |asked: &Asked| {
            let mut cells = page(4..5);
            cells["kvs"][0]["value"] =
                json!(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, before.to_string()));
            if asked.path == RANGE { ok(cells) } else { table(asked) }
        };
        let fake = Fake::new(held).await;
        let mut schema = schema();
        schema.columns[1].merge = merge;
        let event = serde_json::from_value(event).expect("a value");
        fake.store().await.write(&schema, &op(5, "k1", vec![Value::Null, event, Value::Null])).await;
        let puts = fake.asked(TXN)[0].body["success"].clone();
        let put = puts[2]["request_put"]["value"].as_str();
        let put = put.map_or(Json::Null, |text| serde_json::from_str(text).expect("JSON"));
        assert_eq!(put, after, "{words}");
    }
}

#[tokio::test]
async fn a_token_is_sent_with_every_call_and_renewed_when_it_is_refused() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let fake = Fake::new(move |asked| match asked.path.as_str() {
        "/v3/auth/authenticate" if asked.body == json!({"name": "root", "password": "secret"}) => {
            let login = counted.fetch_add(1, Ordering::SeqCst) + 1;
            ok(json!({"token": format!("t{login}.18")}))
        }
        // The member restarts, and forgets the first token.
        TXN if asked.token == "t1.18" => {
            Some((401, json!({"message": "etcdserver: invalid auth token", "code": 16}).to_string()))
        }
        _ => table(asked),
    });
    let fake = fake.await;
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("p"), "secret\n").expect("a file");
    let (user, password_file) = (Some("root".to_owned()), Some(dir.path().join("p")));
    let credentials = Some(Credentials { user, password_file, ..Credentials::default() });
    let file = TargetFile { credentials, ..fake.file() };
    let store = Etcd.connect(&file).await.expect("a store");
    for id in 1..=2 {
        assert_eq!(store.write(&schema(), &plain(id, "k1")).await, OpOutcome::Ok);
    }
    let tokens: Vec<String> = fake.asked(TXN).into_iter().map(|asked| asked.token).collect();
    assert_eq!(
        (tokens, logins.load(Ordering::SeqCst)),
        (["t1.18", "t2.18", "t2.18"].map(str::to_owned).into(), 2)
    );
    std::fs::write(dir.path().join("p"), "wrong").expect("a file");
    assert!(Etcd.connect(&file).await.is_err());
}

#[tokio::test]
async fn a_table_has_its_ballast_and_is_found_again() {
    let fake = Fake::new(|asked| {
        let key = asked.body["key"].as_str().unwrap_or_default();
        let is_after = asked.path == RANGE && key == "dissent/dissent_acct0";
        if is_after { ok(json!({"header": page(0..0)["header"]})) } else { table(asked) }
    });
    let fake = fake.await;
    let store = fake.store().await;
    let schema = Schema { guard_keys: 250, ..schema() };
    store.make_table("run-1", &schema).await.expect("a table");
    let puts: Vec<usize> =
        fake.asked(TXN).iter().map(|txn| txn.body["success"].as_array().expect("puts").len()).collect();
    assert_eq!(puts, [1, 100, 100, 50]);
    let leftovers = store.leftovers().await.expect("tables");
    assert_eq!((leftovers.len(), leftovers[0].table.as_str()), (1, "dissent_acct"));
    assert_eq!(leftovers[0].run.as_deref(), Some("run-1"));
    let taken =
        Fake::new(|asked| (asked.path == TXN).then(|| (200, json!({"header": {}}).to_string()))).await;
    let error = taken.store().await.make_table("run-1", &schema).await.expect_err("it exists").to_string();
    assert!(error.contains("exists") && error.contains("dissent clean"), "{error}");
}
