//! The processes of one specimen: a controller and its servers, their folders and their addresses.

use crate::hands::process::Process;
use crate::target::TargetError;
use specimen::Config;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running specimen.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    dir: PathBuf,
    controller: Mutex<Process>,
    controller_url: String,
    /// A server that is down has no process.
    servers: BTreeMap<String, Mutex<Option<Process>>>,
}

impl Cluster {
    /// Starts the controller, then all servers side by side.
    pub async fn start(config: &Config, program: &Path, dir: &Path) -> Result<Cluster, TargetError> {
        let unwritten = |path: &Path, error: &dyn std::fmt::Display| TargetError::Start {
            process: "the specimen".to_owned(),
            cause: format!("{}: {error}", path.display()),
        };
        std::fs::create_dir_all(dir).map_err(|error| unwritten(dir, &error))?;
        let file = dir.join("config.json");
        let text = serde_json::to_vec(config).map_err(|error| unwritten(&file, &error))?;
        std::fs::write(&file, text).map_err(|error| unwritten(&file, &error))?;
        let arguments = ["specimen".as_ref(), "controller".as_ref(), "--config".as_ref(), file.as_os_str()];
        let log = dir.join("controller.log");
        let controller = Process::start("the controller", program, &arguments, &log).await?;
        let down = config.servers.iter().map(|name| (name.clone(), Mutex::new(None)));
        let cluster = Cluster {
            program: program.to_owned(),
            dir: dir.to_owned(),
            controller_url: format!("http://{}", controller.address),
            controller: Mutex::new(controller),
            servers: down.collect(),
        };
        for name in &config.servers {
            cluster.start_server(name).await?;
        }
        Ok(cluster)
    }

    /// The controller's URL.
    pub fn controller(&self) -> &str {
        &self.controller_url
    }

    /// The server's address, if it runs.
    pub async fn server(&self, name: &str) -> Result<String, TargetError> {
        let process = self.process(name)?.lock().await;
        let address = process.as_ref().map(|process| process.address.clone());
        address
            .ok_or_else(|| TargetError::Unreachable { at: name.to_owned(), cause: "it is down".to_owned() })
    }

    /// Starts a server that is down; one that runs is left as it is.
    pub async fn start_server(&self, name: &str) -> Result<(), TargetError> {
        let mut process = self.process(name)?.lock().await;
        if process.is_some() {
            return Ok(());
        }
        let config = self.dir.join("config.json");
        let dir = self.dir.join(name);
        let arguments = [
            "specimen".as_ref(),
            "server".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            "--name".as_ref(),
            name.as_ref(),
            "--controller".as_ref(),
            self.controller_url.as_ref(),
            "--dir".as_ref(),
            dir.as_os_str(),
        ];
        let log = self.dir.join(format!("{name}.log"));
        *process = Some(Process::start(name, &self.program, &arguments, &log).await?);
        Ok(())
    }

    /// kill -9 of a server; one that is down is left as it is.
    pub async fn kill_server(&self, name: &str) -> Result<(), TargetError> {
        if let Some(mut process) = self.process(name)?.lock().await.take() {
            let refused = |error: std::io::Error| TargetError::Refused {
                at: name.to_owned(),
                cause: format!("kill: {error}"),
            };
            process.kill().await.map_err(refused)?;
        }
        Ok(())
    }

    /// Ends every process. Their logs stay; the data that the servers kept goes.
    pub async fn end(&self) {
        for (name, server) in &self.servers {
            if let Some(mut process) = server.lock().await.take() {
                // One that cannot be waited for was not ours any more; kill_on_drop is behind this.
                drop(process.end(PATIENCE).await);
            }
            drop(std::fs::remove_dir_all(self.dir.join(name)));
        }
        drop(self.controller.lock().await.end(PATIENCE).await);
    }

    fn process(&self, name: &str) -> Result<&Mutex<Option<Process>>, TargetError> {
        self.servers.get(name).ok_or_else(|| TargetError::Refused {
            at: "the specimen".to_owned(),
            cause: format!("it has no server {name}"),
        })
    }
}
