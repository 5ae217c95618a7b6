//! `unjoin`: takes the join's artefacts away; workloads in the member stay.

use comity_core::{GroupVersionResource, object};
use comity_lane::client::{ClusterClient, DeleteOptions};

use super::{JoinError, Progress, artefacts as make, artefacts::Resources, failed};

/// What to unjoin, and how.
#[derive(Clone, Debug, Default)]
pub struct UnjoinOptions {
    /// Name of the KubeFedCluster.
    pub cluster: String,
    /// The hub's name in names of artefacts.
    pub host: String,
    /// Federation namespace, on the hub and in the member.
    pub namespace: String,
    /// Go on when the member cannot be reached or a deletion fails there.
    pub force: bool,
    /// Check only, change nothing.
    pub dry_run: bool,
}

/// Takes a cluster out of the federation; `member` may be absent only with `force`.
///
/// # Errors
/// The cluster is not joined, or (without `force`) something cannot be deleted.
pub async fn unjoin(
    hub: &ClusterClient,
    member: Option<&ClusterClient>,
    options: &UnjoinOptions,
    progress: Progress<'_>,
) -> Result<(), JoinError> {
    let resources = Resources::default();
    let UnjoinOptions { cluster, namespace, .. } = options;
    let get = format!("Failed to get kubefed cluster \"{namespace}/{cluster}\"");
    let registered = hub.get(&resources.clusters, namespace, cluster).await.map_err(failed(get.clone()))?;
    let Some(registered) = registered else {
        return Err(JoinError::Invalid(format!("{get}: kubefedclusters.core.kubefed.io {cluster:?} not found")));
    };
    if options.dry_run {
        progress("Dry run: nothing is changed.");
        return Ok(());
    }
    let run = Run { options, progress, resources: &resources };
    if let Some(member) = member {
        run.member_side(hub, member).await?;
    }
    progress(&format!("Deleting kubefed cluster resource from namespace {namespace:?} for unjoin cluster {cluster:?}"));
    let secret = object::str_at(&registered, &["spec", "secretRef", "name"]);
    if !secret.is_empty() {
        run.delete(hub, &resources.secrets, namespace, secret, &format!("secret \"{namespace}/{secret}\"")).await?;
    }
    run.delete(hub, &resources.clusters, namespace, cluster, &format!("kubefed cluster \"{namespace}/{cluster}\"")).await
}

struct Run<'a> {
    options: &'a UnjoinOptions,
    progress: Progress<'a>,
    resources: &'a Resources,
}

impl Run<'_> {
    async fn member_side(&self, hub: &ClusterClient, member: &ClusterClient) -> Result<(), JoinError> {
        let UnjoinOptions { cluster, host, namespace, .. } = self.options;
        let account = make::account_name(cluster, host);
        let (role, health) = (make::role_name(&account), make::health_role_name(namespace, &account));
        let r = self.resources;
        for (resource, ns, name, what) in [
            (&r.cluster_role_bindings, "", &role, "cluster role binding"),
            (&r.cluster_roles, "", &role, "cluster role"),
            (&r.cluster_role_bindings, "", &health, "cluster role binding"),
            (&r.cluster_roles, "", &health, "cluster role"),
            (&r.role_bindings, namespace.as_str(), &role, "role binding"),
            (&r.roles, namespace.as_str(), &role, "role"),
            (&r.secrets, namespace.as_str(), &account, "service account token secret"),
            (&r.service_accounts, namespace.as_str(), &account, "service account"),
        ] {
            self.delete(member, resource, ns, name, &format!("{what} {name:?}")).await?;
        }
        self.federation_namespace(hub, member).await
    }

    /// The member's federation namespace goes, unless the member is the hub itself (equal uid).
    async fn federation_namespace(&self, hub: &ClusterClient, member: &ClusterClient) -> Result<(), JoinError> {
        let UnjoinOptions { cluster, namespace, force, .. } = self.options;
        let uid = |client: ClusterClient, whose: String| async move {
            let found = client.get(&self.resources.namespaces, "", namespace).await;
            Ok::<_, JoinError>(
                found
                    .map_err(failed(format!("Error retrieving namespace {namespace:?} from {whose}")))?
                    .map(|n| object::uid(&n).to_owned()),
            )
        };
        let on_hub = uid(hub.clone(), "host cluster".to_owned()).await?;
        let in_member = match uid(member.clone(), format!("unjoining cluster {cluster:?}")).await {
            Err(error) if *force => {
                (self.progress)(&error.to_string());
                return Ok(());
            }
            other => other?,
        };
        if on_hub == in_member {
            (self.progress)(&format!("The kubefed namespace {namespace:?} does not need to be deleted from the host cluster by unjoin."));
            return Ok(());
        }
        self.delete(member, &self.resources.namespaces, "", namespace, &format!("kubefed namespace {namespace:?}")).await
    }

    async fn delete(
        &self,
        client: &ClusterClient,
        resource: &GroupVersionResource,
        ns: &str,
        name: &str,
        what: &str,
    ) -> Result<(), JoinError> {
        let cluster = &self.options.cluster;
        match client.delete(resource, ns, name, &DeleteOptions::default()).await {
            Ok(Some(_)) => (self.progress)(&format!("Deleted {what} for unjoin cluster {cluster:?}")),
            Ok(None) => (self.progress)(&format!("{what} does not exist")),
            Err(error) if self.options.force => {
                (self.progress)(&format!("Failed to delete {what} for unjoin cluster {cluster:?}: {error}"))
            }
            Err(source) => {
                return Err(JoinError::Request { what: format!("Failed to delete {what} for unjoin cluster {cluster:?}"), source });
            }
        }
        Ok(())
    }
}
