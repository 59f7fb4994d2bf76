//! The command line: what may be asked, with examples. What is done about it stands in [`crate::commands`].

use crate::synth::Plant;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

/// Finds the one replica that disagrees, and the progress frontier that stopped.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 pass   1 violation   2 usage or configuration   3 inconclusive
  4 target unreachable or set-up failed   5 a fault may have been left at the target
  70 a bug of dissent   129, 130, 143 after SIGHUP, SIGINT, SIGTERM with all cures done";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job on the embedded cluster: bug arms and control arms, a table, reports
    #[command(after_help = "Example:\n  dissent demo\n  dissent demo --seed 7")]
    Demo(DemoArgs),
    /// Write to a target, break it on purpose, compare its replicas, say who is wrong
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Judge recorded runs again
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// What every replica has of one key, side by side
    #[command(after_help = RAW_EXAMPLES)]
    Raw(RawArgs),
    /// What there is: workloads, nemeses, targets, faults, findings
    #[command(after_help = "Examples:\n  dissent list\n  dissent list nemeses late-transition")]
    List(ListArgs),
    /// Cure the faults that runs have left at a target
    #[command(after_help = "Examples:\n  dissent heal my-target.toml\n  dissent heal latest")]
    Heal(HealArgs),
    /// Stand before the place from which replicas download segments, so that a plan can slow a download
    #[command(after_help = PROXY_EXAMPLES)]
    Proxy(ProxyArgs),
    /// Write a target file for a cluster of your own, from what it tells
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// What can be reached at a target, what may be done there, and what is in the way; changes nothing
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Drop the tables that runs have left at a target, with their topics and schemas
    #[command(after_help = CLEAN_EXAMPLES)]
    Clean(CleanArgs),
    /// The process that holds one fault and cures it when the tool is gone
    #[command(hide = true)]
    Watchdog(WatchdogArgs),
    /// A process of the embedded cluster
    #[command(hide = true)]
    Specimen(SpecimenArgs),
    /// A made-up run of any size, with a fault planted on purpose
    #[command(hide = true)]
    Synth(SynthArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  dissent run specimen-segments partial-upsert late-transition
  dissent run specimen-segments partial-upsert late-transition --set guard=partition-gate
  dissent run sim-segments partial-upsert late-transition --runs 1000 --seed 1
  dissent run sim-segments steady none --format json
  dissent run specimen-shard upsert-feed cold-cutover --set rule=v2-stranding
  dissent run specimen-segments my-workload.toml my-nemesis.toml --plan-only
  dissent run pinot.toml partial-upsert none
  dissent run pinot.toml partial-upsert late-transition --runs 10 --seed 1";

const INIT_EXAMPLES: &str = "\
Examples:
  dissent init pinot http://controller:9000
  dissent init pinot http://controller:9000 --table acct --out my-pinot.toml
  dissent init pinot https://controller:9443 --ca ca.pem --user dissent --password-env PINOT_PASSWORD";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  dissent doctor pinot.toml
  dissent doctor pinot.toml --format json

Exit code 0: a run could begin, as far as the cluster goes; 4: something is in the way.";

const CLEAN_EXAMPLES: &str = "\
Examples:
  dissent clean pinot.toml --dry-run
  dissent clean pinot.toml --run pinot-partial-upsert-none-seed7
  dissent clean pinot.toml --all";

const CHECK_EXAMPLES: &str = "\
Examples:
  dissent check latest
  dissent check results/sim-segments-*
  dissent check latest --peers-only
  dissent check latest --known known.toml";

const RAW_EXAMPLES: &str = "\
Examples:
  dissent raw latest p0-k17
  dissent raw results/sim-segments-partial-upsert-late-transition-seed7 p0-k17 --format json
  dissent raw pinot.toml k1-15";

const PROXY_EXAMPLES: &str = "\
It says where it listens in one line of JSON: `listen` is for the replicas (Pinot: controller.vip.host and
controller.vip.port), `control` for the target file, as `proxy = \"..\"`.

Example:
  dissent proxy --to 127.0.0.1:9000 --listen 127.0.0.1:9100";

/// Reads a whole number within a range, and says which one where it is none.
fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text: &str| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("write a whole number from {} to {}", range.start(), range.end())),
    }
}

/// Where runs are kept, and how results are told.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// The folder that holds one folder a run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
    /// How the verdict is told on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How the verdict is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; a verdict ends with one line to grep for
    Human,
    /// One JSON document; the line to grep for goes to stderr
    Json,
}

/// `dissent demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The first seed: process runs take it, simulated runs count up from it
    #[arg(long, default_value_t = 1, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: u64,
    /// Simulated seeds an arm
    #[arg(long, default_value_t = 200, value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub runs: u32,
    /// The folder that holds one folder a run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// How often is captured during the load, if nothing is said.
pub const CAPTURE_EVERY: &str = "1s";

/// `dissent run`.
#[derive(Debug, Parser)]
pub struct RunArgs {
    /// A built-in target (see `dissent list targets`), or the path of a target file
    pub target: String,
    /// A workload by name, or the path of a TOML file
    pub workload: String,
    /// A nemesis plan by name, or the path of a TOML file
    pub nemesis: String,
    /// The seed; drawn and printed if not given
    #[arg(long, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// This many runs: run i has seed SEED + i
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub runs: u32,
    /// Runs side by side [default: one a core if simulated, else 2]
    #[arg(long, value_name = "N", value_parser = whole(1..=64_u32), allow_negative_numbers = true)]
    pub jobs: Option<u32>,
    /// How long the load lasts at least, such as 5s
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    pub load: Option<String>,
    /// The longest wait for replicas to catch up [default: 10s, Pinot: 100s, so that one that does not is
    /// known to be frozen]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub quiesce: Option<String>,
    /// Then restart what has not caught up, and wait as long again: does a restart clear a freeze?
    #[arg(long)]
    pub probe_restart: bool,
    /// The longest time for everything but the cures [default: 2min, Pinot: 6min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// Between two captures during the load
    #[arg(long, value_name = "TIME", default_value = CAPTURE_EVERY, allow_hyphen_values = true)]
    pub capture_every: String,
    /// Ops a second
    #[arg(long, value_name = "HZ", value_parser = whole(1..=1_000_000_u32), allow_negative_numbers = true)]
    pub rate: Option<u32>,
    /// Change a setting, such as guard=partition-gate. Workload: rate, load, segment-rows, provenance,
    /// partitions, keys. Nemesis: ending, tail, min-exposure. Embedded clusters: guard, pool, servers; rule,
    /// writers, active, tick-ms, poll-ms, append-ms, batch
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub plan_only: bool,
    /// A file of known issues: what it covers turns exit code 1 into 0 (see src/report/README.md)
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// After the verdict, change one captured value and demand that the judge finds just that
    #[arg(long)]
    pub self_test: bool,
    /// Where and how
    #[command(flatten)]
    pub output: Output,
}

/// `dissent check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folders of runs, or `latest`
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Compare replicas with each other alone, to see what a comparison without a model would have missed
    #[arg(long)]
    pub peers_only: bool,
    /// A file of known issues: what it covers turns exit code 1 into 0 (see src/report/README.md)
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Where and how
    #[command(flatten)]
    pub output: Output,
}

/// `dissent heal`.
#[derive(Debug, Args)]
pub struct HealArgs {
    /// A target file: what its marks tell; or a run's folder: what it wrote down
    #[arg(value_name = "TARGET|RUN")]
    pub what: String,
    /// Heal also what is in force for a run that is going on; its verdict is then worth nothing
    #[arg(long)]
    pub force: bool,
    /// The folder that holds one folder a run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// `dissent proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Where downloads come from
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,
    /// Where replicas are to ask for them; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where runs ask for downloads to be held
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub control: SocketAddr,
}

/// `dissent init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The system: pinot, specimen-segments or specimen-shard
    pub system: String,
    /// The URL at which it is asked first; of Pinot a controller's
    pub url: String,
    /// The table to look at, where there are several
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// The file to write [default: the system's name and .toml]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
    /// Who asks; the password is never an argument
    #[arg(long, value_name = "NAME", requires = "password_env")]
    pub user: Option<String>,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    pub password_env: Option<String>,
    /// The environment variable that holds a bearer token
    #[arg(long, value_name = "VARIABLE", conflicts_with = "user")]
    pub token_env: Option<String>,
    /// A file of certificates (PEM) that are believed in place of the system's
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `dissent doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A target file
    pub target: String,
    /// How it is told on stdout
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `dissent clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// A target file
    pub target: String,
    /// Only what this run made: its folder's name, or the name in full as `dissent doctor` tells it
    #[arg(long, value_name = "RUN", conflicts_with = "all")]
    pub run: Option<String>,
    /// What all runs made
    #[arg(long)]
    pub all: bool,
    /// Only tell what would be dropped
    #[arg(long)]
    pub dry_run: bool,
    /// Drop tables also while a run has the target; its verdict is then worth nothing
    #[arg(long)]
    pub force: bool,
}

/// `dissent watchdog`.
#[derive(Debug, Args)]
pub struct WatchdogArgs {
    /// The longest that the fault may last
    #[arg(long)]
    pub lease_ms: u64,
    /// The fault and its cure, as JSON
    #[arg(long)]
    pub mark: String,
}

/// `dissent raw`.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// A target file, a run's folder, or `latest`
    #[arg(value_name = "TARGET|RUN")]
    pub from: String,
    /// The key
    pub key: String,
    /// Where and how
    #[command(flatten)]
    pub output: Output,
}

/// `dissent list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only these
    #[arg(value_enum)]
    pub kind: Option<Kind>,
    /// One of them, whole
    #[arg(requires = "kind")]
    pub name: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What is written
    Workloads,
    /// What goes wrong
    Nemeses,
    /// Clusters
    Targets,
    /// Faults
    Faults,
    /// What can be found
    Findings,
}

/// `dissent synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Rows on every replica
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub rows: u64,
    /// Replicas
    #[arg(long, value_name = "R", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub replicas: u32,
    /// The seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// What is wrong with it, such as one-column, or differ=100 for one row in 100
    #[arg(long, value_name = "KIND", default_value = "none")]
    pub plant: Plant,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `dissent specimen`.
#[derive(Debug, Args)]
pub struct SpecimenArgs {
    /// Which process.
    #[command(subcommand)]
    pub role: Role,
}

/// The processes of the embedded cluster.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Input log, ideal state, messages, commits, store
    Controller {
        /// The cluster's configuration, as JSON
        #[arg(long)]
        config: PathBuf,
    },
    /// A whole cluster of servers, which lives until the standard input closes
    Segments(Supervised),
    /// A shard's service and its writers, which live until the standard input closes
    Shard(Supervised),
    /// The shard of all writers, the input log, the map to timestamps
    ShardService {
        /// The cluster's configuration, as JSON
        #[arg(long)]
        config: PathBuf,
    },
    /// A writer of a shard
    Writer {
        /// The cluster's configuration, as JSON
        #[arg(long)]
        config: PathBuf,
        /// Its name
        #[arg(long)]
        name: String,
        /// Which of its lives this is
        #[arg(long)]
        incarnation: u64,
        /// The service's URL
        #[arg(long)]
        service: String,
        /// Append nothing until promoted
        #[arg(long)]
        read_only: bool,
    },
    /// A replica
    Server {
        /// The cluster's configuration, as JSON
        #[arg(long)]
        config: PathBuf,
        /// Its name
        #[arg(long)]
        name: String,
        /// The controller's URL
        #[arg(long)]
        controller: String,
        /// Its folder
        #[arg(long)]
        dir: PathBuf,
    },
}

/// What a supervisor is told.
#[derive(Debug, Args)]
pub struct Supervised {
    /// Write the file by which `dissent run` and `dissent heal` reach it
    #[arg(long, value_name = "FILE", required_unless_present = "dir")]
    pub target_file: Option<PathBuf>,
    /// Where its files lie [default: beside the target file]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// A setting, such as guard=partition-gate or rule=v2-stranding
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
