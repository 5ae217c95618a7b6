//! `deletecollection`: every object that a selection means.

use std::sync::Arc;

use comity_core::{Reason, Status};

use super::{
    delete::delete_object,
    delete_options::DeleteOptions,
    list::{self, namespace_of},
    list_options::ListOptions,
    render,
    select::Selection,
};
use crate::{answer::Answer, registry::Resource, request::Request};

/// Deletes the selected objects and answers them as a list.
///
/// # Errors
/// The first deletion that fails; what was deleted before stays deleted.
pub async fn delete_collection(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let (format, view) = request.accept.object()?;
    let list_options = ListOptions::parse(&request.query, false)?;
    let selection = Selection::parse(resource, &request.query)?;
    let options = DeleteOptions::parse(request)?;
    let found = list::find(&request.cx, resource, namespace_of(request, resource), &list_options, &selection).await?;
    for entry in &found.entries {
        match delete_object(request, resource, &entry.key, &options).await {
            Ok(_) => {}
            Err(status) if status.reason == Reason::NotFound => {}
            Err(status) => return Err(status),
        }
    }
    list::answer(request, resource, &found, format, view, render::include(request)?)
}
