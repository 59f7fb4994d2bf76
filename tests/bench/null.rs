//! A cluster without a cluster: it acknowledges every op at once and holds whatever it was sent. The
//! conductor leads a run on it as on any other, and the run is recorded, so that only dissent's own work per
//! op is measured.

use dissent::run::run_spec::RunSpec;
use dissent_core::conductor::{Command, Conductor, CurrentRowsAnswer, Input, RowsAnswer, Snapshot};
use dissent_core::history::event::{Op, OpOutcome, TimedEvent};
use dissent_core::history::row::{CopyState, Cover, Coverage, Observed, Segment};
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::run_writer::RunWriter;
use std::collections::VecDeque;
use std::path::Path;

struct Null {
    roster: Vec<String>,
    ends: Vec<u64>,
    segments: Vec<Vec<Segment>>,
    answers: VecDeque<Input>,
}

/// Records a run of at least this many ops, interrupts it, and returns how many were counted.
pub(crate) fn run(spec: &RunSpec, ops: u64, dir: &Path) -> u64 {
    let meta = spec.meta(Seed(1), None).expect("meta");
    let mut folder = RunWriter::create(dir, meta.clone(), None).expect("a folder");
    let partitions = meta.partitions;
    let mut null = Null {
        roster: meta.roster.clone(),
        ends: vec![0; partitions as usize],
        segments: vec![Vec::new(); partitions as usize],
        answers: VecDeque::new(),
    };
    (0..partitions).for_each(|partition| null.open(partition));
    let mut conductor = Conductor::new(meta, spec.timing);
    let (mut now, mut wake, mut written) = (Nanos(0), Nanos(0), 0);
    let mut commands = Vec::new();
    let mut input = Input::Woken;
    loop {
        conductor.step(now, input, &mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Record(event) => folder.event(&TimedEvent { t: now, event }).expect("recorded"),
                Command::Wake(at) => wake = at,
                Command::Finish => {
                    folder.finish().expect("ended");
                    return written.min(ops);
                }
                Command::Write(op, _) => {
                    written += 1;
                    null.write(&op);
                    if written == ops {
                        null.answers.push_back(Input::Interrupt { by: "the benchmark".to_owned() });
                    }
                }
                other => null.answer(other),
            }
        }
        input = null.answers.pop_front().unwrap_or_else(|| {
            now = wake;
            Input::Woken
        });
        folder.tick(now).expect("recorded");
    }
}

impl Null {
    fn open(&mut self, partition: u32) {
        let segments = &mut self.segments[partition as usize];
        let seq = segments.len() as u32;
        let (name, replicas) = (format!("null__{partition}__{seq}"), self.roster.clone());
        let start = self.ends[partition as usize];
        segments.push(Segment { name, partition, seq, start, end: None, crc: None, replicas });
    }

    fn write(&mut self, op: &Op) {
        let end = &mut self.ends[op.partition as usize];
        *end += 1;
        self.answers.push_back(Input::Completed { op: op.id, outcome: OpOutcome::Ok, off: Some(*end - 1) });
    }

    fn answer(&mut self, command: Command) {
        let answer = match command {
            Command::ForceCommit => {
                for partition in 0..self.ends.len() {
                    let end = self.ends[partition];
                    let newest = self.segments[partition].last_mut().filter(|newest| newest.start < end);
                    if let Some(newest) = newest {
                        newest.end = Some(end);
                        self.open(partition as u32);
                    }
                }
                Input::CommitAsked { error: None }
            }
            Command::Sample => Input::Sampled(Snapshot {
                log_ends_before: self.ends.clone(),
                replicas: self.roster.iter().map(|name| (name.clone(), Ok(self.coverage()))).collect(),
                segments: self.segments.concat(),
                frontiers: Vec::new(),
                log_ends_after: self.ends.clone(),
                lifecycle: Vec::new(),
                deaths: Vec::new(),
            }),
            Command::ReadCoverage { replica } => Input::Covered { replica, answer: Ok(self.coverage()) },
            Command::ReadRows { read } => Input::RowsRead {
                replica: read.replica,
                answer: Ok(RowsAnswer { rows: read.before.end - read.from, digest: None }),
            },
            Command::ReadCurrentRows { read, .. } => {
                let flags = CurrentRowsAnswer { incarnation: 1, version: 1, keys: 0 };
                Input::FlagsRead { replica: read.replica, answer: Ok(flags) }
            }
            Command::ReadLog => Input::LogRead { error: None, deaths: Vec::new() },
            other => panic!("the plan has no faults: {other:?}"),
        };
        self.answers.push_back(answer);
    }

    fn coverage(&self) -> Coverage {
        let covers = self.segments.iter().flatten().map(|segment| {
            let end = segment.end.unwrap_or(self.ends[segment.partition as usize]);
            Cover {
                segment: segment.name.clone(),
                partition: segment.partition,
                seq: segment.seq,
                start: segment.start,
                end,
                state: if segment.end.is_some() { CopyState::CommittedLocal } else { CopyState::Consuming },
                registered: Observed::Known(true),
                copy: u64::from(segment.seq),
                position: None,
                checksum: None,
                rows: end - segment.start,
            }
        });
        Coverage { incarnation: 1, status: "running".to_owned(), covers: covers.collect(), leads: None }
    }
}
