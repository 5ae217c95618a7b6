//! `comity why KIND NAME`: the decision for each cluster, from the hub's objects.

use comity_api_kubefed::{FederatedTypeConfig, keys};
use comity_core::{GroupVersionResource, Value, json, object};
use comity_federation::{
    model::FederatedType,
    tombstones::{self, Tombstone},
    why,
};
use comity_lane::client::{ClusterClient, ListOptions};

use super::connect;
use crate::{
    args::{Output, Why},
    error::{CliError, CliResult, Exit},
    printer,
    table::render,
    yaml,
};

pub(crate) async fn why(args: &Why) -> CliResult {
    let (hub, context) = connect::hub(&args.hub).await?;
    let client = &hub.client;
    let failed = |what: &'static str| {
        let context = context.clone();
        move |e| connect::request_error(what, &context, &e)
    };
    let core = |resource| GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, resource);
    let system = Some(keys::SYSTEM_NAMESPACE);
    let configs = client.list(&core(comity_api_kubefed::type_config::PLURAL), system, &ListOptions::default()).await;
    let configs: Vec<FederatedTypeConfig> = configs
        .map_err(failed("cannot list the hub's federated types"))?
        .items
        .iter()
        .filter_map(|c| FederatedTypeConfig::read(c).ok())
        .collect();
    let config = match find(&configs, &args.kind) {
        Ok(config) => config,
        Err(unknown) => match by_short_name(client, &configs, &args.kind).await.map_err(failed("cannot list the hub's kinds"))? {
            Some(config) => config,
            None => return Err(unknown),
        },
    };
    let federated = &config.spec.federated_type;
    let namespace = if federated.namespaced() { args.namespace.clone().unwrap_or(hub.namespace) } else { String::new() };
    let object = client.get(&federated.gvr(), &namespace, &args.name).await.map_err(failed("cannot read the object"))?;
    let Some(object) = object else {
        let later =
            later_deletions(client, config, &namespace, &args.name).await.map_err(failed("cannot read the deletions that come later"))?;
        if !later.is_empty() {
            deferred(federated, &later, args.output.as_ref());
            return Ok(());
        }
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace:?}") };
        let what = format!("{} {:?} not found{place}", federated.kind, args.name);
        return Err(CliError::new(what).exit(Exit::NotFound).hint(format!("list what there is: kubectl get {} -A", federated.plural_name)));
    };
    let clusters = client.list(&core("kubefedclusters"), system, &ListOptions::default()).await;
    let clusters = clusters.map_err(failed("cannot list the hub's clusters"))?.items;
    let rule = namespace_rule(client, &configs, &namespace).await.map_err(failed("cannot read the federated namespace"))?;
    let mut lines = why::explain(&object, &clusters, rule.as_ref()).map_err(CliError::new)?;
    if let Some(only) = &args.cluster {
        lines.retain(|line| line.cluster == *only);
        if lines.is_empty() {
            return Err(CliError::new(format!("cluster {only:?} is neither joined nor placed"))
                .exit(Exit::NotFound)
                .hint("see `comity status`"));
        }
    }
    match args.output {
        None => text(&object, &lines),
        Some(output) => {
            let document = json!({
                "kind": federated.kind, "namespace": namespace, "name": args.name, "summary": why::headline(&object),
                "clusters": lines.iter().map(line_value).collect::<Vec<_>>(),
            });
            match output {
                Output::Json => printer::data(serde_json::to_string_pretty(&document).unwrap_or_default()),
                Output::Yaml => printer::data(yaml(&document).trim_end()),
            }
        }
    }
    Ok(())
}

/// The type that a word names, whatever the form of the word.
pub(super) async fn type_named(client: &ClusterClient, context: &str, word: &str) -> CliResult<FederatedTypeConfig> {
    let failed = |what: &'static str| move |e| connect::request_error(what, context, &e);
    let configs = comity_federation::survey::types(client).await.map_err(failed("cannot list the hub's federated types"))?;
    match find(&configs, word) {
        Ok(config) => Ok(config.clone()),
        Err(unknown) => {
            let found = by_short_name(client, &configs, word).await.map_err(failed("cannot list the hub's kinds"))?;
            found.cloned().ok_or(unknown)
        }
    }
}

/// The type that a word names: the federated kind or its target, as kind or plural, with or without group.
fn find<'a>(configs: &'a [FederatedTypeConfig], word: &str) -> CliResult<&'a FederatedTypeConfig> {
    let word = word.to_lowercase();
    let names = |config: &FederatedTypeConfig| {
        [&config.spec.federated_type, &config.spec.target_type]
            .into_iter()
            .flat_map(|r| [r.kind.to_lowercase(), r.plural_name.clone(), r.qualified_name()])
            .any(|name| name == word)
    };
    configs.iter().find(|c| names(c)).ok_or_else(|| {
        let known: Vec<&str> = configs.iter().map(|c| c.spec.federated_type.plural_name.as_str()).collect();
        CliError::new(format!("{word:?} is not a federated kind"))
            .exit(Exit::NotFound)
            .hint(format!("federated kinds: {}", known.join(", ")))
    })
}

/// The type whose federated kind has this short name, such as `fdeploy`.
async fn by_short_name<'a>(
    client: &ClusterClient,
    configs: &'a [FederatedTypeConfig],
    word: &str,
) -> Result<Option<&'a FederatedTypeConfig>, comity_lane::client::ClientError> {
    let definitions = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let definitions = client.list(&definitions, None, &ListOptions::default()).await?.items;
    let named = |config: &&FederatedTypeConfig| {
        let definition = definitions.iter().find(|d| object::name(d) == config.spec.federated_type.qualified_name());
        let names = definition.map(|d| object::items_at(d, &["spec", "names", "shortNames"])).unwrap_or_default();
        names.iter().filter_map(Value::as_str).any(|name| name.eq_ignore_ascii_case(word))
    };
    Ok(configs.iter().find(named))
}

/// The deletions that clusters which did not answer still owe to an owner that is gone.
async fn later_deletions(
    client: &ClusterClient,
    config: &FederatedTypeConfig,
    namespace: &str,
    name: &str,
) -> Result<Vec<Tombstone>, comity_lane::client::ClientError> {
    let maps = GroupVersionResource::new("", "v1", "configmaps");
    let labelled = ListOptions { label_selector: format!("{}=true", tombstones::LABEL), ..ListOptions::default() };
    let maps = client.list(&maps, Some(keys::SYSTEM_NAMESPACE), &labelled).await?.items;
    let kind = FederatedType::of(config).target.owner_kind.clone();
    let all = tombstones::read_all(&maps).into_iter();
    Ok(all.filter(|t| t.kind == kind && t.namespace == namespace && t.name == name).collect())
}

fn deferred(federated: &comity_api_kubefed::ApiResource, later: &[Tombstone], output: Option<&Output>) {
    let Some(first) = later.first() else { return };
    let summary = "deleted; its copies go when these clusters answer";
    let rows = |t: &Tombstone| vec![t.cluster.clone(), "deleted later".to_owned(), format!("the object was deleted at {}", t.at)];
    let document = json!({
        "kind": federated.kind, "namespace": first.namespace, "name": first.name, "summary": summary,
        "clusters": later.iter().map(|t| json!({"cluster": t.cluster, "decision": "deleted later", "since": t.at})).collect::<Vec<_>>(),
    });
    match output {
        Some(Output::Json) => printer::data(serde_json::to_string_pretty(&document).unwrap_or_default()),
        Some(Output::Yaml) => printer::data(yaml(&document).trim_end()),
        None => {
            let name = comity_core::marks::object_name(&first.namespace, &first.name);
            printer::data(format!("{} {name}: {summary}\n", federated.kind));
            printer::data(render(&["CLUSTER", "DECISION", "BECAUSE"], &later.iter().map(rows).collect::<Vec<_>>()));
        }
    }
}

/// The FederatedNamespace that limits a namespace's placements, if there is one.
async fn namespace_rule(
    client: &ClusterClient,
    configs: &[FederatedTypeConfig],
    namespace: &str,
) -> Result<Option<Value>, comity_lane::client::ClientError> {
    match configs.iter().find(|c| c.is_namespace()) {
        Some(config) if !namespace.is_empty() => client.get(&config.spec.federated_type.gvr(), namespace, namespace).await,
        _ => Ok(None),
    }
}

fn line_value(line: &why::Line) -> Value {
    json!({"cluster": line.cluster, "decision": line.decision, "because": line.because, "state": line.state, "detail": line.detail})
}

fn text(object: &Value, lines: &[why::Line]) {
    let gvk = object::gvk(object);
    let name = comity_core::marks::object_name(object::namespace(object), object::name(object));
    printer::data(format!("{} {name}: {}\n", gvk.kind, why::headline(object)));
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|l| vec![l.cluster.clone(), l.decision.to_owned(), l.because.clone(), l.state.clone(), l.detail.clone()])
        .collect();
    printer::data(render(&["CLUSTER", "DECISION", "BECAUSE", "STATE", "DETAIL"], &rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_any_of_its_names() {
        let configs = comity_api_kubefed::type_config::shipped();
        for word in
            ["FederatedDeployment", "federateddeployments", "deployment", "deployments.apps", "federateddeployments.types.kubefed.io"]
        {
            assert_eq!(find(&configs, word).unwrap().name, "deployments.apps", "{word}");
        }
        assert_eq!(find(&configs, "gizmo").unwrap_err().exit, Exit::NotFound);
    }
}
