//! A Pinot controller, broker and servers on one port. They answer as a cluster of 0.11.0 did, to the
//! requests that only look or lock.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../src/adapter/pinot/answers/0.11.0/", $name, ".json"))
    };
}

#[derive(Default)]
struct World {
    answers: BTreeMap<String, String>,
    configs: BTreeMap<String, Value>,
    /// What a request must carry, if anything.
    authorization: Option<String>,
    /// Requests that did more than look.
    deeds: Vec<String>,
}

/// It ends with the tests.
pub(crate) struct Fake {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

impl Fake {
    /// A cluster with these realtime tables, each fed by a Kafka that does not exist.
    pub(crate) fn start(tables: &[&str]) -> Fake {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let world: Arc<Mutex<World>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&world));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        let fake = Fake { url: format!("http://127.0.0.1:{port}"), world };
        fake.answer_as_recorded(port, tables);
        fake
    }

    /// Another live instance: a broker.
    pub(crate) fn broker() -> Fake {
        let fake = Fake::start(&[]);
        fake.world.lock().expect("sound").answers.clear();
        fake.says("/health", "OK");
        fake
    }

    fn answer_as_recorded(&self, port: u16, tables: &[&str]) {
        for (path, text) in [
            ("/version", recorded!("version")),
            ("/cluster/info", recorded!("cluster_info")),
            ("/instances", recorded!("instances")),
            ("/query/sql", recorded!("count")),
            ("/health", "OK"),
        ] {
            self.says(path, text);
        }
        let instances: Value = serde_json::from_str(recorded!("instances")).expect("JSON");
        for name in instances["instances"].as_array().expect("names") {
            let name = name.as_str().expect("a name");
            let mut instance: Value = serde_json::from_str(match name.starts_with("Broker") {
                true => recorded!("instance_broker"),
                false => recorded!("instance"),
            })
            .expect("JSON");
            (instance["port"], instance["adminPort"]) = (port.to_string().into(), port.into());
            self.says(&format!("/instances/{name}"), &instance.to_string());
            self.lives(name, name);
        }
        let names: Vec<String> = tables.iter().map(|name| format!("{name}_REALTIME")).collect();
        self.says("/tables?type=realtime", &json!({ "tables": names }).to_string());
        tables.iter().for_each(|name| self.has_table(name, None));
    }

    pub(crate) fn says(&self, path: &str, text: &str) {
        self.world.lock().expect("sound").answers.insert(path.to_owned(), text.to_owned());
    }

    /// The name of a server in its rows.
    pub(crate) fn lives(&self, server: &str, host: &str) {
        let path = format!("/zk/get?path=/PinotCluster/LIVEINSTANCES/{server}");
        self.says(&path, &recorded!("live_instance").replace("@pinot-s1", &format!("@{host}")));
    }

    /// A table's configuration, with the run that made it.
    pub(crate) fn has_table(&self, name: &str, run: Option<&str>) {
        let mut config: Value = serde_json::from_str(recorded!("table_config")).expect("JSON");
        let realtime = &mut config["REALTIME"];
        realtime["tableIndexConfig"]["streamConfigs"]["stream.kafka.broker.list"] = "127.0.0.1:1".into();
        if let Some(run) = run {
            realtime["metadata"] = json!({ "customConfigs": { "dissent.run": run } });
        }
        self.says(&format!("/tables/{name}"), &config.to_string());
        self.says(&format!("/tables/{name}/idealstate"), recorded!("idealstate"));
    }

    /// An entry in the cluster's configuration, such as a lock.
    pub(crate) fn configured(&self, key: &str, value: &Value) {
        self.world.lock().expect("sound").configs.insert(key.to_owned(), value.to_string().into());
    }

    pub(crate) fn wants(&self, authorization: &str) {
        self.world.lock().expect("sound").authorization = Some(authorization.to_owned());
    }

    /// Everything that was done to it, except for locks.
    pub(crate) fn deeds(&self) -> Vec<String> {
        self.world.lock().expect("sound").deeds.clone()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.world.lock().expect("sound").configs.contains_key("dissent.lock")
    }
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut world = world.lock().expect("sound");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if world.authorization.is_some() && world.authorization.as_deref() != given {
        return (StatusCode::UNAUTHORIZED, "who are you?".to_owned());
    }
    let path = uri.to_string();
    match (method, path.strip_prefix("/cluster/configs")) {
        (Method::GET, Some("")) => (StatusCode::OK, json!(world.configs).to_string()),
        (Method::POST, Some("")) => {
            let new: BTreeMap<String, Value> = serde_json::from_slice(&body).expect("JSON");
            world.configs.extend(new);
            (StatusCode::OK, "{}".to_owned())
        }
        (Method::DELETE, Some(key)) => {
            world.configs.remove(key.trim_start_matches('/'));
            (StatusCode::OK, "{}".to_owned())
        }
        (method, _) => {
            if method != Method::GET && path != "/query/sql" {
                world.deeds.push(format!("{method} {path}"));
            }
            match world.answers.get(&path) {
                Some(text) => (StatusCode::OK, text.clone()),
                None => (StatusCode::NOT_FOUND, String::new()),
            }
        }
    }
}
