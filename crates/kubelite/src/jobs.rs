//! Jobs: pods until enough have succeeded, none lost in counting.

mod indexes;
mod model;
mod plan;
mod status;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{Value, json, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent, ClientError, DeleteOptions},
};
use jiff::Timestamp;

use crate::{
    kit::{
        hands::{Hands, Told},
        index::Index,
        informers::Informers,
        resources::{JOBS, PODS},
        settle::Settle,
        slow_start::slow_start,
    },
    wiring::Wiring,
};
use model::{Observed, TRACKING, is_tracked};
use plan::plan;

const NAME: &str = "job-controller";

struct Jobs {
    hands: Hands,
    jobs: Cache,
    pods: Cache,
    pods_by_owner: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let controller = Jobs {
        hands: wiring.controller(NAME),
        jobs: wiring.informers.cache(&JOBS),
        pods: wiring.informers.cache(&PODS),
        pods_by_owner: wiring.pods_by_owner(),
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    listen(&wiring.informers, &queue);
}

fn listen(informers: &Informers, queue: &Queue) {
    let jobs = queue.clone();
    informers.on(&JOBS, move |event| {
        if let CacheEvent::Applied { new: job, .. } | CacheEvent::Deleted(job) = event {
            jobs.add(Key::of(job), Priority::User);
        }
    });
    informers.wake_for_pods_of("Job", queue);
}

#[async_trait]
impl Controller for Jobs {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(key).await {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Retry(why),
        }
    }
}

impl Jobs {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let job = self.jobs.get(&key.namespace, &key.name);
        self.release_orphans(key, job.as_deref()).await?;
        let Some(job) = job else { return Ok(Outcome::Done) };
        let manager = object::str_at(&job, &["spec", "managedBy"]);
        if !matches!(manager, "" | "kubernetes.io/job-controller") {
            return Ok(Outcome::Done);
        }
        let pods = self.pods_by_owner.get(object::uid(&job));
        if object::is_deleting(&job) || model::is_finished(&job) {
            self.untrack(key, pods.iter()).await?;
            return Ok(Outcome::Done);
        }
        let observed = Observed { job: job.clone(), pods, now: Timestamp::now() };
        let planned = plan(&observed);
        // who is no longer wanted does not count as failed, who is stopped with the Job does
        self.untrack(key, planned.delete.iter()).await?;
        self.delete(key, &job, planned.delete.iter().chain(&planned.stop)).await?;
        let failure = self.create(key, &job, &planned.create).await;
        if job["status"] != planned.status {
            let answer = self.hands.write_status(&JOBS, &job, planned.status.clone()).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.jobs, &answer);
            for told in &planned.told {
                self.hands.tell(&job, told);
            }
        }
        // only what the status has taken in may lose its finalizer
        self.untrack(key, planned.untrack.iter()).await?;
        match failure {
            Some(why) => Err(why),
            None => Ok(planned.again.map_or(Outcome::Done, Outcome::Again)),
        }
    }

    /// Pods of a Job that is gone, or was replaced by another one of its name, must not be held back.
    async fn release_orphans(&self, key: &Key, job: Option<&Value>) -> Result<(), String> {
        let uid = job.map(object::uid).unwrap_or_default();
        let orphan = |pod: &&Arc<Value>| {
            is_tracked(pod)
                && object::controller_ref(pod).is_none_or(|owner| {
                    owner["kind"] == "Job" && object::str_at(owner, &["name"]) == &*key.name && object::str_at(owner, &["uid"]) != uid
                })
        };
        if job.is_some_and(|job| !object::is_deleting(job)) {
            return Ok(());
        }
        let pods = self.pods.list_namespace(&key.namespace);
        self.untrack(key, pods.iter().filter(orphan)).await
    }

    async fn create(&self, key: &Key, job: &Value, pods: &[Value]) -> Option<String> {
        let (made, failure) = slow_start(pods.len(), |index| self.hands.create(&PODS, &pods[index])).await;
        for pod in &made {
            self.settle.wrote(key, &self.pods, pod);
            self.hands.tell(job, &Told::normal("SuccessfulCreate", format!("Created pod: {}", object::name(pod))));
        }
        let failure = failure.filter(|error: &ClientError| !error.is_namespace_terminating())?.to_string();
        self.hands.tell(job, &Told::warning("FailedCreate", format!("Error creating: {failure}")));
        Some(failure)
    }

    async fn delete(&self, key: &Key, job: &Value, pods: impl Iterator<Item = &Arc<Value>>) -> Result<(), String> {
        for pod in pods {
            let answer = self.hands.delete(&PODS, pod, DeleteOptions::default()).await.map_err(|e| e.to_string())?;
            self.settle.deleted(key, &self.pods, pod, answer.as_ref());
            self.hands.tell(job, &Told::normal("SuccessfulDelete", format!("Deleted pod: {}", object::name(pod))));
        }
        Ok(())
    }

    async fn untrack(&self, key: &Key, pods: impl Iterator<Item = &Arc<Value>>) -> Result<(), String> {
        for pod in pods.filter(|pod| is_tracked(pod)) {
            let left: Vec<&str> = object::finalizers(pod).filter(|f| *f != TRACKING).collect();
            let patch = json!({"metadata": {"resourceVersion": object::resource_version(pod), "finalizers": left}});
            match self.hands.merge(&PODS, pod, None, patch).await {
                Ok(answer) if object::is_deleting(&answer) && left.is_empty() => {}
                Ok(answer) => self.settle.wrote(key, &self.pods, &answer),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}
