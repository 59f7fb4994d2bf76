//! The command line: commands and options, with examples. [`crate::commands`] carries them out.

mod audit;
mod compare;
mod examples;
mod list;
mod output;
mod reference;
mod serve;
mod shrink;
mod sweep;

use crate::synth::Plant;
pub use audit::AuditArgs;
use clap::builder::ArgPredicate;
use clap::{Args, Parser, Subcommand};
pub use compare::CompareArgs;
use dissent_core::history::trust::TrustChecksums;
use examples::*;
pub use list::{Kind, ListArgs};
pub use output::{Detail, Format, Output};
use output::{trust_checksums, whole};
pub use reference::{CompletionsArgs, ManArgs, SchemaArgs, SchemaOf};
pub use serve::ServeArgs;
pub use shrink::ShrinkArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
pub use sweep::SweepArgs;

/// Finds the one replica that disagrees, and the progress frontier that stopped.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// How much is printed
    #[command(flatten)]
    pub detail: Detail,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One-minute demo on built-in clusters: buggy and fixed variants, with reports
    #[command(after_help = "Example:\n  dissent demo\n  dissent demo --seed 7")]
    Demo(DemoArgs),
    /// Write to a cluster, inject faults, and report which replica is wrong
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run a plan of many arms and seeds, and tell how often each fails
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(SweepArgs),
    /// Shrink a run that failed to a few steps and writes with the same finding
    #[command(after_help = SHRINK_EXAMPLES)]
    Shrink(ShrinkArgs),
    /// Re-check recorded runs
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Compare what the replicas of a cluster hold of a table (read-only)
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(Box<AuditArgs>),
    /// Compare dumps of a table, one of each replica
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Show what every replica holds for one key, side by side
    #[command(after_help = RAW_EXAMPLES)]
    Raw(RawArgs),
    /// Print the lines of files of a run as JSON
    #[command(after_help = CAT_EXAMPLES)]
    Cat(CatArgs),
    /// Pack a run into one file for an upstream issue, without secrets, keys and values
    #[command(after_help = PACK_EXAMPLES)]
    Pack(PackArgs),
    /// Print the JSON Schema of a format
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// List workloads, nemeses, targets, faults, findings, and the fields of files
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Browse runs and sweeps of a results folder, on this machine only
    #[command(after_help = "Example:\n  dissent serve --results /var/lib/dissent --port 8080")]
    Serve(ServeArgs),
    /// Undo faults left behind by earlier runs
    #[command(after_help = "Examples:\n  dissent heal my-target.toml\n  dissent heal latest")]
    Heal(HealArgs),
    /// Proxy the segment store so that a nemesis can delay downloads
    #[command(after_help = PROXY_EXAMPLES)]
    Proxy(ProxyArgs),
    /// Generate a target file by querying your cluster (read-only)
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Check whether a run could start on a target (read-only without --conformance)
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Drop tables, topics and schemas left behind by earlier runs
    #[command(after_help = CLEAN_EXAMPLES)]
    Clean(CleanArgs),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Hold one fault, and undo it when dissent is gone
    #[command(hide = true)]
    Watchdog(WatchdogArgs),
    /// Run a process of a built-in cluster
    #[command(hide = true)]
    Specimen(SpecimenArgs),
    /// Generate a run folder of any size, with a planted fault
    #[command(hide = true)]
    Synth(SynthArgs),
}

/// `dissent demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// First seed: process runs use it, simulated runs count up from it
    #[arg(long, default_value_t = 1, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: u64,
    /// Number of simulated seeds per variant
    #[arg(long, default_value_t = 200, value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub runs: u32,
    /// Folder for results, with one subfolder per run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// Default interval between captures while the load runs.
pub const CAPTURE_EVERY: &str = "1s";

/// `dissent run`.
#[derive(Clone, Debug, Parser)]
pub struct RunArgs {
    /// Built-in target (see `dissent list targets`), or path of a target file
    #[arg(required = false, required_unless_present = "like")]
    #[arg(default_value_if("like", ArgPredicate::IsPresent, Some("")))]
    pub target: String,
    /// Built-in workload, or path of a TOML file
    #[arg(required = false, required_unless_present = "like")]
    #[arg(default_value_if("like", ArgPredicate::IsPresent, Some("")))]
    pub workload: String,
    /// Built-in nemesis, or path of a TOML file
    #[arg(required = false, required_unless_present = "like")]
    #[arg(default_value_if("like", ArgPredicate::IsPresent, Some("")))]
    pub nemesis: String,
    /// Do what a recorded run did, with another seed: its folder, or `latest`. Options that are given replace
    /// its own
    #[arg(long, value_name = "RUN", conflicts_with_all = ["target", "workload", "nemesis"])]
    pub like: Option<String>,
    /// Seed; drawn at random and printed if not given
    #[arg(long, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Number of runs; run i uses seed SEED + i, counting from 0
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub runs: u32,
    /// Number of runs in parallel [default: one per core if simulated, otherwise 2]
    #[arg(long, value_name = "N", value_parser = whole(1..=64_u32), allow_negative_numbers = true)]
    pub jobs: Option<u32>,
    /// Minimum duration of the load, such as 5s
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    pub load: Option<String>,
    /// How long to wait for replicas to catch up; must exceed the freeze threshold [default: 10s, Pinot:
    /// 100s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub quiesce: Option<String>,
    /// Restart replicas that did not catch up, to see whether that clears the freeze
    #[arg(long)]
    pub probe_restart: bool,
    /// Time limit for the run, not counting the time to undo faults [default: 2min, Pinot: 6min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub timeout: Option<String>,
    /// Interval between captures while the load runs
    #[arg(long, value_name = "TIME", default_value = CAPTURE_EVERY, allow_hyphen_values = true)]
    pub capture_every: String,
    /// Committed copies to count by the checksum that their replica tells, if another copy with the same one
    /// is read: none, all, or all but a few drawn ones that are read and prove the rule
    #[arg(long, value_name = "WHICH", default_value = "sampled", value_parser = trust_checksums())]
    pub trust_checksums: TrustChecksums,
    /// Operations per second
    #[arg(long, value_name = "HZ", value_parser = whole(1..=1_000_000_u32), allow_negative_numbers = true)]
    pub rate: Option<u32>,
    /// Change a setting, such as guard=partition-gate. Workload: rate, load, segment-rows, provenance,
    /// partitions, keys. Nemesis: ending, tail, min-exposure. Built-in clusters: guard, cause, wait, pool,
    /// servers; rule, writers, active, tick-ms, poll-ms, append-ms, batch
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the plan as JSON, without running it
    #[arg(long)]
    pub plan_only: bool,
    /// File of known issues; findings that it covers do not fail the run (see src/report/README.md)
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// After the verdict, corrupt one captured value and verify that the checker reports exactly it
    #[arg(long)]
    pub self_test: bool,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}

/// `dissent check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Run folders, or `latest`
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Compare replicas only with each other, to see what a comparison without a model would miss
    #[arg(long)]
    pub peers_only: bool,
    /// Put audits together that are parts of one table: one verdict on all
    #[arg(long, conflicts_with_all = ["peers_only", "explain", "events", "logs"])]
    pub join: bool,
    /// Also print why: the first break, its guard, the spread, and how to contain it
    #[arg(long)]
    pub explain: bool,
    /// File of known issues; findings that it covers do not fail the run (see src/report/README.md)
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Events that nodes logged, as JSON lines (see src/core/history/EVENTS.md)
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Folder with the log files of nodes, each called NODE.log (see src/core/history/EVENTS.md)
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Release that wrote the logs [default: that of the run's target]
    #[arg(long, value_name = "VERSION", requires = "logs")]
    pub release: Option<String>,
    /// Memory for the tables of the check, in MiB. Those that do not fit go to a file, which is deleted at
    /// the end. Wrong rows need about 1 KiB each besides
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = whole(1..=1_048_576_u64))]
    pub memory: u64,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}

/// `dissent cat`.
#[derive(Debug, Args)]
pub struct CatArgs {
    /// Files of run folders, such as events, logs, contents and reads
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// `dissent heal`.
#[derive(Debug, Args)]
pub struct HealArgs {
    /// Target file, to undo faults marked on the target; or run folder, to undo faults that the run recorded
    #[arg(value_name = "TARGET|RUN")]
    pub what: String,
    /// Also undo the faults of a run in progress, which makes its verdict worthless
    #[arg(long)]
    pub force: bool,
    /// Folder for results, with one subfolder per run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// `dissent proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Address that replicas would otherwise download from
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,
    /// Address for replicas to download from; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Address on which runs request delays; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub control: SocketAddr,
}

/// `dissent init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// System: pinot, postgres, etcd, exec, specimen-segments or specimen-shard
    pub system: String,
    /// URL to query: of Pinot's controller, PostgreSQL's primary, an etcd member
    pub url: String,
    /// Table to inspect, if there are several
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// File to write [default: SYSTEM.toml]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub force: bool,
    /// User name; the password is read from --password-env
    #[arg(long, value_name = "NAME", requires = "password_env")]
    pub user: Option<String>,
    /// Environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", requires = "user")]
    pub password_env: Option<String>,
    /// Environment variable that holds a bearer token
    #[arg(long, value_name = "VARIABLE", conflicts_with = "user")]
    pub token_env: Option<String>,
    /// PEM bundle of CAs to trust instead of the system store
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// `dissent doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Target file
    pub target: String,
    /// Prove that an adapter keeps its promises: make a table, write to it, and remove it again (up to 130 s;
    /// needs `writes = true` under [allow])
    #[arg(long)]
    pub conformance: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// `dissent clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// Target file
    pub target: String,
    /// Drop what this run created: its folder name, or its full name as printed by `dissent doctor`
    #[arg(long, value_name = "RUN", conflicts_with = "all")]
    pub run: Option<String>,
    /// Drop what all runs created
    #[arg(long)]
    pub all: bool,
    /// Print what would be dropped, without dropping it
    #[arg(long)]
    pub dry_run: bool,
    /// Drop tables even while a run is using the target, which makes its verdict worthless
    #[arg(long)]
    pub force: bool,
}

/// `dissent watchdog`.
#[derive(Debug, Args)]
pub struct WatchdogArgs {
    /// Maximum duration of the fault
    #[arg(long)]
    pub lease_ms: u64,
    /// The fault and how to undo it, as JSON
    #[arg(long)]
    pub mark: String,
}

/// `dissent raw`.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// Target file, run folder, or `latest`
    #[arg(value_name = "TARGET|RUN")]
    pub from: String,
    /// Key to show
    pub key: String,
    /// Show this capture [default: those in which something is odd, else the last one]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub capture: Option<u32>,
    /// Show every row and column of every capture, not only what is odd
    #[arg(long)]
    pub all: bool,
    /// Show these columns, separated by commas [default: those in which something is odd]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}

/// `dissent pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// Run folder, or `latest`
    pub run: String,
    /// File to write [default: RUN.tar.zst]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Keep keys and values as they are
    #[arg(long)]
    pub with_values: bool,
    /// Folder for results, with one subfolder per run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
}

/// `dissent synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Number of rows per replica
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub rows: u64,
    /// Number of replicas
    #[arg(long, value_name = "R", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub replicas: u32,
    /// Seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Fault to plant, such as one-column, or differ=100 for one row in 100
    #[arg(long, value_name = "KIND", default_value = "none")]
    pub plant: Plant,
    /// Folder to create
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `dissent specimen`.
#[derive(Debug, Args)]
pub struct SpecimenArgs {
    /// Which process to run.
    #[command(subcommand)]
    pub role: Role,
}

/// The processes of the built-in clusters.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// The controller: input log, ideal state, messages, commits, segment store
    Controller {
        /// Cluster configuration, as JSON
        #[arg(long)]
        config: PathBuf,
    },
    /// A cluster of servers that runs until standard input closes
    Segments(Supervised),
    /// A shard service and its writers, which run until standard input closes
    Shard(Supervised),
    /// The shard that all writers share, the input log, and the map to timestamps
    ShardService {
        /// Cluster configuration, as JSON
        #[arg(long)]
        config: PathBuf,
    },
    /// A writer of a shard
    Writer {
        /// Cluster configuration, as JSON
        #[arg(long)]
        config: PathBuf,
        /// Name of the process
        #[arg(long)]
        name: String,
        /// Incarnation number
        #[arg(long)]
        incarnation: u64,
        /// URL of the service
        #[arg(long)]
        service: String,
        /// Do not append until promoted
        #[arg(long)]
        read_only: bool,
        /// What is wrong with its machine, as JSON
        #[arg(long)]
        host: PathBuf,
    },
    /// A replica
    Server {
        /// Cluster configuration, as JSON
        #[arg(long)]
        config: PathBuf,
        /// Name of the process
        #[arg(long)]
        name: String,
        /// URL of the controller
        #[arg(long)]
        controller: String,
        /// Data folder
        #[arg(long)]
        dir: PathBuf,
        /// What is wrong with its machine, as JSON
        #[arg(long)]
        host: PathBuf,
    },
}

/// Options of a supervisor.
#[derive(Debug, Args)]
pub struct Supervised {
    /// Target file to write, for `dissent run` and `dissent heal`
    #[arg(long, value_name = "FILE", required_unless_present = "dir")]
    pub target_file: Option<PathBuf>,
    /// Folder for its files [default: next to the target file]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Change a setting, such as guard=partition-gate or rule=v2-stranding
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
