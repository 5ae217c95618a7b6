//! `create`: a new object.

use std::sync::Arc;

use comity_core::Status;

use super::{
    body::{self, Expected},
    render,
    write::{Write, Written},
    write_options::WriteOptions,
};
use crate::{answer::Answer, registry::Resource, request::Request};

/// Makes the object of the body.
///
/// # Errors
/// As the API states them.
pub async fn create(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    request.accept.object()?;
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let object = body::decode(request, &Expected::object_of(resource), options.validation)?;
    let write = Write::new(request, resource, options);
    let written = write.create(object).await?;
    answer(request, resource, 201, written)
}

/// What a write left, as an answer.
///
/// # Errors
/// 406 when it cannot be written as asked.
pub fn answer(request: &Request, resource: &Resource, code: u16, written: Written) -> Result<Answer, Status> {
    match written {
        Written::Stored(entry) => render::entry(request, resource, code, &entry),
        Written::Shown(value) => render::object(request, resource, code, value),
    }
}
