//! Adapters: how dissent reads, writes and disturbs each system. A new system needs one module here, its
//! lines in `registry.rs`, and one in [`crate::config::target`].

pub mod capabilities;
pub mod containment;
pub mod diagnosis;
pub mod discovery;
pub mod http;
mod leased_injector;
#[cfg(feature = "pinot")]
pub mod pinot;
mod registry;
pub mod specimen;
pub mod state;
#[cfg(feature = "pinot")]
mod throttle;
#[cfg(feature = "tls")]
mod tls;

pub use capabilities::{
    AUTHORITY, BOUNDARIES, Capabilities, Client, Cluster, Completion, Defaults, Frontiers, InjectionContext,
    Injector, InputLog, Leftover, Lifecycle, ProcessMonitor, RawReads, Refusal, RowSink, SegmentCatalogue,
};
pub use registry::{
    LOGS_OF, begin, can, check_run, containment, defaults, diagnose, discover, ended_early,
    ended_early_within, heal, holder, log_records, marks, reach, refuse_obstacles,
};
