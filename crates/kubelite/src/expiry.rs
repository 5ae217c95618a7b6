//! Finished Jobs that have said how long they want to be kept.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use comity_core::{Value, object, time};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent, DeleteOptions, Propagation},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    kit::{hands::Hands, resources::JOBS},
    wiring::Wiring,
};

const NAME: &str = "ttl-after-finished-controller";

struct Expiry {
    hands: Hands,
    jobs: Cache,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = Expiry { hands: wiring.controller(NAME), jobs: wiring.informers.cache(&JOBS) };
    let queue = wiring.run(Arc::new(controller), 1);
    wiring.informers.on(&JOBS, move |event| {
        if let CacheEvent::Applied { new, .. } = event
            && expires_at(new).is_some()
        {
            queue.add(Key::of(new), Priority::Resync);
        }
    });
}

/// When a finished Job is no longer wanted.
fn expires_at(job: &Value) -> Option<Timestamp> {
    let seconds = object::int_at(job, &["spec", "ttlSecondsAfterFinished"])?;
    let conditions = object::items_at(job, &["status", "conditions"]);
    let finished = conditions.iter().find(|c| (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True")?;
    if object::is_deleting(job) {
        return None;
    }
    Some(time::parse(object::str_at(finished, &["lastTransitionTime"]))? + SignedDuration::from_secs(seconds))
}

#[async_trait]
impl Controller for Expiry {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        let Some(job) = self.jobs.get(&key.namespace, &key.name) else { return Outcome::Done };
        let Some(at) = expires_at(&job) else { return Outcome::Done };
        let left = Timestamp::now().duration_until(at);
        if left > SignedDuration::ZERO {
            return Outcome::Again(Duration::try_from(left).unwrap_or(Duration::from_secs(1)));
        }
        // at the state that was looked at: a change of the time to live counts
        let options = DeleteOptions {
            resource_version: Some(object::resource_version(&job).to_owned()),
            propagation: Some(Propagation::Foreground),
            ..DeleteOptions::default()
        };
        match self.hands.delete(&JOBS, &job, options).await {
            Err(error) => Outcome::Retry(error.to_string()),
            Ok(_) => Outcome::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn only_finished_jobs_with_a_time_to_live_expire() {
        let finished = json!([{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        let job = |ttl: Value, conditions: &Value| json!({"spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": conditions}});
        assert_eq!(expires_at(&job(json!(60), &finished)), Some("2026-01-01T00:01:00Z".parse().unwrap()));
        assert_eq!(expires_at(&job(json!(null), &finished)), None);
        assert_eq!(expires_at(&job(json!(60), &json!([]))), None);
    }
}
