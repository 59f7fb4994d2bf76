//! Work on partitions in parallel. Partitions share nothing, and results keep the order of partitions, so the
//! verdict does not depend on timing.

use crate::history::run_record::RunRecord;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Does the work for every partition, on as many threads as are worthwhile for the record.
pub(super) fn each_partition<T: Send>(record: &dyn RunRecord, work: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let partitions = record.meta().partitions;
    let lanes = record.parallelism().min(partitions as usize);
    if lanes < 2 {
        return (0..partitions).map(work).collect();
    }
    let next = AtomicU32::new(0);
    let lane = || {
        let due = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        due.take_while(|partition| *partition < partitions).map(|at| (at, work(at))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let done = lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let mut done: Vec<(u32, T)> = done.flatten().collect();
        done.sort_by_key(|(partition, _)| *partition);
        done.into_iter().map(|(_, result)| result).collect()
    })
}

/// Runs two pieces of work, in parallel if that is worthwhile for the record. A panic in one does not affect
/// the other.
pub(super) fn both<A, B: Send>(
    record: &dyn RunRecord,
    one: impl FnOnce() -> A,
    other: impl FnOnce() -> B + Send,
) -> (thread::Result<A>, thread::Result<B>) {
    let other = || catch_unwind(AssertUnwindSafe(other));
    let one = || catch_unwind(AssertUnwindSafe(one));
    if record.parallelism() < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), other.join().and_then(|result| result))
    })
}
