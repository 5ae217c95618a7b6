//! Jobs played round by round against pods that do as they are told.

use jiff::Timestamp;

use super::*;

struct World {
    job: Value,
    pods: Vec<Value>,
    now: Timestamp,
    made: usize,
    told: Vec<String>,
}

impl World {
    fn new(spec: Value) -> Self {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "d", "uid": "job"}, "spec": spec});
        Self { job, pods: Vec::new(), now: "2026-01-01T00:00:00Z".parse().unwrap(), made: 0, told: Vec::new() }
    }

    /// Rounds until nothing changes.
    fn settle(&mut self) -> &mut Self {
        for _ in 0..20 {
            let pods = self.pods.iter().cloned().map(Arc::new).collect();
            let planned = plan(&Observed { job: Arc::new(self.job.clone()), pods, now: self.now });
            let before = (self.job.clone(), self.pods.clone());
            for gone in &planned.delete {
                self.pods.retain(|pod| object::uid(pod) != object::uid(gone));
            }
            for stopped in &planned.stop {
                let pod = self.pods.iter_mut().find(|pod| object::uid(pod) == object::uid(stopped)).unwrap();
                pod["metadata"]["deletionTimestamp"] = time::rfc3339(self.now).into();
                pod["status"]["phase"] = "Failed".into();
            }
            for mut pod in planned.create {
                pod["metadata"]["uid"] = format!("pod-{}", self.made).into();
                pod["metadata"]["name"] = format!("p{}", self.made).into();
                pod["status"] = json!({"phase": "Running"});
                self.made += 1;
                self.pods.push(pod);
            }
            self.job["status"] = planned.status;
            self.told.extend(planned.told.iter().map(|t| t.reason.to_owned()));
            for pod in planned.untrack {
                if let Some(pod) = self.pods.iter_mut().find(|p| object::uid(p) == object::uid(&pod)) {
                    pod["metadata"]["finalizers"] = json!([]);
                }
            }
            self.pods.retain(|pod| !object::is_deleting(pod) || super::super::model::is_tracked(pod));
            if before == (self.job.clone(), self.pods.clone()) || super::super::model::is_finished(&self.job) {
                break;
            }
        }
        self
    }

    /// The first running pods end.
    fn end(&mut self, count: usize, phase: &str) -> &mut Self {
        let at = time::rfc3339(self.now);
        for pod in self.pods.iter_mut().filter(|p| p["status"]["phase"] == "Running").take(count) {
            pod["status"] = json!({"phase": phase, "containerStatuses": [{"state": {"terminated": {"finishedAt": at}}}]});
        }
        self.settle()
    }

    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now += SignedDuration::from_secs(seconds);
        self.settle()
    }

    fn shown(&self) -> String {
        let status = &self.job["status"];
        let number = |key: &str| status[key].as_i64().unwrap_or(0);
        let conditions = object::items_at(status, &["conditions"]).iter();
        let conditions = conditions
            .filter(|c| c["status"] == "True")
            .map(|c| format!("{}({})", c["type"].as_str().unwrap(), c["reason"].as_str().unwrap()));
        let conditions: Vec<String> = conditions.collect();
        format!("active {} succeeded {} failed {} {}", number("active"), number("succeeded"), number("failed"), conditions.join(" "))
            .trim_end()
            .to_owned()
    }
}

#[test]
fn completions_run_in_parallel_until_enough_have_succeeded() {
    let mut world = World::new(json!({"completions": 3, "parallelism": 2, "template": {"spec": {}}}));
    assert_eq!(world.settle().shown(), "active 2 succeeded 0 failed 0");
    assert_eq!(world.end(1, "Succeeded").shown(), "active 2 succeeded 1 failed 0");
    assert_eq!(
        world.end(2, "Succeeded").shown(),
        "active 0 succeeded 3 failed 0 SuccessCriteriaMet(CompletionsReached) Complete(CompletionsReached)"
    );
    assert_eq!(world.job["status"]["completionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(world.job["status"]["uncountedTerminatedPods"], json!({}));
    assert_eq!(world.told, ["Completed"]);
    assert_eq!(world.made, 3);
}

#[test]
fn failures_are_retried_after_growing_pauses_up_to_the_limit() {
    let mut world = World::new(json!({"completions": 1, "parallelism": 1, "backoffLimit": 1, "template": {"spec": {}}}));
    assert_eq!(world.settle().end(1, "Failed").shown(), "active 0 succeeded 0 failed 1");
    assert_eq!(world.wait(9).made, 1);
    assert_eq!(world.wait(1).shown(), "active 1 succeeded 0 failed 1");
    assert_eq!(
        world.end(1, "Failed").shown(),
        "active 0 succeeded 0 failed 2 FailureTarget(BackoffLimitExceeded) Failed(BackoffLimitExceeded)"
    );
    assert_eq!(world.told, ["BackoffLimitExceeded"]);
    assert!(world.job["status"].get("completionTime").is_none());
}

#[test]
fn without_completions_one_success_is_enough_once_nothing_runs() {
    let mut world = World::new(json!({"parallelism": 2, "template": {"spec": {}}}));
    assert_eq!(world.settle().end(1, "Succeeded").shown(), "active 1 succeeded 1 failed 0");
    assert!(world.end(1, "Succeeded").shown().ends_with("Complete(CompletionsReached)"));
    assert_eq!(world.made, 2);
}

#[test]
fn a_deadline_fails_the_job_and_removes_its_pods() {
    let mut world = World::new(json!({"completions": 1, "parallelism": 1, "activeDeadlineSeconds": 30, "template": {"spec": {}}}));
    assert_eq!(world.settle().wait(29).shown(), "active 1 succeeded 0 failed 0");
    assert_eq!(world.wait(1).shown(), "active 0 succeeded 0 failed 1 FailureTarget(DeadlineExceeded) Failed(DeadlineExceeded)");
    assert!(world.pods.is_empty());
}

#[test]
fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let mut world = World::new(json!({"completions": 1, "parallelism": 1, "suspend": true, "template": {"spec": {}}}));
    assert_eq!(world.settle().shown(), "active 0 succeeded 0 failed 0 Suspended(JobSuspended)");
    assert!(world.job["status"].get("startTime").is_none());
    world.job["spec"]["suspend"] = false.into();
    assert_eq!(world.settle().shown(), "active 1 succeeded 0 failed 0");
    assert_eq!(world.told, ["Suspended", "Resumed"]);
}

#[test]
fn indexed_jobs_run_every_index_once() {
    let spec =
        json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "template": {"spec": {"containers": [{"name": "c"}]}}});
    let mut world = World::new(spec);
    world.settle();
    let indexes: Vec<_> = world.pods.iter().filter_map(index_of).collect();
    assert_eq!(indexes, [0, 1, 2]);
    assert_eq!(world.pods[1]["spec"]["hostname"], "j-1");
    assert_eq!(world.pods[1]["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    world.end(2, "Succeeded");
    assert_eq!(world.job["status"]["completedIndexes"], "0,1");
    assert!(world.end(1, "Succeeded").shown().ends_with("Complete(CompletionsReached)"));
    assert_eq!(world.job["status"]["completedIndexes"], "0-2");
}

#[test]
fn fewer_wanted_pods_are_removed_without_counting_as_failed() {
    let mut world = World::new(json!({"completions": 5, "parallelism": 4, "template": {"spec": {}}}));
    world.settle();
    world.job["spec"]["parallelism"] = 1.into();
    assert_eq!(world.settle().shown(), "active 1 succeeded 0 failed 0");
}
