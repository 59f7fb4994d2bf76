//! Turns a panic into a value. A bug in this program must not prevent faults from being healed or a record
//! from being judged.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Runs a future to its end. Returns the message if it panics.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    // After a panic the future is dropped and never polled again.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(words(&*panic))),
    })
    .await
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_an_end_is_handed_on() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let broken = async {
            tokio::task::yield_now().await;
            assert_eq!(1, 2, "no such thing");
        };
        let message = caught(broken).await.expect_err("it panics");
        assert!(message.contains("no such thing"), "{message}");
    }
}
