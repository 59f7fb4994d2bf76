//! All keys under a prefix, as each member holds them, by serializable reads of that member.
//!
//! A member hashes its whole store as of a revision by itself (`HashKV`,
//! <https://etcd.io/docs/v3.5/dev-guide/api_reference_v3/>). Where all hashes are equal, no key is read.
//! It is open to the root role only; for anybody else all keys are read.

use super::gateway::{Gateway, base64};
use super::store::EtcdStore;
use super::wire::RANGE;
use crate::adapter::contents::{
    BucketDigest, Chunk, Contents, ContentsRow, ContentsTable, PositionSample, Scope,
};
use crate::adapter::state::StateStore;
use crate::adapter::state::positions::positions_of;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dissent_core::history::schema::rules::{Retention, Rules};
use dissent_core::history::schema::{Column, Merge, Type, Value};
use dissent_core::history::time::Nanos;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys in one page.
const PAGE: u64 = 2_000;
/// Begins a key that is no text.
const HEX: &str = "0x";

/// The keys under a prefix.
pub(super) struct EtcdContents {
    store: EtcdStore,
    gateway: Arc<Gateway>,
    prefix: String,
    table: ContentsTable,
    /// Whether all members hash their whole stores alike.
    is_alike: bool,
    received: AtomicU64,
}

/// A key with its value, both in base64.
#[derive(Deserialize)]
struct RawCell {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    lease: String,
}

#[derive(Deserialize)]
struct RawRange {
    header: RawHeader,
    #[serde(default)]
    kvs: Vec<RawCell>,
    #[serde(default)]
    count: String,
}

#[derive(Deserialize)]
struct RawHeader {
    #[serde(default)]
    revision: String,
}

#[derive(Deserialize, PartialEq, Eq)]
struct StoreHash {
    #[serde(default)]
    hash: u64,
    #[serde(default)]
    compact_revision: String,
}

impl EtcdContents {
    /// The keys under a prefix; all keys if it is empty.
    pub(super) async fn open(file: &TargetFile, prefix: &str) -> Result<EtcdContents, TargetError> {
        let store = EtcdStore::reach(file).await?.fenced_by(first_key(prefix));
        let column = |name: &str, ty| Column::data(name, ty, Merge::Overwrite);
        let numbers = ["version", "lease"];
        let columns = numbers.into_iter().map(|name| column(name, Type::Long));
        let table = ContentsTable {
            name: prefix.to_owned(),
            key: vec!["key".to_owned()],
            columns: columns.chain([column("value", Type::String)]).collect(),
            left_out: ["mod_revision", "create_revision"].map(left_out).into(),
            version: None,
            rules: Rules { retains: Retention::NewestRow, ..Rules::default() },
            rows: 0,
            bytes: 0,
        };
        let (gateway, prefix) = (store.gateway(), prefix.to_owned());
        let mut contents =
            EtcdContents { store, gateway, prefix, table, is_alike: false, received: AtomicU64::new(0) };
        contents.is_alike = contents.hashes_are_equal().await;
        if let Some((_, first)) = contents.store.servers().first() {
            let whole = contents.whole();
            contents.table.rows = contents.count(first, &whole).await?;
        }
        Ok(contents)
    }

    /// Whether all members have the same hash of the whole store at one revision. A member that does not
    /// tell one is no reason to trust it.
    async fn hashes_are_equal(&self) -> bool {
        let servers = self.store.servers();
        let Some((_, first)) = servers.first() else { return false };
        let newest = json!({"key": base64("\0"), "limit": "1"});
        let Ok(newest) = self.gateway.call::<RawRange>(first, RANGE, &newest).await else {
            return false;
        };
        let mut hashes = Vec::new();
        for (_, member) in &servers {
            let at = json!({"revision": newest.header.revision});
            match self.gateway.call::<StoreHash>(member, "/v3/maintenance/hash", &at).await {
                Ok(hash) => hashes.push(hash),
                Err(_) => return false,
            }
        }
        hashes.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// The bounds of all keys.
    fn whole(&self) -> Json {
        json!({ "from": base64(first_key(&self.prefix)), "to": STANDARD.encode(after(&self.prefix)) })
    }

    async fn count(&self, member: &str, bounds: &Json) -> Result<u64, TargetError> {
        let request = json!({"key": bounds["from"], "range_end": bounds["to"], "count_only": true,
                             "serializable": true});
        let counted: RawRange = self.gateway.call(member, RANGE, &request).await?;
        Ok(number(&counted.count))
    }

    /// Reads a range of keys from one member, all as of one revision.
    async fn range(
        &self,
        member: &str,
        from: &Json,
        to: &Json,
        values: bool,
    ) -> Result<Vec<RawCell>, TargetError> {
        let (mut from, mut all, mut revision) = (from.clone(), Vec::new(), None);
        loop {
            let mut request = json!({"key": from, "range_end": to, "limit": PAGE.to_string(),
                                     "serializable": true, "keys_only": !values});
            if let Some(revision) = &revision {
                request["revision"] = json!(revision);
            }
            let page: RawRange = self.gateway.call(member, RANGE, &request).await?;
            let bytes = page.kvs.iter().map(|cell| cell.key.len() + cell.value.len()).sum::<usize>();
            self.received.fetch_add(bytes as u64, Ordering::Relaxed);
            revision.get_or_insert(page.header.revision);
            let (has_more, last) = (number(&page.count) > page.kvs.len() as u64, page.kvs.last());
            let next = last.and_then(|cell| STANDARD.decode(&cell.key).ok()).map(|mut key| {
                key.push(0);
                json!(STANDARD.encode(key))
            });
            all.extend(page.kvs);
            match next.filter(|_| has_more) {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }
}

/// A member that skipped one entry counts on from a lower revision: every later key would differ, and bury
/// the ones that were lost.
fn left_out(column: &str) -> (String, String) {
    let why = "a member that skipped an entry has another one for every later key";
    (column.to_owned(), why.to_owned())
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

/// The first key that has this prefix.
fn first_key(prefix: &str) -> &str {
    if prefix.is_empty() { "\0" } else { prefix }
}

/// The first key behind all that have this prefix. No bytes: behind all keys there are, which etcd writes
/// as a zero.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

/// Text, or bytes in hexadecimal.
fn shown(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(text) if !text.starts_with(HEX) => text,
        Ok(text) => hex(text.as_bytes()),
        Err(error) => hex(error.as_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(HEX.to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// A key as [`shown`] gives it, in base64.
fn encoded(key: &str) -> String {
    let Some(digits) = key.strip_prefix(HEX) else { return base64(key) };
    let bytes =
        (0..digits.len() / 2).filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok());
    STANDARD.encode(bytes.collect::<Vec<u8>>())
}

fn row(cell: &RawCell) -> ContentsRow {
    let numbers = [&cell.version, &cell.lease];
    let numbers = numbers.map(|text| Value::Long(number(text).cast_signed()));
    let cols = numbers.into_iter().chain([Value::String(shown(&cell.value).into())]).collect();
    ContentsRow { key: shown(&cell.key), cols, deleted: false }
}

#[async_trait]
impl Contents for EtcdContents {
    fn version(&self) -> String {
        self.store.version()
    }

    fn replicas(&self) -> Vec<String> {
        self.store.replicas()
    }

    fn table(&self) -> &ContentsTable {
        &self.table
    }

    async fn chunks(&self, rows: u64) -> Result<Vec<Chunk>, TargetError> {
        let whole = self.whole();
        let servers = self.store.servers();
        let Some((_, first)) = servers.first() else { return Ok(Vec::new()) };
        let keys = self.range(first, &whole["from"], &whole["to"], false).await?;
        let cuts = keys.iter().step_by(usize::try_from(rows.max(1)).unwrap_or(usize::MAX)).skip(1);
        let begins = std::iter::once(whole["from"].clone()).chain(cuts.map(|cell| json!(cell.key)));
        let begins: Vec<Json> = begins.collect();
        let ends = begins.iter().skip(1).chain([&whole["to"]]);
        let bounds = begins.iter().zip(ends).map(|(from, to)| json!({ "from": from, "to": to }));
        Ok((0..).zip(bounds).map(|(number, bounds)| Chunk { number, bounds }).collect())
    }

    async fn digests(
        &self,
        replica: &str,
        chunk: &Chunk,
        buckets: u32,
    ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
        if !self.is_alike || buckets > 1 {
            return Ok(None);
        }
        let rows = self.count(self.store.url(replica)?, &chunk.bounds).await?;
        Ok(Some(vec![BucketDigest { rows, sum: "equal".to_owned() }]))
    }

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let member = self.store.url(replica)?;
        let Scope::Keys(keys) = scope else {
            let cells = self.range(member, &chunk.bounds["from"], &chunk.bounds["to"], true).await?;
            return Ok(cells.iter().map(row).collect());
        };
        let mut rows = Vec::new();
        for key in keys {
            let request = json!({"key": encoded(key), "serializable": true});
            let found: RawRange = self.gateway.call(member, RANGE, &request).await?;
            rows.extend(found.kvs.iter().map(row));
        }
        Ok(rows)
    }

    async fn upstream(&self, _chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        self.store.upstream().await
    }

    async fn position(&self, replica: &str, _chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        Ok(self.store.replica(replica).await?.position)
    }

    fn frozen_floor(&self) -> Nanos {
        self.store.frozen_floor()
    }

    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        positions_of(&self.store).await
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_out_as_it_came_in() {
        for key in [&b"a/b"[..], b"\xff\x00", b"0x12", "\u{fc}".as_bytes(), b""] {
            let stored = STANDARD.encode(key);
            assert_eq!(encoded(&shown(&stored)), stored, "{key:?}");
        }
        assert_eq!((after("a/"), after("a\u{7f}")), (b"a0".to_vec(), b"a\x80".to_vec()));
        assert_eq!(after(""), [0]);
    }
}
