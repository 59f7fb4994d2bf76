//! Goal: exactly the differences that are there are found, on the replicas that have them. Method: random
//! small tables with planted differences, each replica's in a random order and format. Numbers are written
//! in one way, since beside CSV they are compared letter by letter.

use dissent::dumps::compare::compare;
use dissent::dumps::digests::Columns;
use dissent::dumps::rows::Pace;
use dissent::dumps::source::DumpSource;
use dissent::dumps::spec::CompareSpec;
use dissent_core::checker::verdict::{Anomaly, FindingKind, Pattern, Verdict};
use dissent_core::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SEEDS: u64 = 150;
/// Every so often the rows go through files.
const SPILL_EVERY: u64 = 25;
const COLUMNS: [&str; 3] = ["x", "y", "z"];

/// A cell: what it is called in CSV and in JSON.
type Cell = (&'static str, &'static str);

/// Each is another value than all others, in either format.
const CELLS: [Cell; 14] = [
    ("", "null"),
    ("\"\"", "\"\""),
    ("\" \"", "\" \""),
    ("0", "0"),
    ("1", "1"),
    ("-1", "-1"),
    ("0.5", "0.5"),
    ("18446744073709551617", "18446744073709551617"),
    ("true", "true"),
    ("\"p,q\"", "\"p,q\""),
    ("\"say \"\"p\"\"\"", "\"say \\\"p\\\"\""),
    ("\"two\nlines\"", "\"two\\nlines\""),
    ("grün", "\"gr\\u00fcn\""),
    ("\"[1,2]\"", "[1,2]"),
];

/// By key, its rows.
type Table = BTreeMap<String, Vec<[Cell; 3]>>;
/// What is wrong on which replica: the keys.
type Found = BTreeMap<(Anomaly, usize), BTreeSet<String>>;

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        below(&mut self.0, u32::try_from(bound).expect("small")) as usize
    }

    fn cells(&mut self) -> [Cell; 3] {
        std::array::from_fn(|_| CELLS[self.below(CELLS.len())])
    }

    /// Tables of replicas, and what was planted.
    fn tables(&mut self) -> (Vec<Table>, Found) {
        let keys: Vec<String> = (0..self.below(40)).map(|k| format!("key {k}")).collect();
        let table: Table = keys.iter().map(|key| (key.clone(), vec![self.cells()])).collect();
        let mut tables = vec![table; 3 + self.below(3)];
        let mut planted = Found::new();
        for at in 0..self.below(6) {
            let replica = self.below(tables.len());
            let table = &mut tables[replica];
            let key = match keys.get(self.below(keys.len() + 1)) {
                Some(key) => key.clone(),
                None => format!("extra {at}"),
            };
            if planted.values().any(|keys| keys.contains(&key)) {
                continue;
            }
            let what = match table.get_mut(&key) {
                None => {
                    table.insert(key.clone(), vec![self.cells()]);
                    Anomaly::Extra
                }
                Some(rows) => match self.below(4) {
                    0 => {
                        table.remove(&key);
                        Anomaly::Missing
                    }
                    1 => {
                        rows.push(rows[0]);
                        Anomaly::DuplicateRow
                    }
                    _ => {
                        let (column, before) = (self.below(3), rows[0]);
                        while rows[0] == before {
                            rows[0][column] = CELLS[self.below(CELLS.len())];
                        }
                        Anomaly::Differs
                    }
                },
            };
            planted.entry((what, replica)).or_default().insert(key);
        }
        (tables, planted)
    }

    /// Writes a table with its rows and its columns in a random order. Returns the path of the dump.
    fn write(&mut self, table: &Table, folder: &Path, replica: usize) -> String {
        let mut rows: Vec<_> =
            table.iter().flat_map(|(key, rows)| rows.iter().map(move |row| (key, row))).collect();
        (1..rows.len()).rev().for_each(|at| rows.swap(at, self.below(at + 1)));
        let mut order = [0, 1, 2, 3];
        (1..4).rev().for_each(|at| order.swap(at, self.below(at + 1)));
        let (kind, packed) = (self.below(2), self.below(3) == 0);
        let json = |(key, row): &(&String, &[Cell; 3])| {
            let cell = |at: usize| match at {
                3 => format!("\"k\":\"{key}\""),
                at => format!("\"{}\":{}", COLUMNS[at], row[at].1),
            };
            format!("{{{}}}\n", order.map(cell).join(","))
        };
        let csv = |(key, row): &(&String, &[Cell; 3])| {
            let cell = |at: usize| if at == 3 { (*key).clone() } else { row[at].0.to_owned() };
            format!("{}\n", order.map(cell).join(","))
        };
        let header = || order.map(|at| if at == 3 { "k" } else { COLUMNS[at] }).join(",");
        let text: String = match kind {
            0 => rows.iter().map(json).collect(),
            _ => format!("{}\n", header()) + &rows.iter().map(csv).collect::<String>(),
        };
        let ending = if packed { ".zst" } else { "" };
        let path = folder.join(format!("server-{replica}.{}{ending}", ["jsonl", "csv"][kind]));
        let bytes = text.into_bytes();
        let bytes = if packed { zstd::encode_all(&bytes[..], 1).expect("compressed") } else { bytes };
        std::fs::write(&path, bytes).expect("it is written");
        path.display().to_string()
    }
}

/// What a verdict found, each time on one replica that all others differ from.
fn found(verdict: &Verdict, replicas: &[String]) -> Found {
    let each = verdict.findings.iter().map(|finding| {
        let FindingKind::Divergence(d) = &finding.kind else { panic!("{finding:?}") };
        assert_eq!(
            (d.last.pattern, d.replicas.len(), d.may_be_lag),
            (Pattern::OneDiffers, 1, false),
            "{d:?}"
        );
        let replica = replicas.iter().position(|name| *name == d.replicas[0]).expect("its name");
        ((d.what, replica), d.keys.iter().cloned().collect())
    });
    each.collect()
}

#[test]
fn exactly_what_was_planted_is_found() {
    for seed in 0..SEEDS {
        let mut draw = Draw(Seed(seed).stream(Stream::Columns));
        let (tables, planted) = draw.tables();
        let folder = tempfile::tempdir().expect("a folder");
        let sources = tables.iter().enumerate().map(|(replica, table)| {
            let path = draw.write(table, folder.path(), replica);
            DumpSource::of(&path, folder.path(), &Pace::default()).expect("it is there")
        });
        let spec = CompareSpec {
            dumps: sources.collect(),
            columns: Columns { key: vec!["k".to_owned()], ..Columns::default() },
            settled: true,
            memory: if seed % SPILL_EVERY == 0 { 1 } else { 1 << 20 },
            ..CompareSpec::default()
        };
        let replicas: Vec<String> = spec.dumps.iter().map(|source| source.name.clone()).collect();
        let outcome = compare(&spec, folder.path(), &Pace::default(), &mut |_, _| Ok(()));
        let verdict = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}")).verdict;
        assert_eq!(found(&verdict, &replicas), planted, "seed {seed}");
    }
}
