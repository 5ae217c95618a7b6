//! Admission plugins that only a hub has: the API server asks, the federation domain's pure functions decide.

use std::sync::Arc;

use async_trait::async_trait;
use comity_api_kubefed::{FederatedTypeConfig, keys};
use comity_apiserver::{
    admission::{Admission, AdmissionContext, Operation},
    authz::{Attributes, Authorizer as _},
    boot,
    user::User,
};
use comity_core::{Status, Value, json};
use comity_federation::admission as decide;
use comity_store::Key;

/// Plugins that run before the server's own: they may make what those require.
pub(crate) fn first() -> Vec<Arc<dyn Admission>> {
    vec![Arc::new(NamespaceOnDemand)]
}

/// Plugins that run after the server's own.
pub(crate) fn last() -> Vec<Arc<dyn Admission>> {
    vec![Arc::new(KubeFed)]
}

/// Makes the namespace of a federated object that is created before its namespace is.
struct NamespaceOnDemand;

#[async_trait]
impl Admission for NamespaceOnDemand {
    fn name(&self) -> &str {
        "NamespaceOnDemand"
    }

    async fn admit(
        &self,
        context: &AdmissionContext<'_>,
        _object: Option<&mut Value>,
        _old: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        if context.operation != Operation::Create || !context.subresource.is_empty() || context.dry_run {
            return Ok(Vec::new());
        }
        let exists = context.cx.store.get(&Key::new("namespaces", "", context.namespace)).is_some();
        let Some(make) = decide::namespace_to_make(&context.resource.gvr(), context.namespace, exists) else { return Ok(Vec::new()) };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": make.name}});
        boot::write::create(context.cx, "/api/v1/namespaces", &namespace).await?;
        Ok(vec![make.warning])
    }
}

/// What KubeFed's webhooks do, and the rule that a template is not a way around access rules.
struct KubeFed;

#[async_trait]
impl Admission for KubeFed {
    fn name(&self) -> &str {
        "KubeFed"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, object: Option<&mut Value>, old: Option<&Value>) -> Result<Vec<String>, Status> {
        let resource = context.resource.gvr();
        let is_core = resource.group == keys::CORE_GROUP;
        let config = if is_core || context.resource.custom.is_none() { None } else { type_config(context) };
        if !is_core && config.is_none() {
            return Ok(Vec::new());
        }
        if let Some(config) = &config
            && context.subresource.is_empty()
        {
            authorized(context, config)?;
        }
        let Some(object) = object else { return Ok(Vec::new()) };
        if context.operation == Operation::Create {
            decide::default_on_create(&resource, config.as_ref().is_some_and(FederatedTypeConfig::enabled), object);
        }
        let errors = decide::check(&resource, object, old);
        if errors.is_empty() { Ok(Vec::new()) } else { Err(Status::invalid(&context.resource.group_kind(), context.name, &errors)) }
    }
}

/// The configuration whose federated kind is being written.
fn type_config(context: &AdmissionContext<'_>) -> Option<FederatedTypeConfig> {
    let configs = context.cx.store.list(&format!("{}/federatedtypeconfigs", keys::CORE_GROUP), Some(keys::SYSTEM_NAMESPACE));
    let written = context.resource.group_resource();
    configs.entries.iter().filter_map(|entry| FederatedTypeConfig::read(&entry.object()).ok()).find(|config| {
        let federated = &config.spec.federated_type;
        federated.group == written.group && federated.plural_name == written.resource
    })
}

/// Whoever writes a template must be allowed to write its kind there.
fn authorized(context: &AdmissionContext<'_>, config: &FederatedTypeConfig) -> Result<(), Status> {
    let verb = match context.operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => return Ok(()),
    };
    if context.user.is_in(User::MASTERS) || context.user.name == crate::identities::FEDERATION {
        return Ok(());
    }
    let asked = decide::authority(config, verb, context.namespace, context.name);
    let attributes = Attributes::resource(context.user, verb, &asked.target.group, &asked.target.resource, &asked.namespace, &asked.name);
    if context.cx.authz.rbac.authorize(&attributes).allowed {
        return Ok(());
    }
    Err(Status::forbidden(
        &context.resource.group_resource(),
        context.name,
        &format!(
            "user {:?} cannot {verb} {} in namespace {:?}, which the template would do in members",
            context.user.name,
            asked.target.group_resource(),
            asked.namespace
        ),
    ))
}
