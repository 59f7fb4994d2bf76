//! A Pinot cluster of canned answers: controller, broker and the servers' own HTTP, all on one port. The
//! answers were recorded at 0.11.0, with other rows and names. As the real one does, the broker gives queries
//! to servers strictly in turn, segment by segment.

use dissent::config::target::TargetFile;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../src/adapter/pinot/answers/0.11.0/",
            $name,
            ".json"
        )))
        .expect("JSON")
    };
}

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is cut in the body.
    StopSignal,
    /// 500.
    Broken,
    /// A proxy's page in place of JSON.
    Html,
    /// The broker says that its result is partial.
    Partial,
    /// There are so many groups that some were left out.
    Groups,
    /// The broker does not know one segment, and says nothing.
    LeavesOut,
    /// No server has all segments that the broker knows.
    Unavailable,
    /// A query's answer lacks its last row.
    Short,
}

/// A segment, and how many of its rows each server has. A server that is not named is not assigned.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) start: u64,
    /// None while it is consuming.
    pub(crate) end: Option<u64>,
    pub(crate) rows: BTreeMap<usize, u64>,
}

/// What the cluster is like.
#[derive(Default)]
pub(crate) struct World {
    /// The hosts of the servers; none for one that is down.
    pub(crate) hosts: Vec<Option<&'static str>>,
    pub(crate) segments: Vec<Held>,
    /// Whether no run made the table, so that it has its own names and types.
    pub(crate) is_theirs: bool,
    /// The keys repeat after this many rows.
    pub(crate) keys: u64,
    /// The host whose rows differ from the others'.
    pub(crate) differs: Option<&'static str>,
    /// A server that the broker never queries.
    pub(crate) hidden: Option<usize>,
    /// How many of our queries pass before another client sends one.
    pub(crate) other_client: Option<u64>,
    /// What goes wrong if the URL or the query contains these words.
    pub(crate) trouble: Option<(&'static str, Trouble)>,
    /// All queries that came.
    pub(crate) queries: Vec<String>,
    /// The number of queries so far, from anybody.
    pub(crate) turn: usize,
}

/// The cluster; it ends with the tests.
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
    url: String,
}

pub(crate) fn instance(server: usize) -> String {
    format!("Server_pinot-s{}_{}", server + 1, 8098 + server)
}

/// Two segments per partition.
pub(crate) fn segment(number: usize) -> String {
    format!("acct__{}__{}__20261122T0208Z", number / 2, number % 2)
}

impl Fake {
    pub(crate) fn of(world: World) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let world = Arc::new(Mutex::new(world));
        let served = Arc::clone(&world);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let world = Arc::clone(&served);
                std::thread::spawn(move || serve(&world, stream));
            }
        });
        Fake { world, url }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the world")
    }

    pub(crate) fn target(&self) -> TargetFile {
        let servers: Map<String, Value> = (0..self.world().hosts.len())
            .map(|server| (instance(server), json!(format!("{}/s/{server}", self.url))))
            .collect();
        serde_json::from_value(json!({
            "system": "pinot", "url": self.url, "broker": self.url, "kafka": "127.0.0.1:1", "table": "acct",
            "servers": servers,
        }))
        .expect("a target file")
    }
}

fn serve(world: &Mutex<World>, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let path = request.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, text) = reply(world, &path, body["sql"].as_str().unwrap_or_default());
    let promised = text.len() + usize::from(status == 0);
    let status = if status == 0 { 200 } else { status };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {promised}\r\nconnection: close\r\n\r\n");
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(text.as_bytes()).ok()
}

/// Status and body; status 0 for a body that is cut.
fn reply(world: &Mutex<World>, path: &str, sql: &str) -> (u16, String) {
    let mut world = world.lock().expect("the world");
    let trouble = world.trouble.filter(|(words, _)| path.contains(words) || sql.contains(words));
    let trouble = trouble.map(|(_, trouble)| trouble);
    let answer = if sql.is_empty() { world.look(path) } else { Some(world.query(sql, trouble)) };
    let Some(answer) = answer else { return (404, json!({ "code": 404, "error": path }).to_string()) };
    let text = answer.to_string();
    match trouble {
        Some(Trouble::StopSignal) => (0, text[..text.len() / 2].to_owned()),
        Some(Trouble::Broken) => (500, "java.lang.NullPointerException".to_owned()),
        Some(Trouble::Html) => (200, "<html>Bad gateway</html>".to_owned()),
        _ => (200, text),
    }
}

fn number_of(name: &str) -> usize {
    let mut parts = name.split("__").skip(1).map(|part| part.parse::<usize>().expect("a number"));
    2 * parts.next().expect("a partition") + parts.next().expect("a sequence")
}

impl World {
    /// What lies at a path of the controller or of a server.
    fn look(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.trim_start_matches('/').split(['/', '?', '=']).collect();
        Some(match parts.as_slice() {
            ["version"] => recorded!("version"),
            ["cluster", "info"] => json!({ "clusterName": "PinotCluster" }),
            ["instances"] => {
                let servers = (0..self.hosts.len()).map(instance);
                let instances: Vec<String> = servers.chain(["Broker_127.0.0.1_1".to_owned()]).collect();
                json!({ "instances": instances })
            }
            ["instances", _] => json!({ "hostName": "127.0.0.1", "adminPort": 1 }),
            ["zk", "get", .., "LIVEINSTANCES", name] => {
                let server = (0..self.hosts.len()).find(|server| instance(*server) == *name)?;
                let mut live = recorded!("live_instance");
                live["simpleFields"]["LIVE_INSTANCE"] = json!(format!("1@{}", self.hosts[server]?));
                live
            }
            ["zk", "get", .., "CURRENTSTATES", _, "acct_REALTIME"] => recorded!("currentstates"),
            ["zk", "getChildren", ..] => recorded!("messages"),
            ["tables", "acct"] if self.is_theirs => json!({ "REALTIME": {
                "segmentsConfig": { "timeColumnName": "placed_at" },
                "upsertConfig": { "mode": "PARTIAL", "comparisonColumns": ["placed_at", "paid_at"] },
            } }),
            ["schemas", "acct"] if self.is_theirs => json!({
                "primaryKeyColumns": ["region", "number"],
                "dimensionFieldSpecs": [
                    { "name": "region", "dataType": "STRING" },
                    { "name": "number", "dataType": "INT" },
                ],
                "metricFieldSpecs": [{ "name": "total", "dataType": "DOUBLE" }],
                "dateTimeFieldSpecs": [
                    { "name": "placed_at", "dataType": "LONG" },
                    { "name": "paid_at", "dataType": "LONG" },
                ],
            }),
            ["tables", "acct"] => json!({ "REALTIME": {
                "segmentsConfig": { "timeColumnName": "ts" },
                "upsertConfig": { "mode": "PARTIAL", "partialUpsertStrategies": { "v": "OVERWRITE" } },
            } }),
            ["schemas", "acct"] => json!({
                "schemaName": "acct",
                "primaryKeyColumns": ["pk"],
                "dimensionFieldSpecs": [
                    { "name": "pk", "dataType": "STRING" },
                    { "name": "op", "dataType": "LONG" },
                    { "name": "v", "dataType": "LONG" },
                ],
            }),
            ["tables", "acct", "idealstate"] => json!({ "OFFLINE": null, "REALTIME": self.ideal_state() }),
            ["segments", "acct_REALTIME", name, "metadata"] => self.metadata(self.held(name)?),
            ["s", server, "tables", "acct_REALTIME", rest @ ..] => {
                self.server(server.parse().ok()?, &rest.join("/"))?
            }
            _ => return None,
        })
    }

    fn held(&self, name: &str) -> Option<&Held> {
        self.segments.get(number_of(name))
    }

    fn ideal_state(&self) -> Value {
        let state = |held: &Held| if held.end.is_some() { "ONLINE" } else { "CONSUMING" };
        let servers = |held: &Held| -> Map<String, Value> {
            held.rows.keys().map(|server| (instance(*server), json!(state(held)))).collect()
        };
        let segments = self.segments.iter().enumerate();
        segments.map(|(number, held)| (segment(number), servers(held).into())).collect::<Map<_, _>>().into()
    }

    fn metadata(&self, held: &Held) -> Value {
        let mut fields = match held.end {
            Some(_) => recorded!("segment_metadata_done"),
            None => recorded!("segment_metadata_consuming"),
        };
        fields["segment.realtime.startOffset"] = json!(held.start.to_string());
        if let Some(end) = held.end {
            fields["segment.realtime.endOffset"] = json!(end.to_string());
        }
        fields
    }

    /// A server's own HTTP.
    fn server(&self, server: usize, path: &str) -> Option<Value> {
        let mine = self
            .segments
            .iter()
            .enumerate()
            .filter_map(|(number, held)| Some((segment(number), held, *held.rows.get(&server)?)));
        Some(match path {
            // The checksum of a copy without rows differs on every server.
            "segments/crc" => mine
                .map(|(name, held, rows)| {
                    let crc = if rows == 0 { 77 + server } else { 1_580_140_690 };
                    let crc = held.end.map_or(i64::MIN.to_string(), |_| crc.to_string());
                    (name, json!(crc))
                })
                .collect::<Map<_, _>>()
                .into(),
            "consumingSegmentsInfo" => mine
                .filter(|(_, held, _)| held.end.is_none())
                .map(|(name, held, rows)| {
                    let mut info = recorded!("consumingSegmentsInfo")[0].clone();
                    info["segmentName"] = json!(name);
                    info["partitionToOffsetMap"] = json!({ "0": (held.start + rows).to_string() });
                    info
                })
                .collect(),
            _ => return None,
        })
    }

    /// A query's answer, by the servers whose turn it is.
    fn query(&mut self, sql: &str, trouble: Option<Trouble>) -> Value {
        self.queries.push(sql.to_owned());
        self.turn += 1;
        // Not in step with us, or one server would never answer us.
        let moment = (self.queries.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if self.other_client.is_some_and(|every| moment.is_multiple_of(every)) {
            self.turn += 1;
        }
        let mut answer = recorded!("rows");
        let names: Vec<&str> = sql.split('\'').filter(|word| word.starts_with("acct__")).collect();
        let mut rows = Vec::new();
        for name in names {
            let held = self.held(name).expect("a segment");
            let candidates: Vec<usize> =
                held.rows.keys().copied().filter(|server| Some(*server) != self.hidden).collect();
            let server = candidates[self.turn % candidates.len()];
            self.select(sql, name, server, &mut rows);
        }
        rows.truncate(after(sql, " LIMIT ").expect("a limit") as usize);
        if trouble == Some(Trouble::Short) {
            rows.pop();
        }
        answer["resultTable"]["rows"] = rows.into();
        let left_out = usize::from(trouble == Some(Trouble::LeavesOut));
        answer["numSegmentsQueried"] = json!(self.segments.len() - left_out);
        answer["partialResult"] = json!(trouble == Some(Trouble::Partial));
        answer["numGroupsLimitReached"] = json!(trouble == Some(Trouble::Groups));
        if trouble == Some(Trouble::Unavailable) {
            let message = "8 segments [acct__0__1__20261122T0208Z] unavailable";
            answer["exceptions"] = json!([{ "errorCode": 305, "message": message }]);
        }
        answer
    }

    /// The rows of one segment on one server that a query wants.
    fn select(&self, sql: &str, name: &str, server: usize, out: &mut Vec<Value>) {
        let host = self.hosts[server].expect("it lives");
        let held = self.held(name).expect("a segment");
        let docs = 0..held.rows[&server];
        let from = after(sql, "$docId >= ").unwrap_or(0).max(docs.start);
        let to = after(sql, "$docId < ").unwrap_or(docs.end).min(docs.end);
        let raw = sql.contains("skipUpsert=true");
        // The last row of a key is current, wherever it lies on this server.
        let siblings = self.segments.chunks(2).nth(number_of(name) / 2).expect("a partition");
        let reached = siblings.iter().filter_map(|held| Some(held.start + held.rows.get(&server)?)).max();
        let is_shown = |off: u64| raw || off + self.keys >= reached.unwrap_or(0);
        let shown = (from..to).filter(|doc| is_shown(held.start + doc));
        let key = |doc: u64| format!("k-{}", (held.start + doc) % self.keys);
        if sql.contains("count(*)") {
            let count = shown.count();
            out.extend((count > 0).then(|| json!([host, name, count])));
        } else if sql.starts_with("SELECT $hostName FROM") {
            out.extend(shown.take(1).map(|_| json!([host])));
        } else if self.is_theirs {
            let number = |doc: u64| (held.start + doc) % self.keys;
            match sql.contains("$segmentName, $docId") {
                true => out.extend(shown.map(|doc| json!([host, name, doc, "eu", number(doc)]))),
                false => {
                    let total = if Some(host) == self.differs { 2.5 } else { 1.5 };
                    out.extend(shown.map(|doc| json!([host, doc, "eu", number(doc), total, doc, i64::MIN])));
                }
            }
        } else if sql.contains("$segmentName, $docId") {
            out.extend(shown.map(|doc| json!([host, name, doc, key(doc)])));
        } else {
            let off = |doc| held.start + doc;
            out.extend(shown.map(|doc| json!([host, doc, key(doc), off(doc), off(doc), off(doc)])));
        }
    }
}

/// The number that follows these words.
fn after(sql: &str, words: &str) -> Option<u64> {
    let digits = sql.split_once(words)?.1;
    digits.split(|at: char| !at.is_ascii_digit()).next()?.parse().ok()
}
