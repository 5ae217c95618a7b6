//! `update`: PUT of a whole object.

use std::sync::Arc;

use comity_core::{Status, object};

use super::{
    body::{self, Expected},
    create, metadata,
    write::Write,
    write_options::WriteOptions,
};
use crate::{answer::Answer, registry::Resource, request::Request};

/// Replaces the object by that of the body.
///
/// # Errors
/// As the API states them.
pub async fn update(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    request.accept.object()?;
    let options = WriteOptions::parse(request, "UpdateOptions", false)?;
    let mut sent = body::decode(request, &Expected::object_of(resource), options.validation)?;
    let write = Write::new(request, resource, options);
    metadata::settle_namespace(&mut sent, write.namespace)?;
    metadata::check_name(&sent, &request.info.name)?;
    let may_create = resource.info.strategy.create_on_update && request.info.subresource.is_empty();
    let change = |live: Option<&comity_core::Value>| {
        let mut new = sent.clone();
        object::remove(&mut new, &["metadata", "selfLink"]);
        Ok(Some(match live {
            Some(live) => write.manage(live, new),
            None => write.manage_new(new),
        }))
    };
    let (written, created) = write.update(&request.info.name, may_create, change).await?;
    create::answer(request, resource, if created { 201 } else { 200 }, written)
}
