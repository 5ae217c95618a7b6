//! Controllers of pods.

use comity_core::{Value, kinds, object, time};

use super::cells::{At, Cells, between, condition, containers, flag, labels, number, or, selector, text};

fn pod_spec(object: &Value) -> Option<&Value> {
    object::at(object, &["spec", "template", "spec"])
}

/// The selector of an object, `<none>` when it selects everything.
fn selector_or_none(object: &Value, path: &[&str]) -> Value {
    or(&selector(object::at(object, path)), "<none>").into()
}

pub(super) fn deployment(object: &Value, at: At) -> Cells {
    let status = |key: &str| number(object, &["status", key]);
    let mut cells: Cells = vec![
        object::name(object).into(),
        format!("{}/{}", status("readyReplicas"), number(object, &["spec", "replicas"])).into(),
        status("updatedReplicas").into(),
        status("availableReplicas").into(),
        at.age(object),
    ];
    cells.extend(containers(pod_spec(object)));
    cells.push(selector(object::at(object, &["spec", "selector"])).into());
    cells
}

fn replicas(object: &Value, at: At) -> Cells {
    let mut cells: Cells = vec![
        object::name(object).into(),
        number(object, &["spec", "replicas"]).into(),
        number(object, &["status", "replicas"]).into(),
        number(object, &["status", "readyReplicas"]).into(),
        at.age(object),
    ];
    cells.extend(containers(pod_spec(object)));
    cells
}

pub(super) fn replica_set(object: &Value, at: At) -> Cells {
    let mut cells = replicas(object, at);
    cells.push(selector_or_none(object, &["spec", "selector"]));
    cells
}

pub(super) fn replication_controller(object: &Value, at: At) -> Cells {
    let mut cells = replicas(object, at);
    cells.push(labels(object::at(object, &["spec", "selector"])).into());
    cells
}

pub(super) fn stateful_set(object: &Value, at: At) -> Cells {
    let ready = format!("{}/{}", number(object, &["status", "readyReplicas"]), number(object, &["spec", "replicas"]));
    let mut cells: Cells = vec![object::name(object).into(), ready.into(), at.age(object)];
    cells.extend(containers(pod_spec(object)));
    cells
}

pub(super) fn daemon_set(object: &Value, at: At) -> Cells {
    let mut cells: Cells = vec![object::name(object).into()];
    for key in ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"] {
        cells.push(number(object, &["status", key]).into());
    }
    cells.push(labels(object::at(object, &["spec", "template", "spec", "nodeSelector"])).into());
    cells.push(at.age(object));
    cells.extend(containers(pod_spec(object)));
    cells.push(selector_or_none(object, &["spec", "selector"]));
    cells
}

pub(super) fn job(object: &Value, at: At) -> Cells {
    let succeeded = number(object, &["status", "succeeded"]);
    let parallelism = number(object, &["spec", "parallelism"]);
    let completions = match object::int_at(object, &["spec", "completions"]) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let end = time::parse(text(object, &["status", "completionTime"])).unwrap_or(at.now);
    let duration = time::parse(text(object, &["status", "startTime"])).map_or_else(String::new, |start| between(start, end));
    let is = |kind: &str| condition(object, kind).is_some_and(|c| text(c, &["status"]) == "True");
    let status = match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if object::is_deleting(object) => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let mut cells: Cells = vec![object::name(object).into(), status.into(), completions.into(), duration.into(), at.age(object)];
    cells.extend(containers(pod_spec(object)));
    cells.push(selector_or_none(object, &["spec", "selector"]));
    cells
}

pub(super) fn cron_job(object: &Value, at: At) -> Cells {
    let last = match text(object, &["status", "lastScheduleTime"]) {
        "" => "<none>".to_owned(),
        moment => at.since(moment),
    };
    let suspend = match object::at(object, &["spec", "suspend"]) {
        None => "<unset>",
        Some(_) if flag(object, &["spec", "suspend"]) => "True",
        Some(_) => "False",
    };
    let mut cells: Cells = vec![
        object::name(object).into(),
        text(object, &["spec", "schedule"]).into(),
        or(text(object, &["spec", "timeZone"]), "<none>").into(),
        suspend.into(),
        object::items_at(object, &["status", "active"]).len().into(),
        last.into(),
        at.age(object),
    ];
    cells.extend(containers(object::at(object, &["spec", "jobTemplate", "spec", "template", "spec"])));
    cells.push(selector_or_none(object, &["spec", "jobTemplate", "spec", "selector"]));
    cells
}

pub(super) fn pod_template(object: &Value, _: At) -> Cells {
    let mut cells: Cells = vec![object::name(object).into()];
    cells.extend(containers(object::at(object, &["template", "spec"])));
    cells.push(labels(object::at(object, &["template", "metadata", "labels"])).into());
    cells
}

pub(super) fn controller_revision(object: &Value, at: At) -> Cells {
    let controller = object::controller_ref(object).map_or_else(
        || "<none>".to_owned(),
        |owner| {
            let (group, _) = kinds::split_api_version(text(owner, &["apiVersion"]));
            let kind = kinds::GroupKind { group: group.to_owned(), kind: text(owner, &["kind"]).to_owned() };
            format!("{}/{}", kind.to_string().to_lowercase(), text(owner, &["name"]))
        },
    );
    vec![object::name(object).into(), controller.into(), number(object, &["revision"]).into(), at.age(object)]
}
