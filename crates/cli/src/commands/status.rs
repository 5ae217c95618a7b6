//! `comity status`: the fleet on one screen.

use comity_api_kubefed::{cluster::HEALTH_CONDITIONS, keys, type_config::FederatedTypeConfig};
use comity_core::{GroupVersionResource, Value, condition, duration, json, object, time};
use comity_lane::client::{ClusterClient, ListOptions};

use super::connect;
use crate::{
    args::{Output, Status},
    error::{CliResult, Exit},
    printer,
    table::render,
    yaml,
};

pub(crate) async fn status(args: &Status) -> CliResult {
    let (hub, context) = connect::hub(&args.hub).await?;
    let client = &hub.client;
    let failed = |what: &'static str| {
        let context = context.clone();
        move |e| connect::request_error(what, &context, &e)
    };
    let clusters = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, "kubefedclusters");
    let clusters = client.list(&clusters, Some(keys::SYSTEM_NAMESPACE), &ListOptions::default()).await;
    let clusters = clusters.map_err(failed("cannot list the hub's clusters"))?.items;
    let counts = counts(client).await.map_err(failed("cannot list the hub's federated objects"))?;
    let members: Vec<Member> = clusters.iter().map(Member::of).collect();
    match args.output {
        None => text(&context, &hub.endpoint, &members, &counts),
        Some(output) => {
            let document = json!({
                "hub": {"context": context, "endpoint": hub.endpoint},
                "clusters": members.iter().map(Member::to_value).collect::<Vec<_>>(),
                "federated": counts.iter().map(Count::to_value).collect::<Vec<_>>(),
            });
            match output {
                Output::Json => printer::data(serde_json::to_string_pretty(&document).unwrap_or_default()),
                Output::Yaml => printer::data(yaml(&document).trim_end()),
            }
        }
    }
    let away: Vec<String> = members.iter().filter(|m| m.ready != "True").map(|m| format!("{} ({})", m.name, m.why)).collect();
    if !away.is_empty() {
        printer::talk(format!("warning: {} of {} clusters not ready: {}", away.len(), members.len(), away.join(", ")));
        return Err(crate::error::CliError::new("some clusters are not ready").exit(Exit::Partial));
    }
    Ok(())
}

struct Member {
    name: String,
    ready: String,
    why: String,
    version: String,
    endpoint: String,
    age: String,
    notes: Vec<Note>,
}

/// What a cluster's conditions say beside its health: held deletions, for example.
struct Note {
    kind: String,
    reason: String,
    message: String,
}

impl Note {
    fn all(cluster: &Value) -> Vec<Self> {
        let text = |condition: &Value, key: &str| object::str_at(condition, &[key]).to_owned();
        let stand = object::items_at(cluster, &["status", "conditions"]).iter().filter(|c| c["status"] == "True");
        let others = stand.filter(|c| !HEALTH_CONDITIONS.contains(&object::str_at(c, &["type"])));
        others.map(|c| Self { kind: text(c, "type"), reason: text(c, "reason"), message: text(c, "message") }).collect()
    }

    fn to_value(&self) -> Value {
        json!({"type": self.kind, "reason": self.reason, "message": self.message})
    }
}

impl Member {
    fn of(cluster: &Value) -> Self {
        let created = time::parse(object::str_at(cluster, &["metadata", "creationTimestamp"]));
        let age = created.map_or("<unknown>".to_owned(), |c| duration::human(jiff::Timestamp::now().as_second() - c.as_second()));
        let ready = condition::find(cluster, "Ready").map_or("", |c| c["status"].as_str().unwrap_or(""));
        let why = ["Offline", "ConfigMalformed", "Ready"].iter().find_map(|kind| {
            let found = condition::find(cluster, kind)?;
            let bad = (found["status"] == "True") == (*kind != "Ready");
            bad.then(|| found["message"].as_str().unwrap_or("").to_owned())
        });
        Self {
            name: object::name(cluster).to_owned(),
            ready: if ready.is_empty() { "Unknown".to_owned() } else { ready.to_owned() },
            why: why.unwrap_or_else(|| if ready.is_empty() { "not probed yet".to_owned() } else { String::new() }),
            version: object::str_at(cluster, &["status", "kubernetesVersion"]).to_owned(),
            endpoint: object::str_at(cluster, &["spec", "apiEndpoint"]).to_owned(),
            age,
            notes: Note::all(cluster),
        }
    }

    fn to_value(&self) -> Value {
        let notes: Vec<Value> = self.notes.iter().map(Note::to_value).collect();
        json!({
            "name": self.name, "ready": self.ready, "message": self.why, "kubernetesVersion": self.version, "endpoint": self.endpoint,
            "conditions": notes,
        })
    }
}

/// How many objects of one federated type there are, and how many are where they should be.
struct Count {
    kind: String,
    total: usize,
    propagated: usize,
}

impl Count {
    fn to_value(&self) -> Value {
        json!({"kind": self.kind, "total": self.total, "propagated": self.propagated})
    }
}

async fn counts(client: &ClusterClient) -> Result<Vec<Count>, comity_lane::client::ClientError> {
    let configs = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, comity_api_kubefed::type_config::PLURAL);
    let configs = client.list(&configs, Some(keys::SYSTEM_NAMESPACE), &ListOptions::default()).await?.items;
    let mut counts = Vec::new();
    for config in configs.iter().filter_map(|c| FederatedTypeConfig::read(c).ok()) {
        let federated = &config.spec.federated_type;
        let items = client.list(&federated.gvr(), None, &ListOptions::default()).await?.items;
        if !items.is_empty() {
            let propagated = items.iter().filter(|i| condition::is_true(i, "Propagation")).count();
            counts.push(Count { kind: federated.kind.clone(), total: items.len(), propagated });
        }
    }
    Ok(counts)
}

fn text(context: &str, endpoint: &str, members: &[Member], counts: &[Count]) {
    printer::data(format!("Hub {endpoint} (context {context})\n"));
    if members.is_empty() {
        printer::data("No clusters are joined; join one with `kubefedctl join NAME --cluster-context CONTEXT`.");
    } else {
        let rows: Vec<Vec<String>> = members
            .iter()
            .map(|m| vec![m.name.clone(), m.ready.clone(), m.version.clone(), m.age.clone(), m.endpoint.clone(), m.why.clone()])
            .collect();
        printer::data(render(&["CLUSTER", "READY", "VERSION", "AGE", "ENDPOINT", "MESSAGE"], &rows));
    }
    for (member, note) in members.iter().flat_map(|m| m.notes.iter().map(move |note| (m, note))) {
        printer::data(format!("\n{}: {}: {}", member.name, note.kind, note.message));
    }
    if !counts.is_empty() {
        let rows: Vec<Vec<String>> =
            counts.iter().map(|c| vec![c.kind.clone(), c.total.to_string(), format!("{}/{}", c.propagated, c.total)]).collect();
        printer::data(format!("\n{}", render(&["KIND", "OBJECTS", "PROPAGATED"], &rows)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_a_cluster_is_told_beside_its_health() {
        let cluster = json!({"metadata": {"name": "c"}, "status": {"conditions": [
            {"type": "Ready", "status": "True", "message": "/healthz responded with ok"},
            {"type": "DeletionsHeld", "status": "True", "reason": "TooManyDeletions", "message": "id 1: 25 deletions are held"},
            {"type": "HubBehind", "status": "False", "message": "no"},
        ]}});
        let value = Member::of(&cluster).to_value();
        assert_eq!(value["ready"], "True");
        assert_eq!(
            value["conditions"],
            json!([
                {"type": "DeletionsHeld", "reason": "TooManyDeletions", "message": "id 1: 25 deletions are held"},
            ])
        );
    }
}
