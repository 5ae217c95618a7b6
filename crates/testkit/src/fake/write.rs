//! Writing requests.

use std::sync::Arc;

use comity_core::{GroupResource, GroupVersionResource, Reason, Status, Value, json, object, time::rfc3339};
use comity_schema::managed;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    FakeCluster, Written,
    kinds::Kind,
    state::{Place, State},
};

#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub method: Method,
    pub gvr: GroupVersionResource,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    pub manager: String,
    pub force: bool,
    pub dry_run: bool,
    /// Content type of a patch.
    pub content: String,
    pub body: Value,
}

impl FakeCluster {
    /// Carries a request out; the HTTP code of success, and the answer.
    pub(super) fn write(&self, request: &Request) -> Result<(u16, Value), Status> {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 56);
        let now = rfc3339(now + SignedDuration::try_from(self.inner.began.elapsed()).unwrap_or_default());
        let mut state = self.inner.state.lock();
        let mut name = request.name.clone();
        if name.is_empty() {
            object::name(&request.body).clone_into(&mut name);
        }
        let place = Place::of(&request.gvr, &request.namespace, &name);
        let before = state.get(&place);
        let kind = state.kinds.find(&request.gvr)?;
        // events are told and not kept: nobody reads them here
        if request.gvr.resource == "events" {
            return if request.method == Method::POST { Ok((201, request.body.clone())) } else { Err(missing(&place)) };
        }
        let api_version = request.gvr.api_version();
        let mut writer = Writer { state: &mut state, kind: &kind, request, place: &place, api_version, now: &now };
        let result = match request.method {
            Method::POST => writer.create(before.as_deref()),
            Method::DELETE => writer.delete(before.as_deref()),
            Method::PUT => writer.replace(before.as_deref()),
            _ => writer.patch(before.as_deref()),
        };
        let after = state.get(&place);
        state.written.push(Written {
            at: Instant::now(),
            method: request.method.clone(),
            gvr: request.gvr.clone(),
            namespace: request.namespace.clone(),
            name,
            subresource: request.subresource.clone(),
            manager: request.manager.clone(),
            body: request.body.clone(),
            before,
            after,
            code: result.as_ref().map_or_else(|status| status.code, |(code, _)| *code),
        });
        let revision = state.revision;
        drop(state);
        self.inner.news.send_if_modified(|known| std::mem::replace(known, revision) != revision);
        result
    }
}

struct Writer<'a> {
    state: &'a mut State,
    kind: &'a Arc<Kind>,
    request: &'a Request,
    place: &'a Place,
    api_version: String,
    now: &'a str,
}

fn resource(place: &Place) -> GroupResource {
    GroupResource::new(&place.group, &place.resource)
}

fn missing(place: &Place) -> Status {
    Status::not_found(&resource(place), &place.name)
}

impl Writer<'_> {
    fn create(&mut self, before: Option<&Value>) -> Result<(u16, Value), Status> {
        if before.is_some() {
            return Err(Status::already_exists(&resource(self.place), &self.place.name));
        }
        let made = managed::update(&self.kind.schema, None, self.request.body.clone(), &self.noted(&[]));
        self.made(made).map(|answer| (201, answer))
    }

    fn patch(&mut self, before: Option<&Value>) -> Result<(u16, Value), Status> {
        if self.request.content.contains("apply") { self.apply(before) } else { self.merge(before) }.map(|answer| (200, answer))
    }

    fn apply(&mut self, before: Option<&Value>) -> Result<Value, Status> {
        let body = &self.request.body;
        self.check_preconditions(before, object::uid(body), object::resource_version(body))?;
        let reset: &[&str] =
            if self.request.subresource.is_empty() { &["status"] } else { &["metadata.labels", "metadata.annotations", "spec"] };
        let applied = managed::apply(&self.kind.schema, before, body, self.request.force, &self.noted(reset))?;
        match (before, applied) {
            (None, _) if !self.request.subresource.is_empty() => Err(missing(self.place)),
            (None, Some(made)) => self.made(made),
            (None, None) => Err(Status::internal("an apply made nothing")),
            (Some(before), None) => Ok(before.clone()),
            (Some(before), Some(new)) => self.changed(before, new),
        }
    }

    fn merge(&mut self, before: Option<&Value>) -> Result<Value, Status> {
        let before = before.ok_or_else(|| missing(self.place))?;
        let mut new = before.clone();
        json_patch::merge(&mut new, &self.request.body);
        self.check_preconditions(Some(before), object::uid(&new), object::resource_version(&new))?;
        let new = managed::update(&self.kind.schema, Some(before), new, &self.noted(&[]));
        self.changed(before, new)
    }

    fn replace(&mut self, before: Option<&Value>) -> Result<(u16, Value), Status> {
        let before = before.ok_or_else(|| missing(self.place))?;
        let new = self.request.body.clone();
        self.check_preconditions(Some(before), object::uid(&new), object::resource_version(&new))?;
        let new = managed::update(&self.kind.schema, Some(before), new, &self.noted(&[]));
        self.changed(before, new).map(|answer| (200, answer))
    }

    fn delete(&mut self, before: Option<&Value>) -> Result<(u16, Value), Status> {
        let before = before.ok_or_else(|| missing(self.place))?;
        let precondition = |key| object::str_at(&self.request.body, &["preconditions", key]);
        self.check_preconditions(Some(before), precondition("uid"), precondition("resourceVersion"))?;
        if object::finalizers(before).next().is_none() {
            self.gone(self.place);
            return Ok((200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})));
        }
        if object::is_deleting(before) {
            return Ok((200, before.clone()));
        }
        let mut going = before.clone();
        object::set(&mut going, &["metadata", "deletionTimestamp"], self.now.into());
        object::set(&mut going, &["metadata", "generation"], (object::generation(before) + 1).into());
        let going = self.state.put(self.place, going);
        Ok((200, Value::clone(&going)))
    }

    /// With a namespace goes what is in it.
    fn gone(&mut self, place: &Place) {
        self.state.remove(place);
        if place.resource == "namespaces" {
            for inside in self.state.within(&place.name) {
                self.state.remove(&inside);
            }
        }
    }

    fn check_preconditions(&self, before: Option<&Value>, uid: &str, version: &str) -> Result<(), Status> {
        let Some(before) = before else {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
            return if uid.is_empty() { Ok(()) } else { Err(Status::conflict(&resource(self.place), &self.place.name, &why)) };
        };
        if !uid.is_empty() && uid != object::uid(before) {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", object::uid(before));
            return Err(Status::conflict(&resource(self.place), &self.place.name, &why));
        }
        if !version.is_empty() && version != object::resource_version(before) {
            return Err(Status::stale(&resource(self.place), &self.place.name));
        }
        Ok(())
    }

    fn noted<'w>(&'w self, reset: &'w [&'w str]) -> managed::Write<'w> {
        managed::Write {
            manager: &self.request.manager,
            api_version: &self.api_version,
            subresource: &self.request.subresource,
            now: self.now,
            reset,
        }
    }

    fn made(&mut self, mut new: Value) -> Result<Value, Status> {
        if self.kind.namespaced {
            let namespaces = GroupVersionResource::new("", "v1", "namespaces");
            if self.state.get(&Place::of(&namespaces, "", &self.place.namespace)).is_none() {
                return Err(Status::not_found(&GroupResource::new("", "namespaces"), &self.place.namespace));
            }
            object::set(&mut new, &["metadata", "namespace"], self.place.namespace.as_str().into());
        }
        if object::name(&new).is_empty() {
            return Err(Status::new(Reason::Invalid, "metadata.name: Required value: name or generateName is required"));
        }
        self.kind.schema.check_types(&new).map_err(Status::bad_request)?;
        let uid = self.state.uid();
        object::set(&mut new, &["metadata", "uid"], uid.into());
        object::set(&mut new, &["metadata", "creationTimestamp"], self.now.into());
        if new.get("spec").is_some() {
            object::set(&mut new, &["metadata", "generation"], 1.into());
        }
        if self.kind.schema.is_custom() {
            object::remove(&mut new, &["status"]);
        }
        if self.request.dry_run {
            return Ok(new);
        }
        Ok(Value::clone(&self.state.put(self.place, new)))
    }

    fn changed(&mut self, before: &Value, mut new: Value) -> Result<Value, Status> {
        self.kind.schema.check_types(&new).map_err(Status::bad_request)?;
        if self.request.subresource == "status" {
            let (status, fields) = (new.get("status").cloned(), object::at(&new, &["metadata", "managedFields"]).cloned());
            new = before.clone();
            if let Some(status) = status {
                new["status"] = status;
            }
            if let Some(fields) = fields {
                object::set(&mut new, &["metadata", "managedFields"], fields);
            }
        } else if self.kind.schema.is_custom() {
            match before.get("status") {
                Some(status) => new["status"] = status.clone(),
                None => drop(object::remove(&mut new, &["status"])),
            }
        }
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp"] {
            match object::at(before, &["metadata", key]) {
                Some(kept) => object::set(&mut new, &["metadata", key], kept.clone()),
                None => drop(object::remove(&mut new, &["metadata", key])),
            }
        }
        managed::keep_times(before, &mut new);
        if new == *before {
            return Ok(new);
        }
        if new.get("spec") != before.get("spec") {
            object::set(&mut new, &["metadata", "generation"], (object::generation(before) + 1).into());
        }
        if self.request.dry_run {
            return Ok(new);
        }
        if object::is_deleting(&new) && object::finalizers(&new).next().is_none() {
            self.gone(self.place);
            return Ok(new);
        }
        Ok(Value::clone(&self.state.put(self.place, new)))
    }
}
