//! The options of `dissent compare`.

use super::output::{Output, whole};
use clap::Args;
use dissent_core::history::schema::rules::Absence;
use dissent_core::history::schema::{Merge, Type};
use dissent_core::history::stored_name::stored_name;
use std::path::PathBuf;

/// `dissent compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// One dump of each replica: CSV or JSON lines, plain, gzip or zstd; a file, a folder of files, or a
    /// pipe. A replica is called as its file, unless it is named: NAME=FILE
    #[arg(value_name = "DUMP", required = true, num_args = 1..)]
    pub dumps: Vec<String>,
    /// Columns that make up the key, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', required = true)]
    pub key: Vec<String>,
    /// Column that orders the rows of a key. Rows of one version with different contents are never lag
    #[arg(long, value_name = "COLUMN")]
    pub version: Option<String>,
    /// How far a replica had got when it was dumped (a number, or an LSN such as 16/B374D848). With equal
    /// positions, differences are not lag
    #[arg(long = "position", value_name = "REPLICA=N", value_parser = position)]
    pub positions: Vec<(String, u64)>,
    /// Versions are positions: rows above the least position of any replica are left out
    #[arg(long, requires = "version", requires = "positions")]
    pub version_is_position: bool,
    /// Nothing was written while the dumps were taken, so that differences are not lag
    #[arg(long)]
    pub settled: bool,
    /// A second dump of each replica, taken later, in the same order: keys that changed meanwhile are left
    /// out, and if nothing changed at all, differences are not lag
    #[arg(long, value_name = "DUMP", num_args = 1..)]
    pub later: Vec<String>,
    /// Columns that are not compared, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Type of a column: long, double, decimal, boolean, string, timestamp, bytes, json, long-list,
    /// string-list. Without it, CSV is compared letter by letter, and JSON by its own types
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = column_type)]
    pub types: Vec<(String, Type)>,
    /// How far apart two floats may be and count as equal, relative to the larger one, or to 1
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = tolerance)]
    pub tolerance: f64,
    /// Rows that a replica may rightly lack: superseded, tombstones, expired, late
    #[arg(long, value_name = "REASONS", value_delimiter = ',', value_parser = absence)]
    pub may_be_absent: Vec<Absence>,
    /// Column that says whether the row deletes its key
    #[arg(long, value_name = "COLUMN")]
    pub deleted: Option<String>,
    /// Rows whose column is below this value are expired
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    pub expired_below: Option<(String, String)>,
    /// Expected rows, as a dump: says which replicas are wrong, also if all agree
    #[arg(long, value_name = "DUMP")]
    pub model: Option<String>,
    /// The log, as a file of events in order: says which replicas are wrong, also if all agree
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub log: Option<String>,
    /// The log has the first event of every key. Without it, what may have been written before is no finding
    #[arg(long, requires = "log")]
    pub log_is_whole: bool,
    /// How a column of the log merges: overwrite, ignore, increment, append, union, max, min [default:
    /// overwrite]
    #[arg(long = "merge", value_name = "COLUMN=FUNCTION", value_parser = merge, requires = "log")]
    pub merges: Vec<(String, Merge)>,
    /// What stands for null in CSV, besides an empty cell without quotes
    #[arg(long, value_name = "TEXT")]
    pub null: Option<String>,
    /// What separates the cells of CSV [default: a tab in .tsv files, else a comma]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Show keys and values. Without it, reports and files have keyed hashes of them
    #[arg(long)]
    pub show_values: bool,
    /// Memory for rows that differ, in MiB. What does not fit is sorted on disk
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = whole(1..=1_048_576_u64))]
    pub memory: u64,
    /// Known issues (TOML): matching findings do not fail the comparison
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn position(text: &str) -> Result<(String, u64), String> {
    let (name, value) = pair(text)?;
    let lsn = || {
        let (high, low) = value.split_once('/')?;
        let (high, low) = (u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?);
        (high <= u64::from(u32::MAX) && low <= u64::from(u32::MAX)).then_some(high << 32 | low)
    };
    match value.parse().ok().or_else(lsn) {
        Some(position) => Ok((name, position)),
        None => Err(format!("`{value}` is no position: write a whole number, or an LSN such as 16/B374D848")),
    }
}

fn column_type(text: &str) -> Result<(String, Type), String> {
    let (name, ty) = pair(text)?;
    match Type::ALL.into_iter().find(|known| stored_name(known) == ty) {
        Some(ty) => Ok((name, ty)),
        None => {
            let known: Vec<String> = Type::ALL.iter().map(stored_name).collect();
            Err(format!("`{ty}` is no type: there are {}", known.join(", ")))
        }
    }
}

fn merge(text: &str) -> Result<(String, Merge), String> {
    const KNOWN: [Merge; 7] = [
        Merge::Overwrite,
        Merge::Ignore,
        Merge::Increment,
        Merge::Append,
        Merge::Union,
        Merge::Max,
        Merge::Min,
    ];
    let (name, function) = pair(text)?;
    match KNOWN.into_iter().find(|known| stored_name(known) == function) {
        Some(merge) => Ok((name, merge)),
        None => {
            let known: Vec<String> = KNOWN.iter().map(stored_name).collect();
            Err(format!("`{function}` is no merge function: there are {}", known.join(", ")))
        }
    }
}

fn absence(text: &str) -> Result<Absence, String> {
    const KNOWN: [Absence; 4] = [Absence::Superseded, Absence::Tombstones, Absence::Expired, Absence::Late];
    KNOWN.into_iter().find(|known| stored_name(known) == text).ok_or_else(|| {
        let known: Vec<String> = KNOWN.iter().map(stored_name).collect();
        format!("there are {}", known.join(", "))
    })
}

fn tolerance(text: &str) -> Result<f64, String> {
    let tolerance: Option<f64> = text.parse().ok();
    tolerance
        .filter(|x| (0.0..1.0).contains(x))
        .ok_or_else(|| "write a number from 0 to below 1, such as 1e-9".to_owned())
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" => Ok(b'\t'),
        _ => <[u8; 1]>::try_from(text.as_bytes())
            .map(|[byte]| byte)
            .map_err(|_| "write one character, or \\t".to_owned()),
    }
}
