//! Goal: a workload or a nemesis plan means the same as a value, as TOML and under `--set`. Method: random
//! valid ones are written and read back, and one is turned into another by settings.

use crate::draw::{Draw, holds};
use dissent::config::ConfigFile as _;
use dissent::config::load::{load, parse};
use dissent::config::settings::Settings;
use dissent_core::history::duration;
use dissent_core::history::fault::{Condition, FaultKind, Transition};
use dissent_core::history::nemesis::{Ending, Nemesis, Select, StepSpec};
use dissent_core::history::schema::{Merge, Provenance, Type};
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::{ColumnSpec, Keys, Skew, Workload};

const CASES: u64 = 300;

fn workload(draw: &mut Draw) -> Workload {
    const KINDS: [(Type, Merge); 6] = [
        (Type::Long, Merge::Overwrite),
        (Type::String, Merge::Ignore),
        (Type::Long, Merge::Increment),
        (Type::StringList, Merge::Append),
        (Type::LongList, Merge::Union),
        (Type::Long, Merge::Min),
    ];
    let columns = (0..1 + draw.below(8)).map(|at| {
        let (ty, merge) = *draw.pick(&KINDS);
        let touched_percent = 1 + draw.below(100) as u8;
        ColumnSpec {
            name: format!("c_{at}"),
            ty,
            merge,
            optional: at > 0 && draw.once_in(3),
            touched_percent,
        }
    });
    let columns = columns.collect();
    let partitions = 1 + draw.below(1_024) as u32;
    Workload {
        columns,
        boundaries: None,
        writes: None,
        name: "mine".to_owned(),
        hunts: draw.pick(&["", "a \"quoted\" word", "two\nlines", "é\u{1}\\"]).to_string(),
        partitions,
        comparison: "version".to_owned(),
        rate_hz: 1 + draw.below(1_000_000) as u32,
        load: Nanos((bits(draw) >> draw.below(63)).max(1)),
        segment_rows: 1 + draw.below(1_000_000_000) as u64,
        provenance: *draw.pick(&[Provenance::Full, Provenance::Digest, Provenance::None]),
        delete_percent: draw.below(100) as u8,
        tie_percent: draw.below(51) as u8,
        out_of_order_percent: draw.below(51) as u8,
        unknown_percent: draw.below(51) as u8,
        duplicate_percent: draw.below(51) as u8,
        guard_keys: draw.below(10_001) as u32,
        keys: Keys {
            live: 1 + draw.below((10_000_000 / partitions as usize).min(1_000_000)) as u32,
            skew: *draw.pick(&[Skew::Uniform, Skew::Zipf]),
            retire_after_segments: bits(draw) as u32,
            retire_after_updates: bits(draw) as u32,
        },
    }
}

fn time(draw: &mut Draw) -> Nanos {
    Nanos(bits(draw) >> draw.below(64))
}

fn nemesis(draw: &mut Draw) -> Nemesis {
    let mut steps = Vec::new();
    for at in 0..draw.below(4) {
        steps.push(step(draw, at, &steps));
    }
    let held = steps.iter().any(|step| step.fault.withholds_a_segment());
    let ending =
        if held { *draw.pick(&[Ending::HealthyWins, Ending::VictimWins]) } else { Ending::Uncommitted };
    Nemesis {
        name: "mine".to_owned(),
        hunts: "whatever comes".to_owned(),
        boundaries_after_first_step: (!steps.is_empty() && draw.once_in(2)).then(|| bits(draw) as u32),
        tail: time(draw),
        ending,
        reload: held && draw.once_in(2),
        min_exposure: if held { draw.below(1 << 30) as u64 } else { 0 },
        required: Vec::new(),
        steps,
        swarm: None,
    }
}

fn step(draw: &mut Draw, at: usize, earlier: &[StepSpec]) -> StepSpec {
    let of = earlier.iter().find(|step| step.fault.withholds_a_segment()).map(|step| step.id.clone());
    let of = if draw.once_in(2) { of } else { None };
    let held = draw.once_in(2);
    let transition = *draw.pick(&[Transition::OfflineToConsuming, Transition::ConsumingToOnline]);
    let any = [
        Condition::At(time(draw)),
        Condition::Boundaries(bits(draw) as u32),
        Condition::After(time(draw)),
        Condition::OthersCommitted,
        Condition::EventsInNext { events: draw.below(1 << 30) as u64, or_after: time(draw), of },
    ];
    StepSpec {
        id: format!("step-{at}"),
        fault: if held { FaultKind::HoldMessage(transition) } else { FaultKind::Restart },
        select: match at > 0 && draw.once_in(2) {
            true => Select::SameAs(format!("step-{}", at - 1)),
            false if draw.once_in(2) => Select::Replica(format!("server-{at}")),
            false => Select::One,
        },
        partition: (held && draw.once_in(2)).then_some(at as u32),
        begin: any[draw.below(2)].clone(),
        until: any[draw.below(if held { 5 } else { 3 })].clone(),
        jitter: if draw.once_in(2) { time(draw) } else { Nanos(0) },
        repeat: None,
    }
}

#[test]
fn a_workload_is_read_back_from_its_own_text() {
    holds(CASES, |draw| {
        let mut wanted = workload(draw);
        wanted.name().clear();
        let text = toml::to_string(&wanted).expect("it has a text").replace("name = \"\"\n", "");
        wanted.name().push_str("mine");
        let found: Workload =
            parse("mine.toml", text.clone()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(found, wanted, "{text}");
    });
}

#[test]
fn a_nemesis_plan_is_read_back_from_its_own_text() {
    holds(CASES, |draw| {
        let mut wanted = nemesis(draw);
        wanted.name().clear();
        let text = toml::to_string(&wanted).expect("it has a text").replace("name = \"\"\n", "");
        wanted.name().push_str("mine");
        let found: Nemesis =
            parse("mine.toml", text.clone()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(found, wanted, "{text}");
    });
}

#[test]
fn settings_say_what_a_file_says() {
    holds(CASES, |draw| {
        let wanted = workload(draw);
        let base: Workload = load("steady").expect("it is in the catalogue");
        let provenance = format!("{:?}", wanted.provenance).to_lowercase();
        let pairs = [
            format!("rate={}", wanted.rate_hz),
            format!("load={}", duration::format(wanted.load)),
            format!("segment-rows={}", wanted.segment_rows),
            format!("provenance={provenance}"),
            format!("partitions={}", wanted.partitions),
            format!("keys={}", wanted.keys.live),
            format!("tie-percent={}", wanted.tie_percent),
            format!("out-of-order-percent={}", wanted.out_of_order_percent),
            format!("unknown-percent={}", wanted.unknown_percent),
            format!("duplicate-percent={}", wanted.duplicate_percent),
            "guard=startup-latch".to_owned(),
        ];
        let mut settings = Settings::parse(&pairs).expect("pairs");
        let found = settings.apply(base.clone()).expect("it makes sense");
        assert_eq!(settings.left().keys().collect::<Vec<_>>(), ["guard"], "the target's own is left");
        let Workload { delete_percent, guard_keys, .. } = base;
        let (name, hunts, comparison) = (base.name, base.hunts, base.comparison);
        let keys = Keys { live: wanted.keys.live, ..base.keys };
        let columns = base.columns;
        let told = Workload { name, hunts, comparison, delete_percent, guard_keys, keys, columns, ..wanted };
        assert_eq!(found, told);
    });
}

/// Any 64 bits.
fn bits(draw: &mut Draw) -> u64 {
    (0..4).fold(0, |bits, _| bits << 16 | draw.below(1 << 16) as u64)
}
