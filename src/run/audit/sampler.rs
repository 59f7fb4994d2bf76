//! Looks at all positions every second while an audit reads, so that one command also answers whether a
//! replica stands still.

use crate::adapter::contents::{Contents, PositionSample};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::time::Nanos;
use jiff::Timestamp;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Samples positions.
pub(super) struct PositionSampler<'c> {
    pub(super) contents: &'c dyn Contents,
    /// The start of the audit's clock.
    pub(super) since: Timestamp,
}

impl PositionSampler<'_> {
    /// Samples while something else is done. A look that failed is left out: it says nothing of a position.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> (T, Vec<TimedEvent>) {
        let (mut samples, mut work) = (Vec::new(), pin!(work));
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = async {
                ticks.tick().await;
                self.contents.positions().await
            };
            tokio::select! {
                done = &mut work => return (done, samples),
                looked = look => {
                    samples.extend(looked.unwrap_or_default().into_iter().map(|it| self.event(it)));
                }
            }
        }
    }

    fn event(&self, sample: PositionSample) -> TimedEvent {
        let since = Timestamp::now().duration_since(self.since);
        let PositionSample { replica, partition, u1, f, u2, status, incarnation } = sample;
        TimedEvent {
            t: Nanos(u64::try_from(since.as_nanos()).unwrap_or_default()),
            event: Event::Sample { replica, partition, u1, f, u2, status, incarnation },
        }
    }
}
