//! `disable`: stops propagation of a type and takes its FederatedTypeConfig (and, on request, its kind) away.

use std::{sync::Arc, time::Duration};

use comity_api_kubefed::type_config::{ApiResource, FederatedTypeConfig};
use comity_cli::printer;
use comity_core::{json, object};
use comity_lane::{
    cache::{Cache, CacheEvent, Interest},
    client::{ClusterClient, DeleteOptions, ListOptions, PatchKind},
};

use super::{
    args::{Disable, Global},
    enable::{definitions, type_configs},
    host, lookup,
};

const MANAGER: &str = "kubefedctl";
const STOP_WAIT: Duration = Duration::from_secs(10);

pub(super) async fn disable(global: &Global, args: &Disable) -> Result<(), String> {
    let name = args.name.clone().filter(|n| !n.is_empty()).ok_or("NAME is required")?;
    if !args.delete_crd {
        if !args.version.is_empty() {
            return Err("--version flag valid only with --delete-crd".to_owned());
        }
        if args.federated_group != "types.kubefed.io" {
            return Err("--kubefed-group flag valid only with --delete-crd".to_owned());
        }
    }
    let (_, _, hub) = host(global).await?;
    let hub = hub.client;
    // A name with a dot is taken as it is, so that a type whose target is gone can be disabled too.
    let config_name = if name.contains('.') { name.clone() } else { lookup::lookup(&hub, &name, "").await?.resource.qualified_name() };
    let run = Run { hub, namespace: &global.kubefed_namespace, name: &config_name };
    let existing = run.existing().await?;
    if global.dry_run {
        return Ok(());
    }
    let federated = match &existing {
        Some(config) => config.spec.federated_type.clone(),
        None => {
            let found = lookup::lookup(&run.hub, &name, &args.version).await?;
            FederatedTypeConfig::for_target(found.resource, &args.federated_group, "v1beta1").spec.federated_type
        }
    };
    if args.delete_crd {
        run.refuse_used(&federated).await?;
    }
    if let Some(config) = &existing {
        run.stop(config).await?;
    }
    if args.delete_crd {
        run.delete_definition(&federated).await?;
    }
    if existing.is_some() {
        let deleted = run.hub.delete(&type_configs(), run.namespace, run.name, &DeleteOptions::default()).await;
        deleted.map_err(|e| format!("Error deleting FederatedTypeConfig {:?}: {e}", run.full_name()))?;
        printer::data(format!("federatedtypeconfig {:?} deleted", run.full_name()));
    }
    Ok(())
}

struct Run<'a> {
    hub: ClusterClient,
    namespace: &'a str,
    name: &'a str,
}

impl Run<'_> {
    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    async fn existing(&self) -> Result<Option<FederatedTypeConfig>, String> {
        let found = self.hub.get(&type_configs(), self.namespace, self.name).await;
        match found.map_err(|e| format!("Error retrieving FederatedTypeConfig {:?}: {e}", self.full_name()))? {
            Some(config) => FederatedTypeConfig::read(&config).map(Some).map_err(|e| e.to_string()),
            None => {
                printer::data(format!("FederatedTypeConfig {:?} does not exist", self.full_name()));
                Ok(None)
            }
        }
    }

    async fn refuse_used(&self, federated: &ApiResource) -> Result<(), String> {
        let name = federated.qualified_name();
        if self.hub.get(&definitions(), "", &name).await.map_err(|e| e.to_string())?.is_none() {
            return Ok(());
        }
        let instances = self.hub.list(&federated.gvr(), None, &ListOptions::default()).await.map_err(|e| e.to_string())?;
        if instances.items.is_empty() {
            return Ok(());
        }
        Err(format!(
            "Cannot delete CRD {name:?} while resource instances exist. Please try kubefedctl disable again after removing the resource instances \
             or without the '--delete-crd' option"
        ))
    }

    async fn stop(&self, config: &FederatedTypeConfig) -> Result<(), String> {
        let name = self.full_name();
        if config.enabled() {
            let patch = json!({"spec": {"propagation": "Disabled"}});
            let patched = self.hub.patch(&type_configs(), self.namespace, self.name, None, PatchKind::Merge, &patch, MANAGER, false).await;
            patched.map_err(|e| format!("Error disabling propagation for FederatedTypeConfig {name:?}: {e}"))?;
            printer::data(format!("Disabled propagation for FederatedTypeConfig {name:?}"));
        } else {
            printer::data(format!("Propagation already disabled for FederatedTypeConfig {name:?}"));
        }
        printer::data(format!("Verifying propagation controller is stopped for FederatedTypeConfig {name:?}"));
        self.stopped().await?;
        printer::data(format!("Propagation controller for FederatedTypeConfig {name:?} is stopped"));
        Ok(())
    }

    /// Watches the configuration until its controller is reported as stopped.
    async fn stopped(&self) -> Result<(), String> {
        let (stopped, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let interest = Interest {
            gvr: type_configs(),
            namespace: Some(self.namespace.to_owned()),
            field_selector: format!("metadata.name={}", self.name),
            ..Interest::default()
        };
        let on_event = move |event: &CacheEvent| {
            if let CacheEvent::Applied { new, .. } = event
                && object::str_at(new, &["status", "propagationController"]) == "NotRunning"
            {
                let _ = stopped.send(());
            }
        };
        let _cache = Cache::start(self.hub.clone(), interest, Arc::new(on_event));
        match tokio::time::timeout(STOP_WAIT, seen.recv()).await {
            Ok(Some(())) => Ok(()),
            _ => Err(format!(
                "Unable to verify propagation controller for FederatedTypeConfig {:?} is stopped: timed out waiting for the condition",
                self.full_name()
            )),
        }
    }

    async fn delete_definition(&self, federated: &ApiResource) -> Result<(), String> {
        let name = federated.qualified_name();
        let deleted = self.hub.delete(&definitions(), "", &name, &DeleteOptions::default()).await;
        deleted.map_err(|e| format!("Error deleting crd {name:?}: {e}"))?;
        printer::data(format!("customresourcedefinition {name:?} deleted"));
        Ok(())
    }
}
