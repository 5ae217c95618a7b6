use super::*;

fn key(name: &str) -> Key {
    Key::new("ns", name)
}

async fn next(queue: &Queue) -> String {
    queue.next(&CancellationToken::new()).await.unwrap().name.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_key_is_queued_once_and_urgent_ones_go_first() {
    let queue = Queue::new();
    queue.add(key("slow"), Priority::Resync);
    queue.add(key("drift"), Priority::Drift);
    queue.add(key("user"), Priority::User);
    queue.add(key("moved"), Priority::Resync);
    queue.add(key("moved"), Priority::User);
    queue.add(key("user"), Priority::Resync);
    assert_eq!(queue.len(), 4);
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(next(&queue).await);
    }
    assert_eq!(order, ["user", "moved", "drift", "slow"]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_while_in_work_gives_exactly_one_more_round_afterwards() {
    let queue = Queue::new();
    queue.add(key("a"), Priority::User);
    assert_eq!(next(&queue).await, "a");
    queue.add(key("a"), Priority::Drift);
    queue.add(key("a"), Priority::Drift);
    assert!(queue.is_empty());
    queue.done(&key("a"));
    assert_eq!(next(&queue).await, "a");
    queue.done(&key("a"));
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_several_timers_the_earliest_counts_and_fires_once() {
    let queue = Queue::new();
    let started = Instant::now();
    queue.add_after(key("a"), Duration::from_secs(60));
    queue.add_after(key("a"), Duration::from_secs(10));
    queue.add_after(key("a"), Duration::from_secs(30));
    queue.add_after(key("b"), Duration::from_secs(20));
    assert_eq!(next(&queue).await, "a");
    assert_eq!(started.elapsed().as_secs(), 10);
    queue.done(&key("a"));
    assert_eq!(next(&queue).await, "b");
    assert_eq!(started.elapsed().as_secs(), 20);
    let more = tokio::time::timeout(Duration::from_secs(600), next(&queue)).await;
    assert!(more.is_err(), "a stale timer fired");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timer_wakes_who_already_waits_for_a_longer_one() {
    let queue = Queue::new();
    let started = Instant::now();
    queue.add_after(key("late"), Duration::from_secs(60));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { next(&queue).await }
    });
    tokio::task::yield_now().await;
    queue.add_after(key("early"), Duration::from_secs(1));
    assert_eq!(waiting.await.unwrap(), "early");
    assert_eq!(started.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn pauses_of_a_failing_key_double_to_thirty_seconds_and_begin_anew_when_forgotten() {
    let queue = Queue::new();
    let mut pauses = Vec::new();
    for round in 0..16 {
        if round == 15 {
            queue.forget(&key("a"));
        }
        let started = Instant::now();
        queue.retry(key("a"));
        next(&queue).await;
        queue.done(&key("a"));
        pauses.push(started.elapsed().as_millis());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 30000, 30000, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_least_urgent_are_not_starved() {
    let queue = Queue::new();
    queue.add(key("slow"), Priority::Resync);
    for index in 0..40 {
        queue.add(key(&format!("user-{index}")), Priority::User);
    }
    let mut turn = 1;
    while next(&queue).await != "slow" {
        turn += 1;
    }
    assert!(turn <= 16, "{turn}");
}

#[tokio::test(start_paused = true)]
async fn every_waiting_worker_is_woken_when_many_keys_come() {
    let queue = Queue::new();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { next(&queue).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for name in ["a", "b", "c"] {
        queue.add(key(name), Priority::User);
    }
    let mut names = Vec::new();
    for worker in workers {
        names.push(worker.await.unwrap());
    }
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_rests_is_given_out_once_afterwards_but_at_once_for_a_user() {
    let queue = Queue::new();
    let started = Instant::now();
    queue.add(key("a"), Priority::Drift);
    assert_eq!(next(&queue).await, "a");
    queue.rest(key("a"), Duration::from_secs(3));
    queue.add(key("a"), Priority::Drift);
    queue.done(&key("a"));
    queue.add(key("a"), Priority::Resync);
    queue.rest(key("a"), Duration::from_secs(60));
    assert_eq!(next(&queue).await, "a");
    assert_eq!(started.elapsed().as_secs(), 3);
    queue.rest(key("a"), Duration::from_secs(3));
    queue.add(key("a"), Priority::User);
    queue.done(&key("a"));
    assert_eq!(next(&queue).await, "a");
    assert_eq!(started.elapsed().as_secs(), 3);
    queue.done(&key("a"));
    let more = tokio::time::timeout(Duration::from_secs(600), next(&queue)).await;
    assert!(more.is_err(), "what was wanted before the round was given out again");
}
