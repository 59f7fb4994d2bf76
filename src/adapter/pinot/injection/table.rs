//! Faults on a whole table: its downloads are delayed, a replica is replaced, a segment is reloaded, a chosen
//! replica wins a commit, or consumption is paused. The table belongs to the run.

use super::{POLL_INTERVAL, PinotInjection, STOPPED_MAX};
use crate::adapter::http::{parse, send};
use crate::adapter::pinot::table::{parse_segment_name, realtime};
use crate::adapter::pinot::wire::{self, invalid_response};
use crate::faults::proxy::{HeldDownload, Hold, Release};
use crate::target_error::TargetError;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The maximum time for all replicas to reload a segment.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The proxy releases a download after this time, even if nobody lifts the hold.
const DOWNLOAD_HELD_MAX: Duration = Duration::from_secs(600);

impl PinotInjection<'_> {
    async fn get(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.undo.at);
        let body = send(&url, self.http.get(&url)).await?;
        Ok((url, body))
    }

    async fn post(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.undo.at);
        let body = send(&url, self.http.post(&url, &Json::Null)).await?;
        Ok((url, body))
    }

    /// The part of the path that identifies the downloads to hold.
    fn held_path(&self) -> String {
        let (fault, table) = (&self.cure.fault, &self.undo.table);
        match (fault.partition, fault.seq) {
            (Some(partition), Some(seq)) => format!("/{table}__{partition}__{seq}__"),
            _ => format!("/{table}__"),
        }
    }

    /// The id of this fault's hold at the proxy.
    fn hold_id(&self) -> String {
        format!("{}/{}", self.cure.mark, self.cure.step)
    }

    fn proxy(&self) -> Result<&str, TargetError> {
        let proxy = self.undo.proxy.as_deref().map(|url| url.trim_end_matches('/'));
        proxy.ok_or_else(|| self.refused("the target file names no `proxy`"))
    }

    pub(super) async fn hold_downloads(&self) -> Result<(), TargetError> {
        let url = format!("{}/hold", self.proxy()?);
        let lease_ms = DOWNLOAD_HELD_MAX.as_millis() as u64;
        let hold = json!(Hold { id: self.hold_id(), path: self.held_path(), lease_ms });
        send(&url, self.http.post(&url, &hold)).await.map(drop)
    }

    pub(super) async fn let_downloads_through(&self) -> Result<(), TargetError> {
        let url = format!("{}/release", self.proxy()?);
        send(&url, self.http.post(&url, &json!(Release { id: self.hold_id() }))).await?;
        let url = format!("{}/holds", self.proxy()?);
        let left: Vec<HeldDownload> = parse(&url, &send(&url, self.http.get(&url)).await?)?;
        match left.iter().any(|held| held.id == self.hold_id()) {
            false => Ok(()),
            true => Err(self.refused("the download was let through and is still held")),
        }
    }

    /// Only the chosen replica can then report the end of its segment, so it wins the commit.
    pub(super) async fn pause_others(&self) -> Result<(), TargetError> {
        for other in &self.undo.others {
            self.pause(other).await?;
        }
        Ok(())
    }

    pub(super) async fn resume_others(&self) -> Result<(), TargetError> {
        let mut resumed = Ok(());
        for other in &self.undo.others {
            // A replica that cannot be resumed must not prevent the others from being resumed.
            resumed = self.resume(other).await.and(resumed);
        }
        resumed
    }

    /// Resumes the other replicas once the segment is committed, or before their sessions end.
    pub(super) async fn resume_after_commit(&self) {
        let open = self.newest().await.ok();
        let until = Instant::now() + STOPPED_MAX;
        while Instant::now() < until {
            match self.newest().await {
                Ok(newest) if open.as_ref().is_some_and(|open| *open != newest) => break,
                _ => sleep(POLL_INTERVAL).await,
            }
        }
        // If this fails, the watchdog resumes them when it heals.
        drop(self.resume_others().await);
    }

    /// The partition's segments by sequence number, each with its name and whether it is committed.
    async fn segments(&self) -> Result<BTreeMap<u32, (String, bool)>, TargetError> {
        let (url, body) = self.get(&format!("tables/{}/idealstate", self.undo.table)).await?;
        let own = wire::ideal_state(&url, &body)?.into_iter().filter_map(|(name, replicas)| {
            let (partition, seq) = parse_segment_name(&self.undo.table, &name)?;
            let committed = replicas.values().all(|state| state != "CONSUMING");
            (Some(partition) == self.cure.fault.partition).then_some((seq, (name, committed)))
        });
        Ok(own.collect())
    }

    async fn newest(&self) -> Result<u32, TargetError> {
        let newest = self.segments().await?.into_keys().next_back();
        newest.ok_or_else(|| self.refused("the partition has no segment"))
    }

    /// Makes every replica of a committed segment download the committed copy if its own differs. Returns
    /// once all replicas have reloaded.
    pub(super) async fn reload(&self) -> Result<(), TargetError> {
        let wanted = |seq| self.cure.fault.seq.is_none_or(|wanted| wanted == seq);
        let mut segments = self.segments().await?.into_iter();
        let last = segments.rfind(|(seq, (_, committed))| *committed && wanted(*seq));
        let (_, (segment, _)) = last.ok_or_else(|| self.refused("no committed segment to load again"))?;
        let path = format!("segments/{}/{segment}/reload", realtime(&self.undo.table));
        let (url, body) = self.post(&path).await?;
        let job = wire::reload_job(&url, &body)?;
        let until = Instant::now() + RELOAD_TIMEOUT;
        while Instant::now() < until {
            let (url, body) = self.get(&format!("segments/segmentReloadStatus/{job}")).await?;
            if wire::is_reloaded(&url, &body)? {
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
        Err(self.refused(format!("not all replicas loaded {segment} again within {RELOAD_TIMEOUT:?}")))
    }

    /// Puts the spare server in the replica's place and rebalances the table.
    pub(super) async fn rebalance(&self) -> Result<(), TargetError> {
        let [spare] = self.undo.others.as_slice() else {
            return Err(
                self.refused("every server already has a part of the table, so there is none to move it to")
            );
        };
        let table = &self.undo.table;
        let (url, body) = self.get(&format!("tables/{table}/instancePartitions?type=CONSUMING")).await?;
        let mut partitions: BTreeMap<String, Json> = parse(&url, &body)?;
        let consuming = partitions.get_mut("CONSUMING");
        let consuming = consuming.ok_or_else(|| invalid_response(&url, "no partitions of instances"))?;
        replace(consuming, &self.cure.fault.replica, spare);
        let url = format!("{}/tables/{table}/instancePartitions", self.undo.at);
        send(&url, self.http.put(&url, consuming)).await?;
        self.post(&format!("tables/{table}/rebalance?type=REALTIME&includeConsuming=true")).await.map(drop)
    }

    pub(super) async fn consumption(&self, verb: &str) -> Result<(), TargetError> {
        self.post(&format!("tables/{}/{verb}", self.undo.table)).await.map(drop)
    }
}

/// Replaces every string that equals `from` by `to`.
fn replace(json: &mut Json, from: &str, to: &str) {
    match json {
        Json::String(text) if text == from => to.clone_into(text),
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Json::Object(fields) => fields.values_mut().for_each(|field| replace(field, from, to)),
        _ => {}
    }
}
