//! `join`: credentials in the member, registration on the hub; what was made is taken back when a later step fails.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use comity_api_kubefed::{FederatedTypeConfig, keys};
use comity_core::{GroupVersionResource, Reason, Value, json, names, object};
use comity_lane::{
    cache::{Cache, CacheEvent, Interest},
    client::{ClientError, ClusterClient, DeleteOptions, ListOptions, PatchKind},
};

use super::{JoinError, Progress, artefacts as make, artefacts::Resources, failed, profile};

const MANAGER: &str = "kubefedctl";
const TOKEN_WAIT: Duration = Duration::from_secs(30);

/// What the hub may do in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterRole {
    /// Everything, as KubeFed has it: also what will be enabled later.
    ClusterAdmin,
    /// What the types that are enabled now need.
    Profile,
}

/// What to join, and how.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// Name of the KubeFedCluster.
    pub cluster: String,
    /// The hub's name in names of artefacts: the host context or `--host-cluster-name`.
    pub host: String,
    /// Federation namespace, on the hub and in the member.
    pub namespace: String,
    /// Fixed name of the hub's Secret; generated when absent.
    pub secret_name: Option<String>,
    /// Whether artefacts that exist already are an error (else they are kept or replaced).
    pub error_on_existing: bool,
    /// Check only, change nothing.
    pub dry_run: bool,
    /// URL of the member's API server.
    pub endpoint: String,
    /// PEM of the authority that the kubeconfig names; the token Secret's `ca.crt` when absent.
    pub ca_bundle: Option<Vec<u8>>,
    /// The kubeconfig skips TLS verification.
    pub insecure: bool,
    /// The kubeconfig's proxy.
    pub proxy_url: Option<String>,
    /// The hub's rights there; absent: everything at the first join, and what the role says at later ones.
    pub cluster_role: Option<ClusterRole>,
    /// Labels for the KubeFedCluster.
    pub labels: Vec<(String, String)>,
}

/// Joins a cluster.
///
/// # Errors
/// Names that cannot be used, artefacts that exist, requests that fail; the member and the hub are then as they were.
pub async fn join(hub: &ClusterClient, member: &ClusterClient, options: &JoinOptions, progress: Progress<'_>) -> Result<(), JoinError> {
    let mut run = Run { hub, member, options, progress, resources: Resources::default(), made: Vec::new() };
    let outcome = run.all().await;
    if outcome.is_err() {
        run.take_back().await;
    }
    outcome
}

struct Run<'a> {
    hub: &'a ClusterClient,
    member: &'a ClusterClient,
    options: &'a JoinOptions,
    progress: Progress<'a>,
    resources: Resources,
    /// What this run created, in order: client, resource, namespace, name.
    made: Vec<(ClusterClient, GroupVersionResource, String, String)>,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), JoinError> {
        let options = self.options;
        let account = make::account_name(&options.cluster, &options.host);
        (self.progress)("Performing preflight checks.");
        let namespaced = self.preflight(&account).await?;
        if options.dry_run {
            (self.progress)("Dry run: nothing is changed.");
            return Ok(());
        }
        self.member_namespace().await?;
        self.account(&account).await?;
        self.rights(&account, namespaced).await?;
        (self.progress)("Creating cluster credentials secret in host cluster");
        let (mut token, mut ca) = self.token(&account).await?;
        if !options.error_on_existing && !self.counts(&token).await {
            self.renew(&account).await?;
            (token, ca) = self.token(&account).await?;
        }
        let secret = self.hub_secret(&token).await?;
        self.register(&secret, ca).await?;
        (self.progress)("Created federated cluster resource");
        Ok(())
    }

    /// Every reason to refuse, before anything is written. Returns whether the federation is limited to one namespace.
    async fn preflight(&self, account: &str) -> Result<bool, JoinError> {
        let JoinOptions { cluster, namespace, .. } = self.options;
        let problems =
            if cluster.len() > 253 { vec!["must be no more than 253 bytes".to_owned()] } else { names::dns1123_subdomain(cluster) };
        if let Some(why) = problems.first() {
            return Err(JoinError::Invalid(format!("cluster name {cluster:?} is not valid: {why}")));
        }
        if let Some(why) = names::dns1123_subdomain(account).first() {
            return Err(JoinError::Invalid(format!("service account name {account:?} is not valid: {why}; set --host-cluster-name")));
        }
        let configs = self.hub.list(&self.resources.configs, Some(namespace), &ListOptions::default()).await.map_err(|e| match e {
            ClientError::Api(status) if status.reason == Reason::NotFound => JoinError::NotAHub(format!(
                "the host cluster does not serve KubeFed's API. Is a KubeFed control plane running there? ({status})"
            )),
            other => JoinError::Request { what: "Error retrieving KubeFedConfig".to_owned(), source: other },
        })?;
        let namespaced =
            configs.items.iter().any(|c| object::name(c) == "kubefed" && object::str_at(c, &["spec", "scope"]) == "Namespaced");
        let existing = self.member.get(&self.resources.service_accounts, namespace, account).await;
        let existing = existing.map_err(failed(format!("Error checking service account {account} in joining cluster {cluster}")))?;
        if existing.is_some() {
            if self.options.error_on_existing {
                return Err(JoinError::Exists(format!("service account: {account} already exists in joining cluster: {cluster}")));
            }
            (self.progress)(&format!("Service account {account} already exists in joining cluster {cluster}"));
        }
        if self.options.error_on_existing {
            let registered = self.hub.get(&self.resources.clusters, namespace, cluster).await;
            if registered.map_err(failed(format!("Could not retrieve federated cluster {cluster}")))?.is_some() {
                return Err(JoinError::Exists(format!("federated cluster {cluster} already exists in host cluster")));
            }
            if let Some(secret) = &self.options.secret_name {
                let found = self.hub.get(&self.resources.secrets, namespace, secret).await;
                if found.map_err(failed(format!("Could not retrieve secret {secret} in host cluster")))?.is_some() {
                    return Err(JoinError::Exists(format!("host cluster secret {secret} already exists")));
                }
            }
        }
        Ok(namespaced)
    }

    async fn member_namespace(&mut self) -> Result<(), JoinError> {
        let namespace = &self.options.namespace;
        (self.progress)(&format!("Creating {namespace} namespace in joining cluster"));
        let made = self.create(self.member.clone(), self.resources.namespaces.clone(), "", make::namespace(namespace)).await?;
        let word = if made.is_some() { "Created" } else { "Already existing" };
        (self.progress)(&format!("{word} {namespace} namespace in joining cluster"));
        Ok(())
    }

    async fn account(&mut self, account: &str) -> Result<(), JoinError> {
        let JoinOptions { cluster, namespace, .. } = self.options;
        (self.progress)(&format!("Creating service account in joining cluster: {cluster}"));
        let (member, resource) = (self.member.clone(), self.resources.service_accounts.clone());
        self.create(member, resource, namespace, make::service_account(namespace, account)).await?;
        (self.progress)(&format!("Created service account: {account} in joining cluster: {cluster}"));
        let (member, resource) = (self.member.clone(), self.resources.secrets.clone());
        self.create(member, resource, namespace, make::token_secret(namespace, account)).await?;
        (self.progress)(&format!("Created service account token secret: {account} in joining cluster: {cluster}"));
        Ok(())
    }

    async fn rights(&mut self, account: &str, namespaced: bool) -> Result<(), JoinError> {
        let JoinOptions { cluster, namespace, .. } = self.options;
        let name = make::role_name(account);
        let kind = if namespaced { "role" } else { "cluster role" };
        (self.progress)(&format!("Creating {kind} and binding for service account: {account} in joining cluster: {cluster}"));
        let profile = self.options.cluster_role == Some(ClusterRole::Profile);
        let types = if profile { self.types().await? } else { Vec::new() };
        if namespaced {
            let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
            let rules = if profile { profile::rules(&types, true) } else { all };
            let ns = Some(namespace.as_str());
            self.role_and_binding("Role", ns, &name, &rules, account).await?;
            let health = make::health_role_name(namespace, account);
            let rules = json!([{"nonResourceURLs": ["/healthz", "/version"], "verbs": ["get"]}]);
            self.role_and_binding("ClusterRole", None, &health, &rules, account).await?;
        } else {
            let rules = if profile { profile::rules(&types, false) } else { make::all_rules() };
            self.role_and_binding("ClusterRole", None, &name, &rules, account).await?;
        }
        (self.progress)(&format!("Created {kind} and binding for service account: {account} in joining cluster: {cluster}"));
        Ok(())
    }

    /// The types of the hub; one that cannot be read is not propagated either.
    async fn types(&self) -> Result<Vec<FederatedTypeConfig>, JoinError> {
        let listed = self.hub.list(&self.resources.types, Some(&self.options.namespace), &ListOptions::default()).await;
        let listed = listed.map_err(failed("Could not list the FederatedTypeConfigs of the host cluster"))?;
        Ok(listed.items.iter().filter_map(|t| FederatedTypeConfig::read(t).ok()).collect())
    }

    async fn role_and_binding(
        &mut self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        rules: &Value,
        account: &str,
    ) -> Result<(), JoinError> {
        let (roles, bindings) = match namespace {
            Some(_) => (self.resources.roles.clone(), self.resources.role_bindings.clone()),
            None => (self.resources.cluster_roles.clone(), self.resources.cluster_role_bindings.clone()),
        };
        let ns = namespace.unwrap_or("");
        let made = self.create(self.member.clone(), roles.clone(), ns, make::role(kind, namespace, name, rules)).await?;
        if made.is_none() && self.options.cluster_role.is_some() {
            let patch = json!({"rules": rules});
            let patched = self.member.patch(&roles, ns, name, None, PatchKind::Merge, &patch, MANAGER, false).await;
            patched.map_err(failed(format!("Could not update {kind} {name} in joining cluster")))?;
        }
        let binding = make::binding(kind, namespace, name, &self.options.namespace, account);
        self.create(self.member.clone(), bindings, ns, binding).await?;
        Ok(())
    }

    /// The token and the authority that the member's token controller writes into the Secret.
    async fn token(&self, account: &str) -> Result<(String, Option<String>), JoinError> {
        let (filled, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let interest = Interest {
            gvr: self.resources.secrets.clone(),
            namespace: Some(self.options.namespace.clone()),
            field_selector: format!("metadata.name={account}"),
            ..Interest::default()
        };
        let _cache = Cache::start(
            self.member.clone(),
            interest,
            Arc::new(move |event| {
                if let CacheEvent::Applied { new, .. } = event
                    && !object::str_at(new, &["data", "token"]).is_empty()
                {
                    let data = |key| object::str_at(new, &["data", key]).to_owned();
                    let _ = filled.send((data("token"), data("ca.crt")));
                }
            }),
        );
        match tokio::time::timeout(TOKEN_WAIT, seen.recv()).await {
            Ok(Some((token, ca))) => Ok((token, Some(ca).filter(|c| !c.is_empty()))),
            _ => Err(JoinError::NoToken { secret: format!("{}/{account}", self.options.namespace), seconds: TOKEN_WAIT.as_secs() }),
        }
    }

    /// Whether the member still accepts a token that was issued earlier: its signing key may have been replaced since.
    async fn counts(&self, token: &str) -> bool {
        let Some(token) = STANDARD.decode(token).ok().and_then(|t| String::from_utf8(t).ok()) else { return false };
        let reviews = GroupVersionResource::new("authentication.k8s.io", "v1", "tokenreviews");
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        // where nobody can tell, the token stays
        let answer = self.member.create(&reviews, "", &review, MANAGER).await;
        answer.map_or(true, |answer| object::at(&answer, &["status", "authenticated"]) == Some(&Value::Bool(true)))
    }

    /// A new token in place of one that does not count any more: token controllers fill a Secret only once.
    async fn renew(&mut self, account: &str) -> Result<(), JoinError> {
        let JoinOptions { cluster, namespace, .. } = self.options;
        let gone = self.member.delete(&self.resources.secrets, namespace, account, &DeleteOptions::default()).await;
        gone.map_err(failed(format!("Could not replace token secret {account} in joining cluster {cluster}")))?;
        let (member, resource) = (self.member.clone(), self.resources.secrets.clone());
        self.create(member, resource, namespace, make::token_secret(namespace, account)).await?;
        (self.progress)(&format!("Replaced service account token secret: {account} in joining cluster: {cluster}"));
        Ok(())
    }

    /// The hub's Secret with the token: the one that is registered already, or a new one.
    async fn hub_secret(&mut self, token: &str) -> Result<String, JoinError> {
        let JoinOptions { cluster, namespace, secret_name, .. } = self.options;
        let known = match secret_name {
            Some(_) => secret_name.clone(),
            None => self.registered_secret().await?,
        };
        let secret = make::hub_secret(namespace, cluster, known.as_deref(), token);
        let name = match self.create(self.hub.clone(), self.resources.secrets.clone(), namespace, secret.clone()).await? {
            Some(made) => object::name(&made).to_owned(),
            // Only a fixed name can exist already; a changed token replaces the old one.
            None => {
                let name = known.unwrap_or_default();
                let patch = json!({"data": {"token": token}});
                let kind = PatchKind::Merge;
                let patched = self.hub.patch(&self.resources.secrets, namespace, &name, None, kind, &patch, MANAGER, false).await;
                patched.map_err(failed("Could not update secret in host cluster"))?;
                name
            }
        };
        (self.progress)(&format!("Created secret in host cluster named: {name}"));
        Ok(name)
    }

    /// Joined again, a cluster keeps its Secret.
    async fn registered_secret(&self) -> Result<Option<String>, JoinError> {
        let JoinOptions { cluster, namespace, error_on_existing, .. } = self.options;
        if *error_on_existing {
            return Ok(None);
        }
        let registered = self.hub.get(&self.resources.clusters, namespace, cluster).await;
        let registered = registered.map_err(failed(format!("Could not retrieve federated cluster {cluster}")))?;
        let name = registered.map(|c| object::str_at(&c, &["spec", "secretRef", "name"]).to_owned());
        Ok(name.filter(|name| !name.is_empty()))
    }

    async fn register(&mut self, secret: &str, token_ca: Option<String>) -> Result<(), JoinError> {
        let options = self.options;
        let ca = options.ca_bundle.as_ref().map(|pem| STANDARD.encode(pem)).or(token_ca);
        let mut spec = json!({"apiEndpoint": options.endpoint, "secretRef": {"name": secret}});
        if options.insecure {
            spec["disabledTLSValidations"] = json!(["*"]);
        } else if let Some(ca) = ca {
            spec["caBundle"] = ca.into();
        }
        if let Some(proxy) = &options.proxy_url {
            spec["proxyURL"] = proxy.clone().into();
        }
        let mut cluster = json!({
            "apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
            "metadata": {"name": options.cluster, "namespace": options.namespace}, "spec": spec,
        });
        if let Some(role) = options.cluster_role {
            let word = if role == ClusterRole::Profile { "profile" } else { "cluster-admin" };
            object::set(&mut cluster, &["metadata", "annotations", keys::CLUSTER_ROLE], word.into());
        }
        for (key, value) in &options.labels {
            object::set(&mut cluster, &["metadata", "labels", key], value.clone().into());
        }
        let made = self.create(self.hub.clone(), self.resources.clusters.clone(), &options.namespace, cluster.clone()).await?;
        if made.is_none() {
            // what the kubeconfig no longer says must not stay either
            let mut patch =
                json!({"metadata": {"annotations": object::at(&cluster, &["metadata", "annotations"])}, "spec": cluster["spec"]});
            for field in ["caBundle", "disabledTLSValidations", "proxyURL"] {
                if patch["spec"].get(field).is_none() {
                    patch["spec"][field] = Value::Null;
                }
            }
            let kind = PatchKind::Merge;
            let patched =
                self.hub.patch(&self.resources.clusters, &options.namespace, &options.cluster, None, kind, &patch, MANAGER, false).await;
            patched.map_err(failed(format!("Could not update federated cluster {}", options.cluster)))?;
        }
        Ok(())
    }

    /// Creates an object and remembers it; `None` when it is there already (and may be).
    async fn create(
        &mut self,
        client: ClusterClient,
        resource: GroupVersionResource,
        namespace: &str,
        object: Value,
    ) -> Result<Option<Value>, JoinError> {
        let name = object::name(&object).to_owned();
        match client.create(&resource, namespace, &object, MANAGER).await {
            Ok(made) => {
                self.made.push((client, resource, namespace.to_owned(), object::name(&made).to_owned()));
                Ok(Some(made))
            }
            Err(ClientError::Api(status)) if status.reason == Reason::AlreadyExists => {
                let shared = resource.resource == "namespaces";
                if shared || !self.options.error_on_existing { Ok(None) } else { Err(JoinError::Exists(status.message)) }
            }
            Err(source) => Err(JoinError::Request { what: format!("Could not create {} {name}", resource.group_resource()), source }),
        }
    }

    /// Deletes what this run made, newest first; what cannot be deleted is said.
    async fn take_back(&mut self) {
        while let Some((client, resource, namespace, name)) = self.made.pop() {
            if let Err(error) = client.delete(&resource, &namespace, &name, &DeleteOptions::default()).await {
                (self.progress)(&format!("Could not take back {} {name}: {error}", resource.group_resource()));
            }
        }
    }
}
