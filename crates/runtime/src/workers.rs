//! The loop that gives a controller its keys.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    controller::{Controller, Outcome},
    key::Key,
    queue::Queue,
};

/// Runs a controller with some workers until the token is cancelled; rounds in work are finished first.
///
/// A round that panics is a failed round of that key: the others go on.
pub async fn run(controller: Arc<dyn Controller>, queue: Queue, workers: usize, stop: CancellationToken) {
    let mut running = JoinSet::new();
    for _ in 0..workers.max(1) {
        let (controller, queue, stop) = (controller.clone(), queue.clone(), stop.clone());
        running.spawn(async move {
            while let Some(key) = queue.next(&stop).await {
                settle(controller.as_ref(), &queue, &key).await;
            }
        });
    }
    while running.join_next().await.is_some() {}
}

async fn settle(controller: &dyn Controller, queue: &Queue, key: &Key) {
    let outcome = match AssertUnwindSafe(controller.reconcile(key)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Outcome::Retry(format!("the round broke off: {}", text_of(panic.as_ref()))),
    };
    match outcome {
        Outcome::Done => queue.forget(key),
        Outcome::Again(delay) => {
            queue.forget(key);
            queue.add_after(key.clone(), delay);
        }
        Outcome::Retry(why) => {
            tracing::debug!(controller = controller.name(), %key, why, "will be tried again");
            queue.retry(key.clone());
        }
    }
    queue.done(key);
}

/// Only a fixed text: one that was put together may hold a part of an object.
fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("its message may not be shown")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::queue::Priority;

    /// Tells every round; fails, panics or sleeps by the key's name.
    struct Probe(mpsc::UnboundedSender<(String, u128)>, Instant);

    #[async_trait]
    impl Controller for Probe {
        fn name(&self) -> &str {
            "probe"
        }

        async fn reconcile(&self, key: &Key) -> Outcome {
            self.0.send((key.name.to_string(), self.1.elapsed().as_millis())).ok();
            match &*key.name {
                "panics" => panic!("on purpose"),
                "fails" => Outcome::Retry("on purpose".into()),
                "again" => Outcome::Again(Duration::from_secs(7)),
                _ => {
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    self.0.send(("finished".into(), self.1.elapsed().as_millis())).ok();
                    Outcome::Done
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failing_and_panicking_rounds_come_again_and_do_not_stop_others() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (queue, stop) = (Queue::new(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::new(Probe(tell, Instant::now())), queue.clone(), 1, stop.clone()));
        for name in ["panics", "fails", "again"] {
            queue.add(Key::new("", name), Priority::User);
        }
        let mut times: std::collections::BTreeMap<String, Vec<u128>> = Default::default();
        while times.get("again").is_none_or(|t| t.len() < 2) {
            let (name, at) = told.recv().await.unwrap();
            times.entry(name).or_default().push(at);
        }
        assert_eq!(times["again"], [0, 7000]);
        assert_eq!(times["fails"][..4], [0, 5, 15, 35]);
        assert_eq!(times["panics"][..4], [0, 5, 15, 35]);
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_lets_the_round_in_work_finish() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let (queue, stop) = (Queue::new(), CancellationToken::new());
        let running = tokio::spawn(run(Arc::new(Probe(tell, Instant::now())), queue.clone(), 2, stop.clone()));
        queue.add(Key::new("", "slow"), Priority::User);
        told.recv().await.unwrap();
        stop.cancel();
        running.await.unwrap();
        assert_eq!(told.recv().await.unwrap(), ("finished".to_owned(), 3000));
    }
}
