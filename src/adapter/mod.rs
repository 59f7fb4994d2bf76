//! Adapters: how dissent reads, writes and disturbs each system. A new system needs one module here and its
//! line in `registry.rs`.

pub mod capabilities;
mod clock;
pub mod containment;
pub mod contents;
pub mod diagnosis;
pub mod discovery;
pub mod etcd;
pub mod exec;
pub mod http;
mod leased_injector;
pub mod lock_folder;
#[cfg(feature = "pinot")]
pub mod pinot;
#[cfg(feature = "postgres")]
pub mod postgres;
mod registry;
mod segment_contents;
pub mod specimen;
pub mod state;
pub mod system;
pub mod target_text;
pub mod throttle;
#[cfg(feature = "tls")]
mod tls;

pub use capabilities::{
    AUTHORITY, BOUNDARIES, Capabilities, Client, Cluster, Completion, Defaults, Frontiers, InjectionContext,
    Injector, InputLog, Leftover, Lifecycle, ProcessMonitor, RawReads, Refusal, RowSink, SegmentCatalogue,
};
pub use registry::{
    SYSTEMS, begin, can, check_name, check_run, containment, defaults, diagnose, discover, ended_early,
    ended_early_within, has_no_log, heal, holder, load_target, log_records, marks, reach, reach_contents,
    refuse_obstacles, system, systems_with_logs,
};
