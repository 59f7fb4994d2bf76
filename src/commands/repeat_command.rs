//! The arguments that repeat a run, in the order of the command line.

use crate::cli::{CAPTURE_EVERY, RunArgs};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::trust::TrustChecksums;

/// The arguments after `dissent run`, without the seed, and without options that do not change a run: the
/// number of runs, the results folder and the output format.
pub(super) fn words(args: &RunArgs) -> Vec<String> {
    // Every field is listed, so that none is forgotten.
    let RunArgs {
        target,
        workload,
        nemesis,
        load,
        quiesce,
        probe_restart,
        timeout,
        capture_every,
        trust_checksums,
        rate,
        set,
        self_test,
        known,
        like: _,
        seed: _,
        runs: _,
        jobs: _,
        plan_only: _,
        output: _,
    } = args;
    let capture_every = Some(capture_every.clone()).filter(|given| given != CAPTURE_EVERY);
    let trust = Some(stored_name(trust_checksums)).filter(|_| *trust_checksums != TrustChecksums::Sampled);
    let valued = [
        ("--for", load.clone()),
        ("--rate", rate.map(|rate| rate.to_string())),
        ("--quiesce", quiesce.clone()),
        ("--timeout", timeout.clone()),
        ("--capture-every", capture_every),
        ("--trust-checksums", trust),
        ("--known", known.as_ref().map(|file| file.display().to_string())),
    ];
    let valued = valued.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])).flatten();
    let flags = [("--probe-restart", *probe_restart), ("--self-test", *self_test)];
    let flags = flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
    let set = set.iter().flat_map(|pair| ["--set".to_owned(), pair.clone()]);
    let plan = [target, workload, nemesis].map(Clone::clone);
    plan.into_iter().chain(valued).chain(flags).chain(set).collect()
}
