//! The tokio shell around the conductor: real time, sockets and files. It carries out commands, feeds back
//! their results, and records everything before it is judged.

use super::observer::Observer;
use super::panic::caught;
use super::sampling::{absent, deaths, snapshot};
use super::signals::Signals;
use crate::adapter::{Capabilities, Completion};
use crate::exit::StopSignal;
use crate::target_error::TargetError;
use dissent_core::conductor::{Command, Conductor, Input, RowsAnswer, Timing};
use dissent_core::generator::delivery::Delivery;
use dissent_core::history::event::{Event, Op, OpOutcome, ProcessExit, ReadTraffic, TimedEvent};
use dissent_core::history::fault::{Fault, StepId};
use dissent_core::history::row::{CurrentRead, CurrentRow, Entry, Read, Row};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use dissent_store::run_writer::RunWriter;
use dissent_store::writing::StoreError;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::{Pin, pin};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

/// How a run ended, besides its record.
#[derive(Debug, Default)]
pub struct EngineEnd {
    /// The signal that interrupted the run, if one did.
    pub signal: Option<StopSignal>,
    /// The message of a panic in this program. Nothing was recorded after it.
    pub panicked: Option<String>,
    /// The first error while writing the record. Nothing was recorded after it.
    pub unrecorded: Option<StoreError>,
}

/// The result of a command, before it is recorded.
enum Completed {
    Input(Input),
    Rows {
        read: Read,
        digest: Option<u64>,
        rows: Result<Vec<Row>, TargetError>,
    },
    Flags {
        read: CurrentRead,
        answer: Result<CurrentRowsRead, TargetError>,
    },
    Log {
        last: bool,
        read: Result<Vec<Vec<Entry>>, TargetError>,
        /// The processes that have ended, asked for if the log could not be read.
        deaths: Vec<ProcessExit>,
    },
    CurePrepared {
        step: StepId,
        cure: Result<Cure, TargetError>,
    },
    /// The command panicked, so no other result will come for it.
    Panicked(String),
}

type CurrentRowsRead = (dissent_core::conductor::CurrentRowsAnswer, Vec<CurrentRow>);

struct Engine<'a> {
    target: Capabilities,
    folder: RunWriter,
    observer: &'a mut dyn Observer,
    began: Instant,
    tx: UnboundedSender<Completed>,
    cures: BTreeMap<StepId, Cure>,
    ended: EngineEnd,
    /// The next offset to record, by partition.
    logged: Vec<u64>,
    log_reading: LogReading,
    /// Whether another run has taken over the target.
    is_lost: bool,
}

/// The log is read back in parts, one after each capture, so a run that is killed can be judged up to its
/// last capture. One read runs at a time, so no part is recorded twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogReading {
    Idle,
    /// A part is being read.
    Part,
    /// A part is being read, and the last part is wanted after it.
    PartThenLast,
}

/// Runs a conductor against a target, from set-up to the last capture. The record is complete on return.
/// `lost` resolves with the reason if the run must stop because another run has taken over the target.
pub async fn run(
    target: Capabilities,
    meta: RunMeta,
    timing: Timing,
    folder: RunWriter,
    observer: &mut dyn Observer,
    lost: impl Future<Output = String>,
) -> std::io::Result<EngineEnd> {
    let mut lost = pin!(lost);
    let mut signals = Signals::listen()?;
    let (tx, mut rx) = unbounded_channel();
    let partitions = meta.partitions;
    let mut conductor = Conductor::new(meta, timing);
    let mut engine = Engine {
        target,
        folder,
        observer,
        began: Instant::now(),
        tx,
        cures: BTreeMap::new(),
        ended: EngineEnd::default(),
        logged: vec![0; partitions as usize],
        log_reading: LogReading::Idle,
        is_lost: false,
    };
    let mut input = Input::Woken;
    let mut commands = Vec::new();
    let mut wake = engine.began;
    loop {
        let now = engine.now();
        conductor.step(now, input, &mut commands);
        let Some(next_wake) = engine.carry_out(now, &mut commands) else { break };
        let ticked = engine.folder.tick(now);
        engine.note(ticked);
        wake = next_wake.unwrap_or(wake);
        if let Some(error) = &engine.ended.unrecorded {
            let by = error.to_string();
            conductor.step(now, Input::Interrupt { by }, &mut commands);
            engine.carry_out(now, &mut commands);
        }
        let Some(next) = engine.next_input(&mut rx, &mut signals, lost.as_mut(), wake).await else { break };
        input = next;
    }
    let outcome = engine.folder.finish();
    if let Err(error) = outcome {
        engine.ended.unrecorded.get_or_insert(error);
    }
    Ok(engine.ended)
}

impl Engine<'_> {
    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Waits for the next input. None if a command panicked, which ends the run at once.
    async fn next_input(
        &mut self,
        rx: &mut UnboundedReceiver<Completed>,
        signals: &mut Signals,
        mut lost: Pin<&mut impl Future<Output = String>>,
        wake: Instant,
    ) -> Option<Input> {
        loop {
            let done = tokio::select! {
                cut = signals.next() => {
                    self.ended.signal.get_or_insert(cut);
                    return Some(Input::Interrupt { by: cut.name().to_owned() });
                }
                by = lost.as_mut(), if !self.is_lost => {
                    self.is_lost = true;
                    return Some(Input::Interrupt { by });
                }
                done = rx.recv() => done,
                () = sleep_until(wake) => return Some(Input::Woken),
            };
            if let Some(Completed::Panicked(words)) = done {
                self.ended.panicked = Some(words);
                return None;
            }
            if let Some(input) = done.and_then(|done| self.record_result(done)) {
                return Some(input);
            }
        }
    }

    /// Carries out commands. None if the run is over, else the new time to wake at, if any.
    fn carry_out(&mut self, now: Nanos, commands: &mut Vec<Command>) -> Option<Option<Instant>> {
        let mut wake = None;
        let mut ops = Vec::new();
        let mut over = false;
        for command in commands.drain(..) {
            match command {
                Command::Record(event) => self.record(now, event),
                Command::Write(op, delivery) => ops.push((op, delivery)),
                Command::Wake(at) => wake = Some(self.began + std::time::Duration::from_nanos(at.0)),
                Command::Finish => over = true,
                Command::Begin { step, fault } => self.prepare_cure(step, fault),
                Command::Cure { step } => self.heal(step),
                Command::ForceCommit => self.boundary(),
                Command::Sample => self.sample(),
                Command::ReadCoverage { replica } => self.cover(replica),
                Command::ReadRows { read } => self.rows(*read),
                Command::ReadCurrentRows { read, since } => self.flags(*read, since),
                Command::ReadShard { capture } => self.contents(capture),
                Command::ReadLog => self.read_log(true),
            }
        }
        if !ops.is_empty() {
            self.write(ops);
        }
        (!over).then_some(wake)
    }

    fn record(&mut self, now: Nanos, event: Event) {
        if let (Event::CaptureEnd { .. }, Some(traffic)) = (&event, self.traffic()) {
            self.record(now, Event::ReadTraffic(traffic));
        }
        self.observer.event(now, &event);
        let captured = matches!(event, Event::CaptureEnd { .. });
        if self.ended.unrecorded.is_none() {
            let written = self.folder.event(&TimedEvent { t: now, event });
            self.note(written);
        }
        if captured {
            self.read_log(false);
        }
    }

    /// What reading the target has taken so far.
    fn traffic(&self) -> Option<ReadTraffic> {
        self.target.raw_reads.as_ref()?.traffic()
    }

    fn note(&mut self, written: Result<(), StoreError>) {
        if let Err(error) = written {
            self.ended.unrecorded.get_or_insert(error);
        }
    }

    /// Records a result. Rows and flags are on disk before the conductor hears of them.
    fn record_result(&mut self, done: Completed) -> Option<Input> {
        let now = self.now();
        match done {
            Completed::Input(input) => Some(input),
            Completed::Rows { read, digest, rows } => {
                let answer = rows.map_err(|error| error.to_string()).map(|rows| {
                    let written = self.folder.rows(now, &read, &rows);
                    self.note(written);
                    RowsAnswer { rows: rows.len() as u64, digest }
                });
                Some(Input::RowsRead { replica: read.replica, answer })
            }
            Completed::Flags { read, answer } => {
                let answer = answer.map_err(|error| error.to_string()).map(|(flags, keys)| {
                    let written = self.folder.current_rows(now, &read, &keys);
                    self.note(written);
                    flags
                });
                Some(Input::FlagsRead { replica: read.replica, answer })
            }
            Completed::Log { last, read, deaths } => self.log_read(now, last, read, deaths),
            Completed::CurePrepared { step, cure } => match cure {
                Ok(cure) => self.begin(step, cure),
                Err(error) => Some(Input::Begun { step, error: Some(error.to_string()) }),
            },
            Completed::Panicked(_) => None,
        }
    }

    fn spawn<F>(&self, work: F)
    where
        F: Future<Output = Completed> + Send + 'static,
    {
        self.spawn_many(async move { vec![work.await] });
    }

    fn spawn_many<F>(&self, work: F)
    where
        F: Future<Output = Vec<Completed>> + Send + 'static,
    {
        let tx = self.tx.clone();
        tokio::spawn(async move {
            let all = caught(work).await.unwrap_or_else(|words| vec![Completed::Panicked(words)]);
            // The receiver lives as long as the run. A result that comes later is not needed.
            all.into_iter().for_each(|done| drop(tx.send(done)));
        });
    }

    /// Sends each op as often as it is to be sent, and reports what was heard of it.
    fn write(&self, ops: Vec<(Op, Delivery)>) {
        let writes = self.target.client.clone();
        self.spawn_many(async move {
            let copies = |(op, delivery): &(Op, Delivery)| vec![op.clone(); delivery.copies()];
            let sent: Vec<Op> = ops.iter().flat_map(copies).collect();
            let mut completions = match &writes {
                Some(writes) if !sent.is_empty() => writes.write(&sent).await,
                _ => Vec::new(),
            }
            .into_iter();
            let completed = ops.iter().map(|(op, delivery)| {
                let answer = completions.by_ref().take(delivery.copies()).last();
                let Completion { outcome, off } = answer
                    .filter(|_| delivery.is_answered())
                    .unwrap_or(Completion { outcome: OpOutcome::Unknown, off: None });
                Completed::Input(Input::Completed { op: op.id, outcome, off })
            });
            completed.collect()
        });
    }

    fn prepare_cure(&self, step: StepId, fault: Fault) {
        let injector = self.target.injector.clone();
        self.spawn(async move {
            let cure = match injector {
                Some(injector) => injector.cure(&step, &fault).await,
                None => Err(absent("injector")),
            };
            Completed::CurePrepared { step, cure }
        });
    }

    /// Begins the fault once its cure is synced to disk.
    fn begin(&mut self, step: StepId, cure: Cure) -> Option<Input> {
        if let Err(error) = self.folder.cure(&cure) {
            let message = error.to_string();
            self.note(Err(error));
            return Some(Input::Begun { step, error: Some(message) });
        }
        self.cures.insert(step.clone(), cure.clone());
        let injector = self.target.injector.clone();
        self.spawn(async move {
            let begun = match injector {
                Some(injector) => injector.begin(&cure).await,
                None => Err(absent("injector")),
            };
            Completed::Input(Input::Begun { step, error: begun.err().map(|error| error.to_string()) })
        });
        None
    }

    fn heal(&self, step: StepId) {
        let injector = self.target.injector.clone();
        let cure = self.cures.get(&step).cloned();
        self.spawn(async move {
            let healed = match (injector, &cure) {
                (Some(injector), Some(cure)) => injector.heal(cure).await,
                _ => Ok(None),
            };
            let (ended_early, error) = match healed {
                Ok(seen) => (seen, None),
                Err(error) => (None, Some(error.to_string())),
            };
            Completed::Input(Input::Cured { step, error, ended_early })
        });
    }

    fn boundary(&self) {
        let catalogue = self.target.segments.clone();
        self.spawn(async move {
            let asked = match catalogue {
                Some(catalogue) => catalogue.force_commit().await,
                None => Err(absent("authority")),
            };
            Completed::Input(Input::CommitAsked { error: asked.err().map(|error| error.to_string()) })
        });
    }

    fn sample(&self) {
        let target = self.target.clone();
        self.spawn(async move {
            Completed::Input(match snapshot(&target).await {
                Ok(snapshot) => Input::Sampled(snapshot),
                Err(error) => Input::SampleFailed { error: error.to_string(), deaths: deaths(&target).await },
            })
        });
    }

    fn cover(&self, replica: String) {
        let raw = self.target.raw_reads.clone();
        self.spawn(async move {
            let answer = match raw {
                Some(raw) => raw.coverage(&replica).await,
                None => Err(absent("raw reads")),
            };
            Completed::Input(Input::Covered { replica, answer: answer.map_err(|error| error.to_string()) })
        });
    }

    fn rows(&self, read: Read) {
        let raw = self.target.raw_reads.clone();
        self.spawn(async move {
            let mut rows = Vec::new();
            let result = match raw {
                Some(raw) => {
                    let cover = &read.before;
                    let mut keep = |row| rows.push(row);
                    raw.rows(&read.replica, &cover.segment, read.from, cover.end, &mut keep).await
                }
                None => Err(absent("raw reads")),
            };
            let digest = read.before.checksum.map(|_| digest(&rows));
            Completed::Rows { read, digest, rows: result.map(|()| rows) }
        });
    }

    fn flags(&self, read: CurrentRead, since: u64) {
        let raw = self.target.raw_reads.clone();
        self.spawn(async move {
            let mut keys = Vec::new();
            let result = match raw {
                Some(raw) => {
                    let mut keep = |key| keys.push(key);
                    raw.current_rows(&read.replica, read.partition, since, &mut keep).await
                }
                None => Err(absent("raw reads")),
            };
            Completed::Flags { read, answer: result.map(|flags| (flags, keys)) }
        });
    }

    fn contents(&self, capture: u32) {
        let frontiers = self.target.frontiers.clone();
        self.spawn(async move {
            let answer = match frontiers {
                Some(frontiers) => frontiers.shard_snapshot(capture).await,
                None => Err(absent("shard")),
            };
            Completed::Input(Input::ContentsRead { answer: answer.map_err(|error| error.to_string()) })
        });
    }

    /// Reads the part of the log that is not recorded yet. `last` means that the conductor waits for it.
    fn read_log(&mut self, last: bool) {
        if self.log_reading != LogReading::Idle {
            self.log_reading = if last { LogReading::PartThenLast } else { self.log_reading };
            return;
        }
        self.log_reading = LogReading::Part;
        let (target, from) = (self.target.clone(), self.logged.clone());
        self.spawn(async move {
            let read = match &target.log {
                Some(log) => read_on(&**log, &from).await,
                None => Err(absent("log")),
            };
            let deaths = if read.is_err() { deaths(&target).await } else { Vec::new() };
            Completed::Log { last, read, deaths }
        });
    }

    fn log_read(
        &mut self,
        now: Nanos,
        last: bool,
        read: Result<Vec<Vec<Entry>>, TargetError>,
        deaths: Vec<ProcessExit>,
    ) -> Option<Input> {
        let last_wanted = self.log_reading == LogReading::PartThenLast;
        self.log_reading = LogReading::Idle;
        let error = match read {
            Ok(log) => {
                for (partition, entries) in (0..).zip(&log) {
                    let written = self.folder.entries(now, partition, entries);
                    self.note(written);
                    self.logged[partition as usize] += entries.len() as u64;
                }
                None
            }
            // A part that could not be read is included in the next one.
            Err(error) => Some(error.to_string()),
        };
        if last_wanted {
            self.read_log(true);
        }
        last.then_some(Input::LogRead { error, deaths })
    }
}

/// A digest of the contents of rows. Equal copies have equal ones, wherever their documents are.
fn digest(rows: &[Row]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for Row { off, key, op, cmp, cols, doc: _ } in rows {
        (off, key, op, cmp, cols).hash(&mut hasher);
    }
    hasher.finish()
}

/// The log from these offsets on, by partition.
async fn read_on(log: &dyn crate::adapter::InputLog, from: &[u64]) -> Result<Vec<Vec<Entry>>, TargetError> {
    let ends = log.ends().await?;
    if ends.len() != from.len() {
        let cause = format!("{} log ends, where the table has {} partitions", ends.len(), from.len());
        return Err(TargetError::InvalidResponse { at: "the log".to_owned(), cause });
    }
    let mut all = Vec::new();
    for (partition, (from, end)) in (0..).zip(from.iter().zip(ends)) {
        let mut entries = Vec::new();
        log.read(partition, *from, end, &mut |entry| entries.push(entry)).await?;
        all.push(entries);
    }
    Ok(all)
}
