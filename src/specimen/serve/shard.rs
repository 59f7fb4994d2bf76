//! The shard's service as an HTTP process: the input log, the map from offsets to timestamps, and the shard.
//! It also injects the delays between itself and the writers, because every queue ends here.

use super::call_relay::ANSWER_WITHIN;
use super::controller::{Range, Write, Written};
use super::process::{answer, clock, lines};
use super::wire::NamedEntry;
use crate::error::Error;
use crate::shard::{Call, Config, Queue, Reply, Row, Service};
use crate::value::{Column, Entry};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

/// The maximum delay. A delayed call must be answered before the writer repeats it.
const DELAY_MS_MAX: u64 = 4_000;
const _: () = assert!((DELAY_MS_MAX as u128) < ANSWER_WITHIN.as_millis());

/// The delays. The simulation draws the same ones, except for travel times, which are real here.
struct Delays {
    rng: ChaCha8Rng,
    append_ms: u64,
    /// The injected delay by writer and queue, in milliseconds.
    injected_ms: BTreeMap<(usize, Queue), u64>,
    /// When the latest timestamp reaches each writer's input.
    reached_at: BTreeMap<usize, Instant>,
}

pub(super) struct ServiceProcess {
    config: Config,
    service: Mutex<Service>,
    delays: Mutex<Delays>,
}

type SharedService = State<Arc<ServiceProcess>>;

/// Runs the service until standard input closes. Fails if the settings are unusable or the port cannot be
/// bound.
pub async fn shard(config: Config) -> Result<(), Error> {
    config.check()?;
    let process = ServiceProcess::new(config);
    let ticks = tokio::spawn(Arc::clone(&process).tick());
    let served = answer(process.router(), |_| Ok(())).await;
    ticks.abort();
    served
}

impl ServiceProcess {
    pub(super) fn new(config: Config) -> Arc<Self> {
        let delays = Delays {
            rng: ChaCha8Rng::seed_from_u64(0),
            append_ms: config.append_ms,
            injected_ms: BTreeMap::new(),
            reached_at: BTreeMap::new(),
        };
        let service = Mutex::new(Service::new(&config));
        Arc::new(ServiceProcess { config, service, delays: Mutex::new(delays) })
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/produce", post(produce))
            .route("/log-ends", get(log_ends))
            .route("/log/{partition}", get(log))
            .route("/frontiers", get(frontiers))
            .route("/bindings", get(bindings))
            .route("/events", get(events))
            .route("/contents", get(contents))
            .route("/call", post(call))
            .route("/admin/lag", post(lag))
            .route("/admin/delay", post(delay))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(self)
    }

    /// The timestamp clock. Each timestamp may reach a writer late, but none overtakes another.
    pub(super) async fn tick(self: Arc<Self>) {
        let period = Duration::from_millis(self.config.tick_ms);
        let mut clock = interval_at(Instant::now() + period, period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            clock.tick().await;
            let upper = self.service.lock().await.tick();
            for writer in 0..self.config.writers.len() {
                let at = self.delays.lock().await.reach(writer);
                let process = Arc::clone(&self);
                tokio::spawn(async move {
                    sleep_until(at).await;
                    process.service.lock().await.reach(writer, upper);
                });
            }
        }
    }

    /// An append is delayed before it enters the shard. A read is delayed after it was made.
    async fn call(self: Arc<Self>, call: Call) -> Reply {
        let (writer, queue) = (call.writer, call.ask.queue());
        let delay = self.delays.lock().await.draw(writer, queue);
        if queue == Queue::Append {
            sleep(delay).await;
        }
        let reply = self.service.lock().await.call(call, clock());
        if queue == Queue::Feedback {
            sleep(delay).await;
        }
        reply
    }
}

impl Delays {
    /// A random duration up to the maximum for this writer and queue.
    fn draw(&mut self, writer: usize, queue: Queue) -> Duration {
        let work = if queue == Queue::Append { self.append_ms } else { 0 };
        let injected_ms = self.injected_ms.get(&(writer, queue)).copied().unwrap_or(0);
        Duration::from_micros(self.rng.next_u64() % ((work + injected_ms) * 1_000 + 1))
    }

    fn reach(&mut self, writer: usize) -> Instant {
        let at = Instant::now() + self.draw(writer, Queue::Input);
        let latest = self.reached_at.entry(writer).or_insert(at);
        *latest = at.max(*latest);
        *latest
    }
}

/// All or nothing: the batch is checked before the first entry is appended.
async fn produce(
    State(it): SharedService,
    Json(batch): Json<Vec<Write>>,
) -> Result<Json<Vec<Written>>, Error> {
    let entry =
        |write: Write| check_partition(write.partition).and_then(|()| write.entry(&it.config.columns));
    let entries: Vec<Entry> = batch.into_iter().map(entry).collect::<Result<_, Error>>()?;
    let mut service = it.service.lock().await;
    Ok(Json(entries.into_iter().map(|entry| Written { off: service.produce(entry) }).collect()))
}

/// Refuses any partition but 0.
fn check_partition(partition: u32) -> Result<(), Error> {
    match partition {
        0 => Ok(()),
        other => Err(Error::Request(format!("no partition {other}; there is only 0"))),
    }
}

async fn log_ends(State(it): SharedService) -> Json<[usize; 1]> {
    Json([it.service.lock().await.log(0).len()])
}

async fn log(
    State(it): SharedService,
    Path(partition): Path<u32>,
    Query(Range { from, limit }): Query<Range>,
) -> Result<Response, Error> {
    check_partition(partition)?;
    let service = it.service.lock().await;
    let entries = service.log(from).iter().take(limit.unwrap_or(usize::MAX));
    Ok(lines(entries.map(|entry| NamedEntry::entry(entry, &it.config.columns))))
}

/// All values are read under one lock, so upstream is the same before and after the shard's upper.
async fn frontiers(State(it): SharedService) -> Response {
    let service = it.service.lock().await;
    let upstream = json!({"offset": service.log(0).len(), "timestamp": service.remap().upper()});
    Json(json!({"upstream": upstream, "shard_upper": service.shard().upper()})).into_response()
}

async fn bindings(State(it): SharedService, Query(Range { from, limit }): Query<Range>) -> Json<Vec<u64>> {
    let service = it.service.lock().await;
    let skipped = usize::try_from(from).unwrap_or(usize::MAX);
    Json(service.remap().ends().iter().skip(skipped).take(limit.unwrap_or(usize::MAX)).copied().collect())
}

async fn events(State(it): SharedService, Query(Range { from, .. }): Query<Range>) -> Response {
    Json(it.service.lock().await.events(from)).into_response()
}

#[derive(Deserialize)]
struct AsOf {
    as_of: u64,
}

#[derive(Serialize)]
struct Counted<'a> {
    #[serde(flatten)]
    row: NamedEntry<'a>,
    count: i64,
}

async fn contents(State(it): SharedService, Query(AsOf { as_of }): Query<AsOf>) -> Response {
    let service = it.service.lock().await;
    let Some(rows) = service.shard().contents(as_of) else {
        let upper = service.shard().upper();
        return (StatusCode::CONFLICT, format!("{as_of} is not complete: the upper is {upper}"))
            .into_response();
    };
    lines(rows.iter().map(|row| counted(row, &it.config.columns)))
}

fn counted<'a>(row: &'a Row, columns: &'a [Column]) -> Counted<'a> {
    Counted { row: NamedEntry::entry(&row.entry, columns), count: row.count }
}

/// A call is carried out even if the writer disconnects before the answer. That is how a restarted writer can
/// meet an append of its own previous incarnation.
async fn call(State(it): SharedService, Json(call): Json<Call>) -> Result<Json<Reply>, Error> {
    if call.writer >= it.config.writers.len() {
        return Err(Error::Request(format!("no writer {}", call.writer)));
    }
    let carried_out = tokio::spawn(it.call(call)).await;
    carried_out.map(Json).map_err(|error| Error::Request(error.to_string()))
}

#[derive(Deserialize)]
struct Lag {
    writer: String,
    timestamps: u64,
}

async fn lag(State(it): SharedService, Json(Lag { writer, timestamps }): Json<Lag>) -> Result<(), Error> {
    it.service.lock().await.lag(it.config.writer(&writer)?, timestamps);
    Ok(())
}

#[derive(Deserialize)]
struct Delay {
    writer: String,
    queue: Queue,
    ms: u64,
}

async fn delay(
    State(it): SharedService,
    Json(Delay { writer, queue, ms }): Json<Delay>,
) -> Result<(), Error> {
    let writer = it.config.writer(&writer)?;
    if ms > DELAY_MS_MAX {
        return Err(Error::Request(format!("delay by {ms} ms: the most is {DELAY_MS_MAX}")));
    }
    it.delays.lock().await.injected_ms.insert((writer, queue), ms);
    Ok(())
}

#[cfg(test)]
mod tests {
    //! Goal: a cutover over real sockets, and what is served before, during and after the freeze.

    use super::super::tests::{ask, listen, until};
    use super::super::writer;
    use super::*;
    use crate::shard::{Mode, Rule};
    use crate::value::{Merge, Type};
    use serde_json::Value as Json;
    use tokio::task::JoinSet;

    /// A writer that dies when its set is dropped, which ends its polls.
    async fn start(
        config: &Config,
        url: &str,
        name: &str,
        incarnation: u64,
        mode: Mode,
    ) -> (String, JoinSet<()>) {
        let host = std::path::Path::new("no-host.json");
        let process = writer::WriterProcess::new(name, (incarnation, mode), url, config, host);
        let process = process.expect("a writer");
        let polls = Arc::clone(&process).poll();
        (listen(process.router()).await, polls)
    }

    async fn number(url: &str, at: &str) -> u64 {
        let body: Json = serde_json::from_str(&ask(url, None).await.1).expect("a document");
        body.pointer(at).and_then(Json::as_u64).expect(at)
    }

    async fn write(service: &str, ops: std::ops::Range<u64>) {
        for op in ops {
            let entry = json!([{"partition": 0, "key": "k", "op": op, "cmp": 0, "cols": {"n": op}}]);
            assert_eq!(ask(&format!("{service}/produce"), Some(entry)).await.0, 200);
            sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_cutover_freezes_a_shard_that_says_running_and_a_restart_clears_it() {
        let column = Column { name: "n".to_owned(), ty: Type::Long, merge: Merge::Overwrite };
        let config = Config { rule: Rule::V2Stranding, ..Config::new("t", vec![column]) };
        let config = Config { tick_ms: 20, poll_ms: 2, append_ms: 2, ..config };
        let process = ServiceProcess::new(config.clone());
        let _ticks = tokio::spawn(Arc::clone(&process).tick());
        let service = listen(process.router()).await;
        let to = |path: &str| format!("{service}{path}");

        let (old, old_polls) = start(&config, &service, "writer-0", 1, Mode::ReadWrite).await;
        write(&service, 0..10).await;
        until(&format!("{old}/progress"), |body| body.contains(r#""offset":10,"#)).await;
        let first = r#"{"off":0,"key":"k","op":0,"cmp":0,"cols":{"n":0}}"#;
        assert_eq!(ask(&to("/log/0?limit=1"), None).await.1, format!("{first}\n"));
        let bindings: Vec<u64> = serde_json::from_str(&ask(&to("/bindings"), None).await.1).expect("a list");
        let as_of = bindings.iter().position(|end| *end == 10).expect("all have timestamps");
        let last = r#"{"off":9,"key":"k","op":9,"cmp":0,"cols":{"n":9},"count":1}"#;
        let shown = until(&to(&format!("/contents?as_of={as_of}")), |body| body.starts_with('{')).await;
        assert_eq!(shown, format!("{last}\n"));
        assert_eq!(ask(&to("/contents?as_of=1000000"), None).await.0, 409);

        let lag = json!({"writer": "writer-1", "timestamps": 8});
        assert_eq!(ask(&to("/admin/lag"), Some(lag)).await.0, 200);
        let delay = |ms: u64| Some(json!({"writer": "writer-1", "queue": "append", "ms": ms}));
        assert_eq!(ask(&to("/admin/delay"), delay(1)).await.0, 200);
        assert_eq!(ask(&to("/admin/delay"), delay(DELAY_MS_MAX + 1)).await.0, 400);
        let (new, new_polls) = start(&config, &service, "writer-1", 1, Mode::ReadOnly).await;
        until(&format!("{new}/progress"), |body| body.contains(r#""hydrated":true"#)).await;
        write(&service, 10..40).await;
        assert_eq!(ask(&format!("{new}/admin/promote"), Some(json!({}))).await.0, 200);
        drop(old_polls);
        until(&format!("{new}/progress"), |body| body.contains(r#""offset":40,"#)).await;
        let frozen = number(&to("/frontiers"), "/shard_upper").await;
        let upstream = number(&to("/frontiers"), "/upstream/timestamp").await;
        until(&to("/bindings"), |body| body.split(',').count() as u64 > upstream + 20).await;
        assert_eq!(number(&to("/frontiers"), "/shard_upper").await, frozen);
        assert!(number(&format!("{new}/progress"), "/frontier").await < frozen);
        let shown = ask(&format!("{new}/progress"), None).await.1;
        assert!(shown.starts_with(r#"{"status":"running","incarnation":1,"mode":"read-write""#), "{shown}");

        drop(new_polls);
        let (_, _polls) = start(&config, &service, "writer-1", 2, Mode::ReadWrite).await;
        let as_of = to(&format!("/contents?as_of={}", upstream + 20));
        let healed = until(&as_of, |body| body.starts_with('{')).await;
        assert!(healed.contains(r#""op":39"#));
    }
}
