//! A panic as a value: our own bug must not keep faults from being cured, nor a record from being judged.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Leads a future to its end, or to its panic, which is told in words.
pub(super) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    // What the future leaves half done is only dropped after this.
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(words(&*panic))),
    })
    .await
}

/// What a panic said.
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
        let told = caught(broken).await.expect_err("it panics");
        assert!(told.contains("no such thing"), "{told}");
    }
}
