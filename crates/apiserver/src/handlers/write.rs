//! The way of every write: from a decoded object to the store, with admission, validation and bookkeeping.

use std::sync::Arc;

use comity_core::{FieldError, Map, Reason, Status, Value, json, object};
use comity_schema::{
    managed,
    validation::{self, NameRule},
};
use comity_store::{Body, Entry, Expect, Key, WriteError};

use super::{list_options, metadata, write_options::WriteOptions};
use crate::{
    admission::{AdmissionContext, Operation},
    authz, convert,
    frame::path::RequestInfo,
    kinds,
    registry::Resource,
    request::Request,
};

/// How often a write is tried on newer states before the client hears of a conflict.
const TRIES: usize = 200;

/// What became of a write.
pub enum Written {
    /// The stored state.
    Stored(Arc<Entry>),
    /// A state that is not in the store: a dry run, or an object that is gone with this write. In the served version.
    Shown(Value),
}

/// One write.
pub struct Write<'a> {
    /// The request.
    pub request: &'a Request,
    /// The resource.
    pub resource: &'a Arc<Resource>,
    /// Options.
    pub options: WriteOptions,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// Time of the write.
    pub now: String,
}

impl<'a> Write<'a> {
    /// A write of what a request is about.
    pub fn new(request: &'a Request, resource: &'a Arc<Resource>, options: WriteOptions) -> Self {
        let namespace = if resource.info.namespaced { request.info.namespace.as_str() } else { "" };
        Self { request, resource, options, subresource: &request.info.subresource, namespace, now: request.cx.now_text() }
    }

    fn key(&self, name: &str) -> Key {
        Key { resource: self.resource.storage.clone(), namespace: self.namespace.into(), name: name.into() }
    }

    fn context<'b>(&'b self, operation: Operation, name: &'b str) -> AdmissionContext<'b> {
        AdmissionContext {
            cx: &self.request.cx,
            operation,
            resource: self.resource,
            subresource: self.subresource,
            namespace: self.namespace,
            name,
            user: &self.request.user,
            dry_run: self.options.dry_run,
        }
    }

    fn managed_write(&self) -> managed::Write<'_> {
        managed::Write {
            manager: &self.options.manager,
            api_version: &self.resource.api_version,
            subresource: self.subresource,
            now: &self.now,
            reset: self.reset_fields(),
        }
    }

    /// The top-level fields that this endpoint does not write.
    fn reset_fields(&self) -> &'static [&'static str] {
        let info = &self.resource.info;
        if !info.strategy.has_status && self.subresource.is_empty() {
            return &[];
        }
        managed::reset_fields(&info.group, &info.kind, self.resource.custom.is_some(), self.subresource)
    }

    /// The parameters of server-side apply.
    pub fn applies(&self) -> managed::Write<'_> {
        self.managed_write()
    }

    /// Makes a new object.
    ///
    /// # Errors
    /// As the API states them.
    pub async fn create(&self, mut object: Value) -> Result<Written, Status> {
        metadata::wipe(&mut object);
        if !object::resource_version(&object).is_empty() {
            return Err(Status::new(Reason::Unknown, "resourceVersion should not be set on objects to be created"));
        }
        metadata::settle_namespace(&mut object, self.namespace)?;
        let object = self.manage_new(object);
        let generate = object::name(&object).is_empty() && !object::str_at(&object, &["metadata", "generateName"]).is_empty();
        if !generate {
            return self.create_named(object).await;
        }
        let mut last = String::new();
        for _ in 0..8 {
            let mut named = object.clone();
            last = metadata::generate_name(object::str_at(&object, &["metadata", "generateName"]));
            object::set(&mut named, &["metadata", "name"], last.as_str().into());
            match self.create_named(named).await {
                Err(status) if status.reason == Reason::AlreadyExists => {}
                other => return other,
            }
        }
        let resource = self.resource.group_resource();
        let why = format!("{resource} {last:?} already exists, the server was not able to generate a unique name for the object");
        Err(Status::new(Reason::AlreadyExists, why).about(&resource, &last).retry_after(1))
    }

    /// Everything from admission on, for a new object that has a name (or none, which validation finds).
    pub async fn create_named(&self, mut object: Value) -> Result<Written, Status> {
        let name = object::name(&object).to_owned();
        if self.resource.custom.as_ref().is_some_and(|custom| custom.terminating) {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::forbidden(&self.resource.group_resource(), &name, why));
        }
        let context = self.context(Operation::Create, &name);
        self.admit(&context, Some(&mut object), None).await?;
        metadata::fill(&mut object, &self.now);
        let strategy = &self.resource.info.strategy;
        if strategy.has_status && !kinds::brings_status(self.resource) {
            object::remove(&mut object, &["status"]);
        }
        if metadata::counts_generation(strategy.generation) {
            object::set(&mut object, &["metadata", "generation"], 1.into());
        }
        let hooks = kinds::hooks(self.resource);
        if let Some(hooks) = hooks {
            hooks.prepare(&context, &mut object, None)?;
        }
        let result = self.store_new(&context, &mut object).await;
        if let (Err(_), Some(hooks)) = (&result, hooks) {
            hooks.abandoned(&self.request.cx, &object, None);
        }
        result
    }

    async fn store_new(&self, context: &AdmissionContext<'_>, object: &mut Value) -> Result<Written, Status> {
        let hooks = kinds::hooks(self.resource);
        self.resource.schema().default(object);
        self.validate(context, object, None)?;
        self.canonical(object);
        if let Some(hooks) = hooks {
            hooks.check(context, Some(object), None).await?;
        }
        let key = self.key(context.name);
        let exists = || Status::already_exists(&self.resource.group_resource(), context.name);
        if self.options.dry_run {
            if self.request.cx.store.get(&key).is_some() {
                return Err(exists());
            }
            return Ok(Written::Shown(object.clone()));
        }
        let mut converted;
        let stored = if self.resource.needs_conversion() {
            converted = object.clone();
            convert::to_stored(self.resource, &mut converted);
            &converted
        } else {
            object
        };
        match self.request.cx.store.put(key, Expect::Absent, stored).await {
            Ok(entry) => {
                if let Some(hooks) = hooks {
                    hooks.stored(&self.request.cx, Some(&entry.object()), None).await;
                }
                Ok(Written::Stored(entry))
            }
            Err(WriteError::Conflict { .. }) => Err(exists()),
            Err(error) => Err(store_failed(&error)),
        }
    }

    /// Changes an object, again on each newer state until it holds; makes it where that is allowed.
    ///
    /// `change` gets the present state in the served version (or nothing) and answers the new one, or nothing when
    /// there is nothing to do.
    ///
    /// # Errors
    /// As the API states them. Answers whether the object was made.
    pub async fn update<F>(&self, name: &str, may_create: bool, change: F) -> Result<(Written, bool), Status>
    where
        F: Fn(Option<&Value>) -> Result<Option<Value>, Status> + Send + Sync,
    {
        let key = self.key(name);
        let cx = &self.request.cx;
        for _ in 0..TRIES {
            let Some(entry) = cx.store.get(&key) else {
                if !may_create {
                    return Err(Status::not_found(&self.resource.group_resource(), name));
                }
                self.may_create().await?;
                let Some(mut object) = change(None)? else { return Err(Status::not_found(&self.resource.group_resource(), name)) };
                let uid = object::uid(&object);
                if !uid.is_empty() {
                    let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                    return Err(Status::conflict(&self.resource.group_resource(), name, &why));
                }
                metadata::wipe(&mut object);
                metadata::check_name(&object, name)?;
                metadata::settle_namespace(&mut object, self.namespace)?;
                object::remove(&mut object, &["metadata", "resourceVersion"]);
                match self.create_named(object).await {
                    Err(status) if status.reason == Reason::AlreadyExists => continue,
                    result => return result.map(|written| (written, true)),
                }
            };
            let mut old = entry.object();
            convert::to_served(self.resource, &mut old);
            let Some(new) = change(Some(&old))? else { return Ok((Written::Stored(entry), false)) };
            if let Some(written) = self.replace(name, &entry, &old, new).await? {
                return Ok((written, false));
            }
        }
        Err(Status::stale(&self.resource.group_resource(), name))
    }

    async fn may_create(&self) -> Result<(), Status> {
        let info = RequestInfo { verb: "create", ..self.request.info.clone() };
        authz::authorize(&self.request.cx, &self.request.user, &info).await
    }

    /// One try; nothing when the object changed meanwhile.
    async fn replace(&self, name: &str, entry: &Arc<Entry>, old: &Value, mut new: Value) -> Result<Option<Written>, Status> {
        let strategy = &self.resource.info.strategy;
        let cx = &self.request.cx;
        metadata::settle_namespace(&mut new, self.namespace)?;
        metadata::check_name(&new, name)?;
        let resource = self.resource.group_resource();
        let revision = object::resource_version(&new);
        if revision.is_empty() {
            if !strategy.unconditional_update {
                let error = FieldError::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
                let kind = comity_core::GroupKind { group: resource.group, kind: resource.resource };
                return Err(Status::invalid(&kind, name, &[error]));
            }
            object::set(&mut new, &["metadata", "resourceVersion"], entry.rev.to_string().into());
        } else if list_options::revision(revision).is_none() {
            return Err(Status::new(Reason::Unknown, format!("strconv.ParseUint: parsing {revision:?}: invalid syntax")));
        } else if revision != entry.rev.to_string() {
            return Err(Status::stale(&resource, name));
        }
        let uid = object::uid(&new);
        if !uid.is_empty() && uid != &*entry.facts.uid {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", entry.facts.uid);
            return Err(Status::conflict(&resource, name, &why));
        }
        let context = self.context(Operation::Update, name);
        self.admit(&context, Some(&mut new), Some(old)).await?;
        metadata::keep(&mut new, old);
        self.keep_other_parts(&mut new, old);
        let hooks = kinds::hooks(self.resource);
        if let Some(hooks) = hooks {
            hooks.prepare(&context, &mut new, Some(old))?;
        }
        let result = self.store_changed(&context, entry, old, &mut new).await;
        if let (Err(_) | Ok(None), Some(hooks)) = (&result, hooks) {
            hooks.abandoned(cx, &new, Some(old));
        }
        result
    }

    async fn store_changed(
        &self,
        context: &AdmissionContext<'_>,
        entry: &Arc<Entry>,
        old: &Value,
        new: &mut Value,
    ) -> Result<Option<Written>, Status> {
        let cx = &self.request.cx;
        let hooks = kinds::hooks(self.resource);
        self.resource.schema().default(new);
        // Only what differs in canonical form differs at all.
        self.canonical(new);
        metadata::count_generation(self.resource.info.strategy.generation, self.subresource, new, old);
        managed::keep_times(old, new);
        self.validate(context, new, Some(old))?;
        if let Some(hooks) = hooks {
            hooks.check(context, Some(new), Some(old)).await?;
        }
        if metadata::is_finished(new, old) && kinds::may_go(self.resource, new) {
            return self.remove_finished(entry, old, new).await;
        }
        let mut stored = new.clone();
        convert::to_stored(self.resource, &mut stored);
        let body = Body::of(&stored).map_err(Status::bad_request)?;
        if body == entry.body {
            return Ok(Some(Written::Stored(entry.clone())));
        }
        if self.options.dry_run {
            object::set(new, &["metadata", "resourceVersion"], entry.rev.to_string().into());
            return Ok(Some(Written::Shown(new.clone())));
        }
        match cx.store.put(entry.key.clone(), Expect::Rev(entry.rev), &stored).await {
            Ok(written) => {
                if let Some(hooks) = hooks {
                    hooks.stored(cx, Some(&written.object()), Some(old)).await;
                }
                Ok(Some(Written::Stored(written)))
            }
            Err(WriteError::Conflict { .. }) => Ok(None),
            Err(error) => Err(store_failed(&error)),
        }
    }

    /// The write that takes the last finalizer of a deleting object removes it.
    async fn remove_finished(&self, entry: &Arc<Entry>, old: &Value, new: &Value) -> Result<Option<Written>, Status> {
        if !self.options.dry_run {
            let mut last = new.clone();
            convert::to_stored(self.resource, &mut last);
            match self.request.cx.store.delete(entry.key.clone(), Expect::Rev(entry.rev), Some(&last)).await {
                Ok(_) => {
                    if let Some(hooks) = kinds::hooks(self.resource) {
                        hooks.stored(&self.request.cx, None, Some(old)).await;
                    }
                }
                Err(WriteError::Conflict { .. }) => return Ok(None),
                Err(error) => return Err(store_failed(&error)),
            }
        }
        let mut new = new.clone();
        object::set(&mut new, &["metadata", "resourceVersion"], entry.rev.to_string().into());
        Ok(Some(Written::Shown(new)))
    }

    /// What an endpoint does not write comes from the old state.
    fn keep_other_parts(&self, new: &mut Value, old: &Value) {
        let keep = |new: &mut Value, key: &str| match old.get(key) {
            Some(value) => object::set(new, &[key], value.clone()),
            None => {
                object::remove(new, &[key]);
            }
        };
        match self.subresource {
            "" if self.resource.info.strategy.has_status => keep(new, "status"),
            "status" | "approval" => {
                let keys: Vec<String> = old.as_object().into_iter().chain(new.as_object()).flat_map(Map::keys).cloned().collect();
                for key in keys.iter().filter(|k| !matches!(k.as_str(), "metadata" | "status")) {
                    keep(new, key);
                }
                if self.resource.custom.is_some() {
                    let entries = object::remove(new, &["metadata", "managedFields"]);
                    keep(new, "metadata");
                    if let Some(entries) = entries {
                        object::set(new, &["metadata", "managedFields"], entries);
                    }
                }
            }
            _ => {}
        }
    }

    /// Calls the admission plugins.
    async fn admit(&self, context: &AdmissionContext<'_>, mut object: Option<&mut Value>, old: Option<&Value>) -> Result<(), Status> {
        for plugin in &self.request.cx.admission {
            for warning in plugin.admit(context, object.as_deref_mut(), old).await? {
                self.request.warnings.add(warning);
            }
        }
        Ok(())
    }

    fn validate(&self, context: &AdmissionContext<'_>, new: &Value, old: Option<&Value>) -> Result<(), Status> {
        let kind = self.resource.gvk();
        let info = &self.resource.info;
        let mut errors = match old {
            None => validation::metadata(new, info.namespaced, NameRule::of(&info.group, &info.plural)),
            Some(old) => validation::metadata_update(new, old),
        };
        errors.extend(self.resource.schema().validate(new, old));
        // Subresources change what the object itself may not: a binding sets the node of a Pod.
        if self.resource.custom.is_none() && self.subresource.is_empty() {
            errors.extend(validation::builtin(&kind, new, old));
        }
        if let Some(hooks) = kinds::hooks(self.resource) {
            errors.extend(hooks.validate(context, new, old));
        }
        if errors.is_empty() { Ok(()) } else { Err(Status::invalid(&kind.group_kind(), object::name(new), &errors)) }
    }

    /// The form in which objects are stored and sent.
    pub fn canonical(&self, object: &mut Value) {
        if self.resource.custom.is_some() {
            object.sort_all_objects();
        } else {
            self.resource.schema().canonicalize(object);
        }
    }

    /// Sets managed fields for a changed object that a client sent or patched.
    pub fn manage(&self, live: &Value, mut new: Value) -> Value {
        self.before_ownership(&mut new);
        managed::update(self.resource.schema(), Some(live), new, &self.managed_write())
    }

    /// Sets managed fields for a new object that a client sent by PUT.
    pub fn manage_new(&self, mut new: Value) -> Value {
        self.before_ownership(&mut new);
        managed::update(self.resource.schema(), None, new, &self.managed_write())
    }

    /// The typed form of what was sent, as far as ownership sees it.
    fn before_ownership(&self, object: &mut Value) {
        kinds::before_ownership(self.resource, object);
        // An empty list asks to forget all owners; the canonical form would leave it out, so it takes the other form of that wish.
        if object::at(object, &["metadata", "managedFields"]).is_some_and(|list| list.as_array().is_some_and(Vec::is_empty)) {
            object::set(object, &["metadata", "managedFields"], json!([{}]));
        }
        if self.resource.custom.is_none() {
            self.resource.schema().canonicalize(object);
        }
    }

    /// Calls the admission plugins for a deletion.
    ///
    /// # Errors
    /// The status with which a plugin refuses.
    pub async fn admit_delete(&self, name: &str, old: &Value) -> Result<(), Status> {
        let context = self.context(Operation::Delete, name);
        self.admit(&context, None, Some(old)).await?;
        if let Some(hooks) = kinds::hooks(self.resource) {
            hooks.check(&context, None, Some(old)).await?;
        }
        Ok(())
    }
}

/// The status for a write that the store did not make.
pub fn store_failed(error: &WriteError) -> Status {
    match error {
        WriteError::Invalid(why) => Status::bad_request(format!("the object cannot be stored: {why}")),
        WriteError::Full { .. } | WriteError::Failed(_) | WriteError::Closed => Status::new(Reason::ServiceUnavailable, error.to_string()),
        WriteError::Conflict { .. } => Status::internal(error),
    }
}
