//! Admission plugins that only a hub has: the API server asks, the federation domain's pure functions decide.

use std::sync::Arc;

use async_trait::async_trait;
use comity_api_kubefed::FederatedTypeConfig;
use comity_apiserver::{
    admission::{Admission, AdmissionContext, Operation},
    authz::{Attributes, Authorizer as _, RoleWrite, check_escalation},
    boot,
    user::User,
};
use comity_core::{Status, Value, json};
use comity_federation::admission as decide;
use comity_store::Key;

use crate::{embedded::Plugins, type_configs::TypeConfigs};

/// The hub's plugins, around the server's own.
pub(crate) fn plugins() -> Plugins {
    let types = Arc::new(TypeConfigs::default());
    Plugins {
        // they may make what the server's own require
        first: vec![Arc::new(TemplateAuthority(types.clone())), Arc::new(NamespaceOnDemand)],
        last: vec![Arc::new(KubeFed(types))],
    }
}

/// A template is not a way around access rules. Before anything is made for the object, and again when it is complete.
struct TemplateAuthority(Arc<TypeConfigs>);

#[async_trait]
impl Admission for TemplateAuthority {
    fn name(&self) -> &str {
        "TemplateAuthority"
    }

    async fn admit(
        &self,
        context: &AdmissionContext<'_>,
        _object: Option<&mut Value>,
        _old: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        if let Some(config) = governed(context, &self.0) {
            may_write(context, &config)?;
        }
        Ok(Vec::new())
    }
}

/// Makes the namespace of a federated object that is created before its namespace is, for who may create namespaces.
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
        let attributes = Attributes::resource(context.user, "create", "", "namespaces", "", &make.name);
        if !context.cx.authz.rbac.authorize(&attributes).allowed {
            // the namespace is not found then, as for any other object
            return Ok(Vec::new());
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": make.name}});
        boot::write::create(context.cx, "/api/v1/namespaces", &namespace).await?;
        Ok(vec![make.warning])
    }
}

/// What KubeFed's webhooks do, and the rights that a template of an RBAC kind would hand out.
struct KubeFed(Arc<TypeConfigs>);

#[async_trait]
impl Admission for KubeFed {
    fn name(&self) -> &str {
        "KubeFed"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, object: Option<&mut Value>, old: Option<&Value>) -> Result<Vec<String>, Status> {
        let resource = context.resource.gvr();
        let Some(object) = object else { return Ok(Vec::new()) };
        if let Some(config) = governed(context, &self.0) {
            may_grant(context, &config, object, old)?;
        }
        if context.operation == Operation::Create {
            let propagated = context.resource.custom.is_some() && type_config(context, &self.0).is_some_and(|config| config.enabled());
            decide::default_on_create(&resource, propagated, object);
        }
        let errors = decide::check(&resource, object, old);
        if errors.is_empty() { Ok(Vec::new()) } else { Err(Status::invalid(&context.resource.group_kind(), context.name, &errors)) }
    }
}

/// The configuration whose federated kind is being written.
fn type_config(context: &AdmissionContext<'_>, types: &TypeConfigs) -> Option<Arc<FederatedTypeConfig>> {
    types.of(&context.cx.store, &context.resource.group_resource())
}

/// The configuration whose templates are being written, by somebody who is not exempt.
fn governed(context: &AdmissionContext<'_>, types: &TypeConfigs) -> Option<Arc<FederatedTypeConfig>> {
    let exempt = context.user.is_in(User::MASTERS) || context.user.name == crate::identities::FEDERATION;
    if exempt || !context.subresource.is_empty() || context.resource.custom.is_none() {
        return None;
    }
    type_config(context, types)
}

/// Whoever writes a template must be allowed to write its kind there.
fn may_write(context: &AdmissionContext<'_>, config: &FederatedTypeConfig) -> Result<(), Status> {
    let verb = match context.operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => return Ok(()),
    };
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

/// A role or binding in a template is judged as the plain object would be.
fn may_grant(context: &AdmissionContext<'_>, config: &FederatedTypeConfig, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let target = &config.spec.target_type;
    let namespace = if target.namespaced() { context.namespace } else { "" };
    for grant in decide::grants(config, object, old) {
        let write = RoleWrite { user: context.user, resource: &target.plural_name, namespace, name: context.name, new: &grant, old: None };
        check_escalation(&context.cx.authz.rbac.index(), &write)?;
    }
    Ok(())
}
