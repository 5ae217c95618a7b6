//! `comity plan -f FILE`: what applying a file would do in every member, by dry runs there.

use std::collections::BTreeMap;

use comity_api_kubefed::{FederatedTypeConfig, KubeFedConfig, keys};
use comity_core::{GroupVersionResource, Value, confidential, labels, object};
use comity_federation::{
    model::Hub,
    plan::{self as planning, Verdict},
    preview::{self, Asked},
    recovery, survey, validate,
};
use comity_lane::{
    Apply, ClusterClient, Job, ListOptions, PatchKind,
    arbitrate::{Verdict as May, arbitrate},
    job::EARLIER,
    owned,
};

use super::connect;
use crate::{
    args::Plan,
    error::{CliError, CliResult, Exit},
    manifests, printer,
};

/// What one member would make of it.
struct Outcome {
    word: String,
    lines: Vec<String>,
    changes: bool,
}

pub(crate) async fn plan(args: &Plan) -> CliResult {
    let (hub, context) = connect::hub(&args.hub).await?;
    let failed = |e| connect::request_error("cannot read the hub", &context, &e);
    let objects = manifests::read(&args.file)?;
    let (id, epoch) = survey::identity(&hub.client).await.map_err(failed)?;
    let types = survey::types(&hub.client).await.map_err(failed)?;
    let members = survey::members(&hub.client).await.map_err(failed)?;
    let (mut changes, mut broken) = (false, false);
    for object in objects {
        let gvk = object::gvk(&object);
        let Some(config) = types.iter().find(|t| t.spec.federated_type.gvk().group_kind() == gvk.group_kind()) else {
            printer::talk(format!("{} {}: no federated kind, not planned", gvk.kind, object::name(&object)));
            continue;
        };
        let run = Run { hub: &hub.client, config, members: &members, mark: Hub { id: id.as_str().into(), epoch } };
        let object = run.merged(object, &hub.namespace).await.map_err(failed)?;
        printer::data(format!("{} {}", gvk.kind, comity_core::marks::object_name(object::namespace(&object), object::name(&object))));
        let asked = run.ask(&types, &object).await.map_err(failed)?;
        let seen = preview::observe(run.mark.clone(), config, object, &asked);
        let want = match validate::desired(&seen) {
            Ok(want) => want,
            Err(problems) => {
                problems.iter().for_each(|p| printer::data(format!("  {}: {}", p.reason, p.message)));
                broken = true;
                continue;
            }
        };
        for (cluster, verdict) in planning::plan(&seen, &want).verdicts {
            let live = asked.members.get(&cluster).and_then(|(_, live)| live.as_ref().ok().cloned().flatten());
            match run.outcome(&cluster, &verdict, live.as_ref(), want.adopt).await {
                Ok(outcome) => {
                    changes |= outcome.changes;
                    printer::data(format!("  {cluster}  {}", outcome.word));
                    outcome.lines.iter().for_each(|line| printer::data(format!("      {line}")));
                }
                Err(why) => {
                    broken = true;
                    printer::data(format!("  {cluster}  not known: {why}"));
                }
            }
        }
    }
    match (broken, changes) {
        (true, _) => Err(CliError::new("not everything could be planned").exit(Exit::Partial)),
        (false, true) => Err(CliError::new("applying this changes something").exit(Exit::Difference)),
        (false, false) => Ok(()),
    }
}

struct Run<'a> {
    hub: &'a ClusterClient,
    config: &'a FederatedTypeConfig,
    members: &'a survey::Members,
    mark: Hub,
}

type Asking<T> = Result<T, comity_lane::ClientError>;

impl Run<'_> {
    /// The file's object over the one that the hub has: what it is, and its place in time.
    async fn merged(&self, mut object: Value, namespace: &str) -> Asking<Value> {
        let federated = &self.config.spec.federated_type;
        if federated.namespaced() && object::namespace(&object).is_empty() {
            object::set(&mut object, &["metadata", "namespace"], namespace.into());
        }
        let stored = self.hub.get(&federated.gvr(), object::namespace(&object), object::name(&object)).await?;
        if let Some(stored) = stored {
            for field in ["uid", "generation", "finalizers"] {
                if let Some(value) = object::at(&stored, &["metadata", field]) {
                    object::set(&mut object, &["metadata", field], value.clone());
                }
            }
        }
        Ok(object)
    }

    async fn ask(&self, types: &[FederatedTypeConfig], object: &Value) -> Asking<Asked> {
        let core = |resource| GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, resource);
        let kind = comity_federation::model::FederatedType::of(self.config);
        let (owner_namespace, owner_name) = (object::namespace(object), object::name(object));
        let (namespace, name) = kind.copy_name(owner_namespace, owner_name);
        let registered = self.hub.list(&core("kubefedclusters"), Some(keys::SYSTEM_NAMESPACE), &ListOptions::default()).await?.items;
        let settings = self.hub.get(&core("kubefedconfigs"), keys::SYSTEM_NAMESPACE, keys::CONFIG_NAME).await?;
        let federated_namespace = match types.iter().find(|t| t.is_namespace()) {
            Some(t) if kind.target.namespaced => self.hub.get(&t.spec.federated_type.gvr(), owner_namespace, owner_namespace).await?,
            _ => None,
        };
        let hub_namespace = match owner_namespace {
            "" => None,
            named => self.hub.get(&GroupVersionResource::new("", "v1", "namespaces"), "", named).await?,
        };
        let asking = registered.into_iter().map(async |cluster| {
            let live = match self.members.get(object::name(&cluster)) {
                Some(Ok(member)) => member.get(&kind.target.gvr, namespace, name).await.map_err(|e| e.to_string()),
                Some(Err(why)) => Err(why.clone()),
                None => Err("it was joined just now".to_owned()),
            };
            (object::name(&cluster).to_owned(), (cluster, live))
        });
        let members: BTreeMap<_, _> = futures::future::join_all(asking).await.into_iter().collect();
        let adopt_by_default = settings.map(|s| KubeFedConfig::read(&s)).unwrap_or_default().adopt_resources;
        Ok(Asked { federated_namespace, namespace: hub_namespace, adopt_by_default, members })
    }

    async fn outcome(
        &self,
        cluster: &str,
        verdict: &Verdict,
        live: Option<&Value>,
        adopt: comity_lane::arbitrate::Adopt,
    ) -> Result<Outcome, String> {
        let left_alone = |why: String| Outcome { word: format!("left alone: {why}"), lines: Vec::new(), changes: false };
        let changed = |word: &str| Outcome { word: format!("{word} ({})", verdict.because), lines: Vec::new(), changes: true };
        if let Some(fault) = &verdict.fault {
            return if matches!(fault.status, "CachedRetrievalFailed" | "ClusterNotReady") {
                Err(fault.message.clone())
            } else {
                Ok(left_alone(format!("{} {}: {}", fault.status, fault.reason, fault.message)))
            };
        }
        let apply = match &verdict.job {
            None | Some(Job::Look) => {
                return Ok(Outcome { word: format!("nothing ({})", verdict.because), lines: Vec::new(), changes: false });
            }
            Some(Job::Delete(_)) => return Ok(changed("delete")),
            Some(Job::Release(_)) => return Ok(changed("release")),
            Some(Job::Apply(apply)) => apply,
        };
        let Some(live) = live else {
            return Ok(match adopt {
                comity_lane::arbitrate::Adopt::ReadOnly => left_alone("comity.dev/adopt is ReadOnly".to_owned()),
                _ => self.created(cluster, apply, changed("create")).await?,
            });
        };
        let target = comity_federation::model::FederatedType::of(self.config).target;
        let may = arbitrate(live, &target, &self.mark.id, self.mark.epoch, adopt);
        let after = self.dry_run(cluster, apply).await.map_err(|e| e.to_string())?;
        let secret = confidential::is_confidential(&target.gvk.group, &target.gvk.kind);
        let lines = recovery::differences(&essence(live), &essence(&after), secret);
        Ok(match may {
            May::Refused(refusal) => left_alone(format!("{}: {refusal}", refusal.code())),
            May::Ours if lines.is_empty() => Outcome { word: "unchanged".to_owned(), lines, changes: false },
            May::Ours => Outcome { lines, ..changed("change") },
            May::AdoptIfEqual if !lines.is_empty() => Outcome { lines, ..left_alone("NotEqual: it differs from the template".to_owned()) },
            May::Adopt | May::AdoptIfEqual => {
                let lines = lines.into_iter().chain(taken(live, &apply.object, secret)).collect();
                Outcome { lines, ..changed("adopt") }
            }
        })
    }

    /// The member says what it thinks of a new object; without the namespace it cannot.
    async fn created(&self, cluster: &str, apply: &Apply, outcome: Outcome) -> Result<Outcome, String> {
        match self.dry_run(cluster, apply).await {
            Ok(_) => Ok(outcome),
            Err(error) if error.is_not_found() => {
                Ok(Outcome { lines: vec!["its namespace does not exist there yet".to_owned()], ..outcome })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn dry_run(&self, cluster: &str, apply: &Apply) -> Asking<Value> {
        let Some(Ok(member)) = self.members.get(cluster) else { return Err(comity_lane::ClientError::Timeout) };
        let target = comity_federation::model::FederatedType::of(self.config).target;
        let (namespace, name, kind) = (object::namespace(&apply.object), object::name(&apply.object), PatchKind::Apply { force: true });
        member.patch(&target.gvr, namespace, name, None, kind, &apply.object, target.manager, true).await
    }
}

/// What earlier managers had set and the template does not name: it goes with the adoption.
fn taken(live: &Value, template: &Value, secret: bool) -> Vec<String> {
    let gone = |manager: &&str| {
        let set = essence(&owned::extract(live, manager));
        let lines = recovery::differences(&set, &essence(template), secret).into_iter().filter(|line| line.ends_with("-> nothing"));
        lines.map(|line| format!("{line} (set by {manager})")).collect::<Vec<_>>()
    };
    EARLIER.iter().flat_map(gone).collect()
}

fn essence(object: &Value) -> Value {
    let mut essence = object.clone();
    object::remove(&mut essence, &["status"]);
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"] {
        object::remove(&mut essence, &["metadata", field]);
    }
    for annotation in [labels::OWNER, labels::ADOPTED, labels::LAST_APPLIED] {
        object::remove(&mut essence, &["metadata", "annotations", annotation]);
    }
    for label in [labels::HUB, labels::KUBEFED_MANAGED] {
        object::remove(&mut essence, &["metadata", "labels", label]);
    }
    for field in ["labels", "annotations"] {
        if object::at(&essence, &["metadata", field]).and_then(Value::as_object).is_some_and(comity_core::Map::is_empty) {
            object::remove(&mut essence, &["metadata", field]);
        }
    }
    essence
}
