//! Brackets, sessions and cures of the conductor, driven by hand: inputs and the commands they must give.

mod roles;
mod sharing;

use super::capture::{Captures, CurrentRowsAnswer, RowsAnswer};
use super::cluster_view::{ClusterView, frontier};
use super::faults::Faults;
use super::key_sessions::Sessions;
use super::stage::Stage;
use super::{Command, CommitPolicy, Conductor, FrontierSeen, Input, Snapshot, Timing};
use crate::history::event::{CaptureReason, Event, Op, OpOutcome};
use crate::history::fault::{Condition, Fault, FaultKind};
use crate::history::frontier::FrontierReading;
use crate::history::row::{
    Base, CopyState, Cover, Coverage, CurrentRead, Observed, Read, ReadValidity, Segment,
};
use crate::history::run_record::RunMeta;
use crate::history::time::Nanos;
use crate::test_data;

const REPLICA: &str = "server-0";

const TIMING: Timing = Timing {
    sample_every: Nanos(1),
    capture_every: Nanos(u64::MAX / 2),
    quiesce: Nanos(1),
    no_answer: Nanos(10),
    deadline: Nanos(u64::MAX),
    boundaries: CommitPolicy::UnderLoad { most: None },
    probe_restart: false,
};

fn of_one_partition() -> Captures {
    Captures::new(&RunMeta { partitions: 1, ..segments("none") })
}

fn cover(range: std::ops::Range<u64>, copy: u64) -> Cover {
    Cover {
        segment: "acct__0__0".to_owned(),
        partition: 0,
        seq: 0,
        rows: range.end - range.start,
        position: None,
        checksum: None,
        start: range.start,
        end: range.end,
        state: CopyState::Consuming,
        registered: Observed::Known(true),
        copy,
    }
}

fn coverage(cover: Cover) -> Result<Coverage, String> {
    Ok(Coverage { incarnation: 1, status: "running".to_owned(), covers: vec![cover], leads: None })
}

/// Takes one capture of one replica: coverage before, number of rows, coverage after. Returns what is
/// recorded.
fn capture(captures: &mut Captures, before: Cover, rows: u64, after: Cover) -> Vec<Read> {
    let mut out = Vec::new();
    if !captures.is_running() {
        captures.begin(&[REPLICA.to_owned()], CaptureReason::Periodic, &mut out);
    }
    captures.covered(REPLICA, coverage(before), &mut out);
    let asked = |out: &[Command]| out.iter().any(|command| matches!(command, Command::ReadRows { .. }));
    if asked(&out) {
        captures.rows_read(REPLICA, Ok(RowsAnswer { rows, digest: None }), &mut out);
    }
    captures.flags_read(REPLICA, Ok(CurrentRowsAnswer { incarnation: 1, version: 1, keys: 0 }), &mut out);
    captures.covered(REPLICA, coverage(after), &mut out);
    let read = |command| match command {
        Command::Record(Event::Read(read)) => Some(*read),
        _ => None,
    };
    out.into_iter().filter_map(read).collect()
}

#[test]
fn a_capture_reads_only_what_no_earlier_capture_of_the_copy_holds() {
    let mut captures = of_one_partition();
    let first = capture(&mut captures, cover(0..10, 1), 10, cover(0..12, 1));
    let second = capture(&mut captures, cover(0..15, 1), 5, cover(0..15, 1));
    let third = capture(&mut captures, cover(0..15, 1), 0, cover(0..15, 1));
    let seen = |reads: &[Read]| {
        reads.iter().map(|read| (read.from, read.rows, read.end_after, read.soundness)).collect::<Vec<_>>()
    };
    assert_eq!(seen(&first), [(0, 10, 12, ReadValidity::Sound)]);
    assert_eq!(seen(&second), [(10, 5, 15, ReadValidity::Sound)]);
    assert_eq!(seen(&third), [(15, 0, 15, ReadValidity::Sound)], "no rows, but it says what is covered now");
    assert!(!captures.is_running());
    let bases = [&first, &second, &third].map(|reads| reads[0].base);
    assert_eq!(bases, [Base::Nothing, Base::Read(first[0].id), Base::Read(second[0].id)]);
}

/// Reads flags of one partition three times in one incarnation and once in the next. The second read fails.
#[test]
fn changed_flags_name_the_last_successful_read_of_the_same_incarnation() {
    let mut captures = of_one_partition();
    let mut read = |incarnation: u64, comes: bool| -> CurrentRead {
        let mut out = Vec::new();
        let covered =
            || Ok(Coverage { incarnation, status: "running".to_owned(), covers: Vec::new(), leads: None });
        captures.begin(&[REPLICA.to_owned()], CaptureReason::Periodic, &mut out);
        captures.covered(REPLICA, covered(), &mut out);
        let flags = CurrentRowsAnswer { incarnation, version: 1, keys: 0 };
        captures.flags_read(REPLICA, comes.then_some(flags).ok_or("no answer".to_owned()), &mut out);
        captures.covered(REPLICA, covered(), &mut out);
        let recorded = out.into_iter().find_map(|command| match command {
            Command::Record(Event::CurrentRead(read)) => Some(*read),
            _ => None,
        });
        recorded.expect("a read of flags")
    };
    let reads = [read(1, true), read(1, false), read(1, true), read(2, true)];
    let first = Base::Read(reads[0].id);
    assert_eq!(reads.map(|read| read.base), [Base::Nothing, first, first, Base::Nothing]);
}

#[test]
fn a_copy_that_changes_within_the_bracket_is_read_again_from_its_start() {
    let mut captures = of_one_partition();
    let torn = capture(&mut captures, cover(0..10, 1), 10, cover(0..10, 2));
    assert_eq!(torn[0].soundness, ReadValidity::CopyChanged);
    assert!(captures.is_running(), "it is to be read again");
    let again = capture(&mut captures, cover(0..10, 2), 10, cover(0..10, 2));
    assert_eq!((again[0].from, again[0].soundness), (0, ReadValidity::Sound));
    assert!(!captures.is_running());
}

#[test]
fn a_read_with_fewer_rows_than_the_target_counts_is_truncated_and_given_up_after_three_rounds() {
    let mut captures = of_one_partition();
    for round in 1..=3 {
        let reads = capture(&mut captures, cover(0..10, 1), 9, cover(0..10, 1));
        assert_eq!(reads[0].soundness, ReadValidity::Truncated, "round {round}");
    }
    assert!(!captures.is_running());
}

#[test]
fn a_replica_that_falls_silent_within_its_bracket_leaves_nothing_that_counts() {
    let mut captures = of_one_partition();
    let mut out = Vec::new();
    captures.begin(&[REPLICA.to_owned()], CaptureReason::Final, &mut out);
    captures.covered(REPLICA, coverage(cover(0..10, 1)), &mut out);
    captures.rows_read(REPLICA, Ok(RowsAnswer { rows: 10, digest: None }), &mut out);
    captures.flags_read(REPLICA, Err("no answer".to_owned()), &mut out);
    captures.covered(REPLICA, Err("no answer".to_owned()), &mut out);
    let sound = out.iter().any(
        |command| {
            matches!(command, Command::Record(Event::Read(read)) if read.soundness == ReadValidity::Sound)
        },
    );
    assert!(!sound && !captures.is_running());
    let next = capture(&mut captures, cover(0..10, 1), 10, cover(0..10, 1));
    assert_eq!(next[0].from, 0, "what did not count is read again");
}

/// SEG_M = [0,10) is not loaded, SEG_M1 = [10,20) is consumed to 20: the position is 0, not 20.
#[test]
fn the_frontier_stops_at_the_first_hole() {
    let later = Cover { seq: 1, ..cover(10..20, 1) };
    assert_eq!(frontier([&later].into_iter()), 0);
    assert_eq!(frontier([&cover(0..10, 1), &later].into_iter()), 20);
    let hidden = Cover { registered: Observed::Known(false), ..cover(0..10, 1) };
    assert_eq!(frontier([&hidden, &later].into_iter()), 0);
}

fn op(id: u64, key: &str) -> Op {
    Op { id, partition: 0, key: key.into(), cmp: 0, cols: Vec::new(), delete: false, due: Nanos(0) }
}

#[test]
fn an_op_waits_for_the_one_before_it_on_its_key_and_for_no_other() {
    let mut sessions = Sessions::default();
    let sent = |op: Option<Op>| op.map(|op| op.id);
    assert_eq!(sent(sessions.offer(op(1, "a"))), Some(1));
    assert_eq!(sent(sessions.offer(op(2, "a"))), None);
    assert_eq!(sent(sessions.offer(op(3, "b"))), Some(3));
    assert_eq!(sessions.complete(1, false).map(|(_, next)| sent(next)), Some(Some(2)));
    assert_eq!(sessions.complete(3, false).map(|(_, next)| sent(next)), Some(None));
    assert!(!sessions.is_idle());
    assert_eq!(sessions.complete(2, false).map(|(_, next)| sent(next)), Some(None));
    assert!(sessions.is_idle());
    assert!(sessions.complete(2, false).is_none(), "an answer that comes twice counts once");
}

/// `RULES.md` 12: the op may still take effect, after any later one.
#[test]
fn a_key_is_retired_once_nobody_knows_what_became_of_its_op() {
    let mut sessions = Sessions::default();
    assert!(sessions.offer(op(1, "a")).is_some() && sessions.offer(op(2, "a")).is_none());
    assert!(sessions.complete(1, true).is_some_and(|(_, next)| next.is_none()), "what waited is dropped");
    assert!(sessions.is_idle() && sessions.offer(op(3, "a")).is_none());
    assert!(sessions.is_idle(), "what comes later is dropped too");
    assert!(sessions.offer(op(4, "b")).is_some());
}

/// A fault that was still beginning when the run was cut off is cured as soon as it is in force.
#[test]
fn an_interrupt_cures_what_is_in_force_and_what_is_still_beginning() {
    let mut meta = segments("late-transition");
    meta.steps.iter_mut().for_each(|step| step.begin = Condition::At(Nanos(0)));
    let mut conductor = Conductor::new(meta, TIMING);
    let mut out = Vec::new();
    conductor.step(Nanos(0), Input::Woken, &mut out);
    conductor.enter(Nanos(1), Stage::Load, &mut out);
    conductor.step(Nanos(2), Input::Woken, &mut out);
    let begun = |out: &[Command]| {
        let begin = |command: &Command| match command {
            Command::Begin { step, .. } => Some(step.clone()),
            _ => None,
        };
        out.iter().filter_map(begin).collect::<Vec<_>>()
    };
    let steps = begun(&out);
    assert_eq!(steps.len(), 2);
    conductor.step(Nanos(3), Input::Begun { step: steps[0].clone(), error: None }, &mut out);
    out.clear();
    conductor.step(Nanos(4), Input::Interrupt { by: "SIGINT".to_owned() }, &mut out);
    let cures = |out: &[Command]| out.iter().filter(|c| matches!(c, Command::Cure { .. })).count();
    assert_eq!(cures(&out), 1);
    conductor.step(Nanos(5), Input::Begun { step: steps[1].clone(), error: None }, &mut out);
    assert_eq!(cures(&out), 2);
}

/// The metadata of a run of four replicas with segments, under this plan.
fn segments(nemesis: &str) -> RunMeta {
    let replicas = [REPLICA, "server-1", "server-2", "server-3"];
    test_data::meta(&test_data::workload("partial-upsert"), &test_data::nemesis(nemesis), &replicas)
}

/// The metadata of a run of two writers that share a shard.
fn shard() -> RunMeta {
    let writers = ["writer-0", "writer-1"];
    let meta = test_data::meta(&test_data::workload("upsert-feed"), &test_data::nemesis("none"), &writers);
    RunMeta { frontiers: test_data::frontiers(&writers), ..meta }
}

/// A sample of frontiers with goal 100, in the order in which they are declared; `None` for one that is
/// missing.
fn sample(meta: &RunMeta, positions: [Option<u64>; 3]) -> Snapshot {
    let seen = meta.frontiers.iter().zip(positions).filter_map(|(declared, f)| {
        let (object, status) = (declared.object.clone(), "running".to_owned());
        let reading = FrontierReading { object, u1: 99, f: Some(f?), u2: 99, status, incarnation: 1 };
        Some(FrontierSeen { reading, is_awaited: true })
    });
    Snapshot {
        log_ends_before: vec![0],
        replicas: Vec::new(),
        segments: Vec::new(),
        log_ends_after: vec![0],
        lifecycle: Vec::new(),
        frontiers: seen.collect(),
        deaths: Vec::new(),
    }
}

/// The positions of the two writers and of the shard, and the replicas to restart.
#[test]
fn lagging_writers_are_unsettled_and_all_are_if_only_the_shard_lags() {
    let meta = shard();
    for (positions, unsettled) in [
        ([100, 100, 100], &[][..]),
        ([100, 40, 100], &["writer-1"]),
        ([100, 40, 40], &["writer-1"]),
        ([100, 100, 40], &["writer-0", "writer-1"]),
    ] {
        let mut view = ClusterView::new(&meta);
        view.absorb(Nanos(1), sample(&meta, positions.map(Some)));
        assert_eq!(view.unsettled(), unsettled, "{positions:?}");
        assert_eq!(view.all_settled(), unsettled.is_empty());
    }
}

/// Only a run that has not settled is probed, before its deadline, and only if the user asked for a probe.
#[test]
fn what_has_not_settled_in_time_is_probed_before_the_deadline_on_request() {
    let meta = shard();
    for (probe_restart, settled, now, expected) in
        [(true, false, 1, true), (false, false, 1, false), (true, true, 1, false), (true, false, 9, false)]
    {
        let timing = Timing { probe_restart, deadline: Nanos(9), ..TIMING };
        let mut conductor = Conductor::new(meta.clone(), timing);
        conductor.view.absorb(Nanos(1), sample(&meta, [Some(100), Some(40), Some(100)]));
        conductor.settled = settled;
        assert_eq!(conductor.should_probe(Nanos(now)), expected);
    }
}

/// While the lagging writer is down, every frontier that is there has reached its goal.
#[test]
fn a_sample_from_before_the_cure_does_not_settle_the_probe() {
    let meta = shard();
    let mut conductor = Conductor::new(meta.clone(), Timing { quiesce: Nanos(100), ..TIMING });
    let mut out = Vec::new();
    conductor.sampling = true;
    conductor.enter(Nanos(1), Stage::ProbeCure, &mut out);
    conductor.step(Nanos(2), Input::Woken, &mut out);
    assert_eq!(conductor.stage, Stage::ProbeCure, "a look is still on its way");
    conductor.step(Nanos(3), Input::Sampled(sample(&meta, [Some(100), None, Some(100)])), &mut out);
    assert_eq!(conductor.stage, Stage::ProbeSettle { since: Nanos(3) });
    conductor.step(Nanos(4), Input::Sampled(sample(&meta, [Some(100); 3])), &mut out);
    assert_eq!(conductor.stage, Stage::ProbeCapture);
}

/// A sample that was requested while we kept a replica down may report it dead after its cure.
#[test]
fn a_replica_that_we_silenced_since_the_sample_was_requested_is_not_reported_dead() {
    let mut faults = Faults::new(&[]);
    let fault = Fault { kind: FaultKind::Restart, replica: REPLICA.to_owned(), partition: None, seq: None };
    faults.add_beginning("restart", &fault);
    assert!(faults.silenced(REPLICA, Nanos(5)) && !faults.silenced("server-1", Nanos(5)));
    faults.begun("restart", Nanos(5), true);
    faults.cured("restart", Nanos(7));
    assert!(faults.silenced(REPLICA, Nanos(7)));
    assert!(!faults.silenced(REPLICA, Nanos(8)), "it is gone once more");
}

/// A conductor in the load of a plan without faults, whose segments end in this way.
fn loading(boundaries: CommitPolicy) -> Conductor {
    let mut conductor = Conductor::new(segments("none"), Timing { boundaries, ..TIMING });
    conductor.enter(Nanos(0), Stage::Load, &mut Vec::new());
    conductor
}

/// One open segment of partition 0, and the end of its log.
fn open_segment(end: u64) -> Snapshot {
    let (name, replicas) = ("acct__0__0".to_owned(), vec![REPLICA.to_owned()]);
    let segment = Segment { name, partition: 0, seq: 0, start: 0, end: None, crc: None, replicas };
    Snapshot {
        log_ends_before: vec![end, 0],
        replicas: Vec::new(),
        segments: vec![segment],
        log_ends_after: vec![end, 0],
        lifecycle: Vec::new(),
        frontiers: Vec::new(),
        deaths: Vec::new(),
    }
}

/// Every boundary takes longer to cross than the next one takes to become due.
#[test]
fn a_load_that_waits_for_boundaries_comes_to_its_end() {
    let second = Nanos(1_000_000_000);
    for (most, is_due) in [(None, true), (Some(1_200), false)] {
        let mut conductor = loading(CommitPolicy::UnderLoad { most });
        conductor.view.absorb(Nanos(1), open_segment(300));
        assert!(conductor.boundary_due(Nanos(2)), "300 rows of two partitions");
        assert_eq!(conductor.boundary_due(second), is_due, "{most:?}");
        assert!(conductor.load_is_over(second));
        assert!(!conductor.is_full());
        conductor.view.absorb(Nanos(3), open_segment(1_200));
        assert_eq!(conductor.is_full(), most.is_some());
    }
}

#[test]
fn rows_missing_for_a_boundary_are_written_once() {
    let mut conductor = loading(CommitPolicy::RowThreshold { rows: 600 });
    let mut out = Vec::new();
    let written = |out: &mut Vec<Command>| -> Vec<Op> {
        let op = |command| match command {
            Command::Write(op, _) => Some(op),
            _ => None,
        };
        assert!(!out.iter().any(|command| matches!(command, Command::ForceCommit)), "nothing is asked for");
        out.drain(..).filter_map(op).collect()
    };
    conductor.view.absorb(Nanos(1), open_segment(10));
    conductor.ask_boundary(&mut out);
    let ops = written(&mut out);
    assert_eq!((ops.len(), ops[0].partition), (590, 0));
    let keys: std::collections::BTreeSet<&std::sync::Arc<str>> = ops.iter().map(|op| &op.key).collect();
    assert_eq!(keys.len(), 590, "each has a key of its own");
    // The last op gets no answer; a sample shows that it is not in the log.
    for (at, op) in ops.iter().enumerate() {
        let known = at + 1 < ops.len();
        let (outcome, off) =
            (if known { OpOutcome::Ok } else { OpOutcome::Unknown }, known.then_some(10 + at as u64));
        conductor.completed(op.id, outcome, off, &mut out);
    }
    out.clear();
    conductor.absorb(Nanos(2), Input::Sampled(open_segment(599)), &mut out);
    let again = written(&mut out);
    assert_eq!(again.len(), 1);
    conductor.completed(again[0].id, OpOutcome::Ok, Some(599), &mut out);
    conductor.absorb(Nanos(3), Input::Sampled(open_segment(600)), &mut out);
    assert!(written(&mut out).is_empty() && conductor.is_full());
    let mut crossed = open_segment(600);
    crossed.segments[0].end = Some(600);
    crossed.segments.push(Segment { seq: 1, start: 600, end: None, ..crossed.segments[0].clone() });
    conductor.absorb(Nanos(4), Input::Sampled(crossed), &mut out);
    assert!(conductor.crossing.is_none() && !conductor.is_full());
    assert!(!conductor.boundary_due(Nanos(5)), "what was written for the last one does not count");
}
