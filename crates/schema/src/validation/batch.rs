//! Rules for Jobs and CronJobs.

use comity_core::{FieldError, Value, object};

use super::{
    pod,
    report::{Report, has, matches, same, shown, text},
};

const NUMBERS: [&str; 6] =
    ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex"];

/// A job's spec without its selector, which the server generates.
fn spec(report: &mut Report, spec: &Value, path: &str) {
    for key in NUMBERS {
        report.nonnegative(spec, path, key);
    }
    report.nonnegative(spec, path, "maxFailedIndexes");
    if has(spec, "maxFailedIndexes") && !has(spec, "backoffLimitPerIndex") {
        report.required(format!("{path}.backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    let mode = text(spec, "completionMode");
    if !matches!(mode, "" | "NonIndexed" | "Indexed") {
        report.errors.push(FieldError::not_supported(format!("{path}.completionMode"), &mode.into(), &["NonIndexed", "Indexed"]));
    }
    if mode == "Indexed" && !has(spec, "completions") {
        report.required(format!("{path}.completions"), "when completion mode is Indexed");
    }
    if matches!(mode, "" | "NonIndexed") {
        for key in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            if has(spec, key) {
                report.invalid(format!("{path}.{key}"), &shown(spec, key), "requires indexed completion mode");
            }
        }
    }
    pod::template(report, spec.get("template").unwrap_or(&Value::Null), &format!("{path}.template"));
    let (at, policy) = (format!("{path}.template.spec.restartPolicy"), object::str_at(spec, &["template", "spec", "restartPolicy"]));
    match policy {
        "" | "Always" => report.required(at, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if has(spec, "podFailurePolicy") => {
            report.invalid(at, &policy.into(), "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" | "Never" => {}
        other => report.errors.push(FieldError::not_supported(at, &other.into(), &["OnFailure", "Never"])),
    }
}

pub(super) fn job(report: &mut Report, v: &Value, old: Option<&Value>) {
    let null = Value::Null;
    let job = v.get("spec").unwrap_or(&null);
    spec(report, job, "spec");
    // On create the server generates selector and labels after this, unless they are chosen by hand.
    let manual = job.get("manualSelector") == Some(&Value::Bool(true));
    if has(job, "selector") && (manual || old.is_some()) {
        if !manual {
            generated_selector(report, v, job);
        }
        report.selector(job.get("selector"), "spec.selector");
        let labels = object::at(job, &["template", "metadata", "labels"]);
        if matches(job.get("selector"), labels.and_then(Value::as_object)) == Some(false) {
            let shown = labels.cloned().unwrap_or_default();
            report.invalid("spec.template.metadata.labels", &shown, "`selector` does not match template `labels`");
        }
    }
    let Some(before) = old.and_then(|o| o.get("spec")) else { return };
    let elastic = text(job, "completionMode") == "Indexed" && job.get("completions") == job.get("parallelism");
    if !elastic {
        report.immutable(job, before, "spec", "completions");
    }
    report.immutable(job, before, "spec", "selector");
    template_change(report, old, job, before);
    for key in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        report.immutable(job, before, "spec", key);
    }
}

/// A selector that the server made names the job's uid and nothing else.
fn generated_selector(report: &mut Report, v: &Value, job: &Value) {
    let uid = object::uid(v);
    let labels = object::at(job, &["selector", "matchLabels"]).and_then(Value::as_object);
    let own = labels.is_some_and(|l| l.len() == 1 && l.iter().all(|(k, v)| k.ends_with("controller-uid") && v == uid));
    if !own {
        report.invalid("spec.selector", &shown(job, "selector"), "`selector` not auto-generated");
    }
}

/// Only a suspended job that never started may be scheduled differently.
fn template_change(report: &mut Report, old: Option<&Value>, job: &Value, before: &Value) {
    let started = old.and_then(|o| object::at(o, &["status", "startTime"])).is_some_and(|t| !t.is_null());
    let suspended = before.get("suspend") == Some(&Value::Bool(true)) && !started;
    let plain = |spec: &Value| {
        let mut template = shown(spec, "template");
        if suspended {
            for path in [
                &["metadata", "labels"][..],
                &["metadata", "annotations"],
                &["spec", "nodeSelector"],
                &["spec", "tolerations"],
                &["spec", "affinity"],
                &["spec", "schedulingGates"],
            ] {
                object::remove(&mut template, path);
            }
            for list in ["containers", "initContainers"] {
                let containers = template.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut);
                containers.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|c| {
                    c.shift_remove("resources");
                });
            }
        }
        template
    };
    if !same(Some(&plain(job)), Some(&plain(before))) {
        report.invalid("spec.template", &shown(job, "template"), "field is immutable");
    }
}

pub(super) fn cron_job(report: &mut Report, v: &Value, old: Option<&Value>) {
    let null = Value::Null;
    let cron = v.get("spec").unwrap_or(&null);
    let schedule = text(cron, "schedule");
    if schedule.is_empty() {
        report.required("spec.schedule", "");
    } else if let Err(why) = super::cron::check(schedule) {
        report.invalid("spec.schedule", &schedule.into(), &why);
    }
    report.nonnegative(cron, "spec", "startingDeadlineSeconds");
    let zone = cron.get("timeZone").and_then(Value::as_str);
    if let Some(zone) = zone.filter(|z| old.and_then(|o| object::at(o, &["spec", "timeZone"])).and_then(Value::as_str) != Some(*z)) {
        time_zone(report, zone);
    }
    report.one_of("spec.concurrencyPolicy", text(cron, "concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    spec(report, object::at(cron, &["jobTemplate", "spec"]).unwrap_or(&null), "spec.jobTemplate.spec");
    report.nonnegative(cron, "spec", "successfulJobsHistoryLimit");
    report.nonnegative(cron, "spec", "failedJobsHistoryLimit");
    if old.is_none() && object::name(v).len() > 52 {
        report.invalid("metadata.name", &object::name(v).into(), "must be no more than 52 characters");
    }
}

fn time_zone(report: &mut Report, zone: &str) {
    let path = "spec.timeZone";
    if zone.is_empty() {
        return report.invalid(path, &zone.into(), "timeZone must be nil or non-empty string");
    }
    if zone.eq_ignore_ascii_case("local") {
        return report.invalid(path, &zone.into(), "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    }
    if jiff::tz::TimeZone::get(zone).is_err() {
        report.invalid(path, &zone.into(), &format!("unknown time zone {zone}"));
    }
}
