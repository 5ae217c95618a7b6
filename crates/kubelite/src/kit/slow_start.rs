//! Many alike writes in growing batches: 1, 2, 4, …; the first batch with a failure is the last.

use futures::future::join_all;

/// Runs `count` writes; returns what succeeded and the first failure.
pub(crate) async fn slow_start<T, E, F>(count: usize, mut write: impl FnMut(usize) -> F) -> (Vec<T>, Option<E>)
where
    F: Future<Output = Result<T, E>>,
{
    let (mut done, mut started, mut batch) = (Vec::with_capacity(count), 0, 1);
    while started < count {
        let end = (started + batch).min(count);
        let mut failure = None;
        for result in join_all((started..end).map(&mut write)).await {
            match result {
                Ok(value) => done.push(value),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if failure.is_some() {
            return (done, failure);
        }
        (started, batch) = (end, batch * 2);
    }
    (done, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn batches_double_and_a_failing_batch_is_the_last() {
        let all = slow_start(10, |index| async move { Ok::<_, ()>(index) }).await;
        assert_eq!(all, ((0..10).collect(), None));
        // batches: 0 | 1 2 | 3 4 5 6 | 7 …: the failure at 4 lets its batch finish
        let some = slow_start(10, |index| async move { if index == 4 { Err("full") } else { Ok(index) } }).await;
        assert_eq!(some, (vec![0, 1, 2, 3, 5, 6], Some("full")));
    }
}
