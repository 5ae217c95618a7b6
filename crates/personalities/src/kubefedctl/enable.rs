//! `enable`: makes the federated kind and its FederatedTypeConfig.

use comity_api_kubefed::{
    crds::{FederatedTraits, federated_crd},
    keys,
    type_config::{ApiResource, FederatedTypeConfig},
};
use comity_cli::printer;
use comity_core::{GroupVersionResource, Value, decode_yaml, json, object};
use comity_lane::client::{ClusterClient, ListOptions, PatchKind};

use super::{
    args::{Enable, Global},
    host,
    klog::Log,
    lookup,
};

const MANAGER: &str = "kubefedctl";
/// The one pair of groups that serve the same objects under two names.
const EQUIVALENT: [(&str, [&str; 2]); 2] = [("deployments", ["apps", "extensions"]), ("ingresses", ["networking.k8s.io", "extensions"])];

pub(super) fn definitions() -> GroupVersionResource {
    GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions")
}

pub(super) fn type_configs() -> GroupVersionResource {
    GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, comity_api_kubefed::type_config::PLURAL)
}

/// What the command line or the directive file asks for.
struct Directive {
    name: String,
    version: String,
    group: String,
    federated_version: String,
}

pub(super) async fn enable(global: &Global, args: &Enable, log: &Log) -> Result<(), String> {
    if !matches!(args.output.as_str(), "" | "yaml") {
        return Err(format!("Invalid value for --output: {}", args.output));
    }
    let directive = directive(args)?;
    let (_, _, hub) = host(global).await?;
    let hub = hub.client;
    let found = lookup::lookup(&hub, &directive.name, &directive.version).await?;
    log.v(2, &format!("Found type {:?}", found.resource.qualified_name()));
    let replicas = lookup::has_replicas(&hub, &found.resource).await?;
    let mut config = FederatedTypeConfig::for_target(found.resource.clone(), &directive.group, &directive.federated_version);
    config.spec.federated_type.plural_name = format!("federated{}", found.resource.plural_name);
    let definition = federated_crd(&config, &FederatedTraits::enabled(&found.short_names, replicas));
    if args.output == "yaml" {
        for object in [&config.to_value(), &definition] {
            printer::data(format!("---\n{}", comity_cli::yaml(object)));
        }
        return Ok(());
    }
    Run { hub, namespace: &global.kubefed_namespace, dry_run: global.dry_run }.create(&config, &definition).await
}

fn directive(args: &Enable) -> Result<Directive, String> {
    let from_flags = |name: String| Directive {
        name,
        version: args.version.clone(),
        group: args.federated_group.clone(),
        federated_version: args.federated_version.clone(),
    };
    let Some(path) = &args.filename else {
        return args.name.clone().map(from_flags).ok_or_else(|| "NAME is required".to_owned());
    };
    let load = |why: String| format!("Failed to load yaml from file {:?}: {why}", path.display().to_string());
    let text = std::fs::read(path).map_err(|e| load(e.to_string()))?;
    let value = decode_yaml(&text).map_err(|e| load(e.to_string()))?.value;
    let name = object::name(&value).to_owned();
    if name.is_empty() {
        return Err(load("metadata.name is missing".to_owned()));
    }
    let mut directive = from_flags(name);
    for (field, key) in [
        (&mut directive.version, "targetVersion"),
        (&mut directive.group, "federatedGroup"),
        (&mut directive.federated_version, "federatedVersion"),
    ] {
        let given = object::str_at(&value, &["spec", key]);
        if !given.is_empty() {
            given.clone_into(field);
        }
    }
    Ok(directive)
}

struct Run<'a> {
    hub: ClusterClient,
    namespace: &'a str,
    dry_run: bool,
}

impl Run<'_> {
    async fn create(&self, config: &FederatedTypeConfig, definition: &Value) -> Result<(), String> {
        let existing = self.hub.get(&type_configs(), self.namespace, &config.name).await;
        let existing = existing.map_err(|e| format!("Error retrieving FederatedTypeConfig {:?}: {e}", config.name))?;
        if let Some(existing) = &existing {
            same_federated_type(existing, config)?;
        }
        self.refuse_equivalents(config, object::name(definition)).await?;
        let word = self.put_definition(definition).await?;
        printer::data(format!("customresourcedefinition.apiextensions.k8s.io/{} {word}", object::name(definition)));
        let word = self.put_config(config, existing.is_some()).await?;
        printer::data(format!("federatedtypeconfig.core.kubefed.io/{} {word} in namespace {}", config.name, self.namespace));
        self.tell_of_profiles(config).await;
        Ok(())
    }

    /// Where the hub has only the rights that it was given for the types of then, somebody must give it the new ones.
    async fn tell_of_profiles(&self, config: &FederatedTypeConfig) {
        let clusters = GroupVersionResource::new(keys::CORE_GROUP, keys::CORE_VERSION, "kubefedclusters");
        // only a hint: who may not list clusters goes without
        let Ok(clusters) = self.hub.list(&clusters, Some(self.namespace), &ListOptions::default()).await else { return };
        for cluster in clusters.items.iter().filter(|c| object::annotation(c, keys::CLUSTER_ROLE) == Some("profile")) {
            let name = object::name(cluster);
            printer::talk(format!(
                "cluster {name:?} was joined with --cluster-role=profile: to let the hub write {} there, run `kubefedctl join {name} --cluster-role=profile \
                 --error-on-existing=false` with the flags of the first join",
                config.spec.target_type.qualified_name(),
            ));
        }
    }

    /// The same objects under two groups, or two targets under one federated kind, would fight.
    async fn refuse_equivalents(&self, config: &FederatedTypeConfig, definition: &str) -> Result<(), String> {
        let all = self.hub.list(&type_configs(), Some(self.namespace), &ListOptions::default()).await;
        for other in all.map_err(|e| format!("Error getting FederatedTypeConfig list: {e}"))?.items {
            let Ok(other) = FederatedTypeConfig::read(&other) else { continue };
            let (old, new) = (&other.spec.target_type, &config.spec.target_type);
            if equivalent(old, new) {
                return Err(format!(
                    "Failed to enable {:?}. Federation of this type is already enabled for equivalent type {:?} by FederatedTypeConfig {:?}",
                    qualified(new),
                    qualified(old),
                    format!("{}/{}", self.namespace, other.name),
                ));
            }
            if other.name != config.name && other.spec.federated_type.qualified_name() == definition {
                return Err(format!(
                    "Failed to enable federation of {0:?} due to the FederatedTypeConfig for {1:?} already referencing a federated type CRD named \
                     {definition:?}. If these target types are distinct despite sharing the same kind, specifying a non-default --federated-group \
                     should allow {0:?} to be enabled.",
                    config.name, other.name,
                ));
            }
        }
        Ok(())
    }

    async fn put_definition(&self, definition: &Value) -> Result<&'static str, String> {
        let name = object::name(definition);
        let existing = self.hub.get(&definitions(), "", name).await.map_err(|e| format!("Error getting CRD {name:?}: {e}"))?;
        let Some(existing) = existing else {
            if !self.dry_run {
                self.hub.create(&definitions(), "", definition, MANAGER).await.map_err(|e| format!("Error creating CRD {name:?}: {e}"))?;
            }
            return Ok("created");
        };
        if !self.dry_run {
            let mut changed = existing;
            changed["spec"] = definition["spec"].clone();
            let replaced = self.hub.replace(&definitions(), "", name, None, &changed, MANAGER).await;
            replaced.map_err(|e| format!("Error updating CRD {name:?}: {e}"))?;
        }
        Ok("updated")
    }

    async fn put_config(&self, config: &FederatedTypeConfig, exists: bool) -> Result<&'static str, String> {
        let mut value = config.to_value();
        value["metadata"]["namespace"] = self.namespace.into();
        let name = &config.name;
        if !exists {
            if !self.dry_run {
                let created = self.hub.create(&type_configs(), self.namespace, &value, MANAGER).await;
                created.map_err(|e| format!("Error creating FederatedTypeConfig {name:?}: {e}"))?;
            }
            return Ok("created");
        }
        let patch = json!({"spec": value["spec"]});
        let patched = self.hub.patch(&type_configs(), self.namespace, name, None, PatchKind::Merge, &patch, MANAGER, self.dry_run).await;
        patched.map_err(|e| format!("Error updating FederatedTypeConfig {name:?}: {e}"))?;
        Ok("updated")
    }
}

fn same_federated_type(existing: &Value, config: &FederatedTypeConfig) -> Result<(), String> {
    let existing = FederatedTypeConfig::read(existing).map_err(|e| e.to_string())?;
    let (old, new) = (&existing.spec.federated_type, &config.spec.federated_type);
    if (&old.plural_name, &old.version, &old.group) == (&new.plural_name, &new.version, &new.group) {
        return Ok(());
    }
    Err(format!(
        "Federation is already enabled for {:?} with federated type {:?}. Changing the federated type to {:?} is not supported.",
        qualified(&existing.spec.target_type),
        qualified(old),
        qualified(new),
    ))
}

fn equivalent(old: &ApiResource, new: &ApiResource) -> bool {
    old.plural_name == new.plural_name
        && old.group != new.group
        && EQUIVALENT.iter().any(|(plural, groups)| {
            *plural == old.plural_name && groups.contains(&old.group.as_str()) && groups.contains(&new.group.as_str())
        })
}

/// `deployments.apps/v1`.
fn qualified(resource: &ApiResource) -> String {
    format!("{}/{}", resource.qualified_name(), resource.version)
}
