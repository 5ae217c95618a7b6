//! How many members are connected to at a time: a start with a thousand members must not look like a flood to itself.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many members are connected to at a time.
const AT_A_TIME: usize = 64;
/// One that does not answer makes way for the next after this time.
const PATIENCE: Duration = Duration::from_millis(250);

/// The way in, for all members of a fleet.
#[derive(Clone)]
pub(crate) struct Entrances(Arc<Semaphore>);

impl Default for Entrances {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Entrances {
    /// The way in of one member.
    pub fn of_member(&self) -> Entrance {
        Entrance { all: self.0.clone(), waiting: None }
    }
}

/// The way in of one member.
pub(crate) struct Entrance {
    all: Arc<Semaphore>,
    waiting: Option<tokio::task::AbortHandle>,
}

impl Entrance {
    /// Waits until it is this member's turn. The turn ends with [`Entrance::leave`], and in any case soon.
    pub async fn enter(&mut self) {
        self.leave();
        // an error would mean that nobody lets in any more
        let Ok(turn) = self.all.clone().acquire_owned().await else { return };
        self.waiting = Some(tokio::spawn(hold(turn)).abort_handle());
    }

    /// The member has answered, or has not in its time.
    pub fn leave(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.leave();
    }
}

async fn hold(turn: OwnedSemaphorePermit) {
    tokio::time::sleep(PATIENCE).await;
    drop(turn);
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn members_that_do_not_answer_let_the_next_ones_in_and_those_that_do_at_once() {
        let entrances = Entrances::default();
        let (began, mut silent) = (Instant::now(), Vec::new());
        for _ in 0..AT_A_TIME {
            let mut entrance = entrances.of_member();
            entrance.enter().await;
            silent.push(entrance);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        let mut next = entrances.of_member();
        next.enter().await;
        assert_eq!(began.elapsed(), PATIENCE);
        let mut answered = entrances.of_member();
        for _ in 0..10 * AT_A_TIME {
            answered.enter().await;
            answered.leave();
            tokio::task::yield_now().await;
        }
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
