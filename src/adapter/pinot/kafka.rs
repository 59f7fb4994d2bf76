//! The input log of a Pinot table: a Kafka topic, written to a chosen partition and read back.

use super::foreign_table;
use super::produce_queue::ProduceQueue;
use super::wire::{entry, message};
use crate::adapter::capabilities::{Client, Completion, InputLog, RowSink};
use crate::adapter::clock::now_ms;
use crate::config::access::{Credentials, Login, SecretError};
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::row::Entry;
use dissent_core::history::schema::Schema;
use rskafka::chrono::DateTime;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client as KafkaClient, ClientBuilder, Credentials as SaslCredentials, SaslConfig};
use rskafka::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// The timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum size of one fetch, in bytes.
const FETCH_BYTES: i32 = 4 << 20;

/// The maximum time for Kafka to create or delete a topic, in milliseconds.
const TOPIC_TIMEOUT_MS: i32 = 10_000;

/// A Kafka cluster as the target file describes it. It is contacted only when needed.
#[derive(Clone, Debug)]
pub(super) struct Kafka {
    pub(super) address: String,
    tls: bool,
    ca: Option<PathBuf>,
    credentials: Option<Credentials>,
}

impl Kafka {
    /// None if the file does not give the address.
    pub(super) fn of(file: &TargetFile) -> Option<Kafka> {
        Some(Kafka {
            address: file.kafka.clone()?,
            tls: file.kafka_tls,
            ca: file.ca.clone(),
            credentials: file.kafka_credentials.clone(),
        })
    }

    fn at(&self) -> String {
        format!("Kafka at {}", self.address)
    }

    fn unreachable(&self, cause: impl ToString) -> TargetError {
        TargetError::Unreachable { at: self.at(), cause: cause.to_string() }
    }

    fn refused(&self, cause: impl ToString) -> TargetError {
        TargetError::Refused { at: self.at(), cause: cause.to_string() }
    }

    async fn in_time<T, E: ToString>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, TargetError> {
        match timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| self.unreachable(error)),
            Err(_) => Err(self.unreachable("timeout")),
        }
    }

    async fn client(&self) -> Result<KafkaClient, TargetError> {
        let mut builder = ClientBuilder::new(vec![self.address.clone()]);
        if let Some(credentials) = &self.credentials {
            let locked = |error: SecretError| TargetError::Unauthenticated { cause: error.to_string() };
            if let Login::Password(user, password) = credentials.login().map_err(locked)? {
                let plain = SaslCredentials::new(user, password.reveal().to_owned());
                builder = builder.sasl_config(SaslConfig::Plain(plain));
            }
        }
        self.in_time(self.with_tls(builder)?.build()).await
    }

    #[cfg(feature = "tls")]
    fn with_tls(&self, builder: ClientBuilder) -> Result<ClientBuilder, TargetError> {
        if !self.tls {
            return Ok(builder);
        }
        let config =
            crate::adapter::tls::with_roots(self.ca.as_deref()).map_err(|cause| self.unreachable(cause))?;
        Ok(builder.tls_config(Arc::new(config)))
    }

    /// The target file has already been refused if it asks for TLS.
    #[cfg(not(feature = "tls"))]
    fn with_tls(&self, builder: ClientBuilder) -> Result<ClientBuilder, TargetError> {
        match (self.tls, &self.ca) {
            (false, _) => Ok(builder),
            (true, _) => Err(self.lost("this build of dissent does not support TLS")),
        }
    }

    /// The names of the existing topics.
    pub(super) async fn topics(&self) -> Result<BTreeSet<String>, TargetError> {
        let topics = self.in_time(self.client().await?.list_topics()).await?;
        Ok(topics.into_iter().map(|topic| topic.name).collect())
    }

    /// Deletes a topic. Does nothing if it does not exist.
    pub(super) async fn drop_topic(&self, name: &str) -> Result<(), TargetError> {
        if !self.topics().await?.contains(name) {
            return Ok(());
        }
        let controller = self.client().await?.controller_client().map_err(|error| self.unreachable(error))?;
        controller.delete_topic(name, TOPIC_TIMEOUT_MS).await.map_err(|error| self.refused(error))
    }
}

/// Receives the values of records with their offsets. An error ends the read.
type ValueSink<'a> = &'a mut (dyn FnMut(u64, &[u8]) -> Result<(), TargetError> + Send);

/// The topic of a table.
pub(super) struct Topic {
    kafka: Kafka,
    name: String,
    schema: Schema,
    /// The key columns of a foreign table. None for a table that the model folds.
    foreign_keys: Option<Vec<String>>,
    partitions: OnceCell<Vec<TopicPartition>>,
}

/// One partition of a topic.
pub(super) struct TopicPartition {
    client: PartitionClient,
    queue: ProduceQueue,
}

impl Topic {
    pub(super) fn new(
        kafka: Kafka,
        name: String,
        schema: &Schema,
        foreign_keys: Option<Vec<String>>,
    ) -> Topic {
        Topic { kafka, name, schema: schema.clone(), foreign_keys, partitions: OnceCell::new() }
    }

    /// Parses the entry in a record's value.
    fn entry(&self, partition: u32, off: u64, value: &[u8]) -> Result<Entry, TargetError> {
        let at = format!("offset {off} of {}/{partition}", self.name);
        if let Some(keys) = &self.foreign_keys {
            return foreign_table::entry(keys, &self.schema, &at, off, value);
        }
        let (key, op, cmp, cols) = entry(&self.schema, &at, value)?;
        Ok(Entry { off, key: key.into(), op, cmp, tombstone: false, cols })
    }

    fn lost(&self, cause: impl ToString) -> TargetError {
        self.kafka.unreachable(cause)
    }

    async fn in_time<T, E: ToString>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, TargetError> {
        self.kafka.in_time(answer).await
    }

    /// Creates the topic. Fails if one of this name exists.
    pub(super) async fn make(&self, partitions: u32) -> Result<(), TargetError> {
        let controller = self.kafka.client().await?.controller_client().map_err(|error| self.lost(error))?;
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let made = controller.create_topic(&self.name, partitions, 1, TOPIC_TIMEOUT_MS).await;
        made.map_err(|error| self.kafka.refused(error))
    }

    async fn partitions(&self) -> Result<&Vec<TopicPartition>, TargetError> {
        let open = || async {
            let client = self.kafka.client().await?;
            let topics = self.in_time(client.list_topics()).await?;
            let topic = topics.into_iter().find(|topic| topic.name == self.name);
            let topic = topic.ok_or_else(|| self.lost(format!("no topic {}", self.name)))?;
            let mut partitions = Vec::new();
            for partition in topic.partitions {
                let name = self.name.clone();
                let open = client.partition_client(name, partition, UnknownTopicHandling::Retry);
                let client = self.in_time(open).await?;
                partitions.push(TopicPartition { client, queue: ProduceQueue::default() });
            }
            Ok(partitions)
        };
        self.partitions.get_or_try_init(open).await
    }

    async fn partition(&self, partition: u32) -> Result<&TopicPartition, TargetError> {
        let all = self.partitions().await?;
        let none = || self.lost(format!("no partition {partition} of {}", self.name));
        all.get(partition as usize).ok_or_else(none)
    }

    /// Produces ops to one partition and returns their offsets, where they are known.
    async fn produce(&self, partition: u32, ops: &[&Op]) -> Result<Vec<Option<i64>>, TargetError> {
        let record = |op: &&Op| Record {
            key: Some(op.key.as_bytes().to_vec()),
            value: Some(message(&self.schema, &op.key, op.id, op.cmp, &op.cols).to_string().into_bytes()),
            headers: BTreeMap::new(),
            timestamp: DateTime::from_timestamp_millis(now_ms().cast_signed()).unwrap_or_default(),
        };
        let records = ops.iter().map(record).collect();
        let TopicPartition { client, queue } = self.partition(partition).await?;
        let send = |records| self.in_time(client.produce(records, Compression::NoCompression));
        Ok(queue.produce(records, send).await)
    }
}

#[async_trait]
impl Client for Topic {
    /// An op without an answer has an unknown outcome, because its entry may be in the log.
    async fn write(&self, ops: &[Op]) -> Vec<Completion> {
        let mut completions = vec![Completion { outcome: OpOutcome::Unknown, off: None }; ops.len()];
        let mut by_partition: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, op) in ops.iter().enumerate() {
            by_partition.entry(op.partition).or_default().push(at);
        }
        for (partition, places) in by_partition {
            let mine: Vec<&Op> = places.iter().map(|&at| &ops[at]).collect();
            let Ok(offs) = self.produce(partition, &mine).await else { continue };
            for (at, off) in places.into_iter().zip(offs) {
                let Some(off) = off else { continue };
                completions[at] = Completion { outcome: OpOutcome::Ok, off: u64::try_from(off).ok() };
            }
        }
        completions
    }
}

#[async_trait]
impl InputLog for Topic {
    async fn ends(&self) -> Result<Vec<u64>, TargetError> {
        let mut ends = Vec::new();
        for partition in 0..self.count().await? {
            ends.push(self.end(partition).await?);
        }
        Ok(ends)
    }

    async fn read(
        &self,
        partition: u32,
        mut from: u64,
        end: u64,
        out: RowSink<'_, Entry>,
    ) -> Result<(), TargetError> {
        if self.foreign_keys.is_some() {
            // The start of an old topic may have been deleted.
            from = from.max(self.begin(partition).await?);
        }
        self.values(partition, from, end, &mut |off, value| {
            out(self.entry(partition, off, value)?);
            Ok(())
        })
        .await
    }
}

impl Topic {
    /// The number of its partitions.
    pub(super) async fn count(&self) -> Result<u32, TargetError> {
        Ok(u32::try_from(self.partitions().await?.len()).unwrap_or(u32::MAX))
    }

    /// The lowest offset that a partition still has.
    pub(super) async fn begin(&self, partition: u32) -> Result<u64, TargetError> {
        let client = &self.partition(partition).await?.client;
        Ok(self.in_time(client.get_offset(OffsetAt::Earliest)).await?.cast_unsigned())
    }

    /// The offset behind the last record of a partition.
    pub(super) async fn end(&self, partition: u32) -> Result<u64, TargetError> {
        let client = &self.partition(partition).await?.client;
        Ok(self.in_time(client.get_offset(OffsetAt::Latest)).await?.cast_unsigned())
    }

    /// The values of the records of a partition from one offset up to another, with their offsets.
    pub(super) async fn values(
        &self,
        partition: u32,
        mut from: u64,
        end: u64,
        out: ValueSink<'_>,
    ) -> Result<(), TargetError> {
        let client = &self.partition(partition).await?.client;
        while from < end {
            let fetch = client.fetch_records(from.cast_signed(), 1..FETCH_BYTES, 1_000);
            let (records, _) = self.in_time(fetch).await?;
            let records =
                records.into_iter().filter(|record| (from..end).contains(&record.offset.cast_unsigned()));
            let mut is_any = false;
            for record in records.collect::<Vec<_>>() {
                let off = record.offset.cast_unsigned();
                out(off, &record.record.value.unwrap_or_default())?;
                (from, is_any) = (off + 1, true);
            }
            if !is_any {
                return Err(
                    self.lost(format!("{} ends at {end}, and nothing came from {from} on", self.name))
                );
            }
        }
        Ok(())
    }
}
