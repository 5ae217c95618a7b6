//! From flags to a connection with the hub.

use std::path::Path;

use comity_lane::client::ClientError;

use crate::{
    args::HubFlags,
    contexts::{Connection, ContextError, Contexts},
    error::{CliError, Exit},
};

/// The hub that the flags or the current context name, and that context's name.
pub(super) async fn hub(flags: &HubFlags) -> Result<(Connection, String), CliError> {
    of(flags.kubeconfig.as_deref(), flags.context.as_deref()).await
}

/// The cluster of a context, or of the current one, and the context's name.
pub(super) async fn of(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<(Connection, String), CliError> {
    let contexts = Contexts::load(kubeconfig).map_err(context_error)?;
    let context = match context {
        Some(context) => context.to_owned(),
        None => contexts.current().map_err(context_error)?.to_owned(),
    };
    let connection = contexts.connect(&context).await.map_err(context_error)?;
    Ok((connection, context))
}

pub(super) fn context_error(error: ContextError) -> CliError {
    let made = CliError::new(error.to_string());
    match error {
        ContextError::Unreadable { .. } => made.hint("start a hub with `comity demo` and export KUBECONFIG as it prints"),
        ContextError::Missing { .. } | ContextError::NoCurrent { .. } => made.hint("choose one with --context").exit(Exit::NotFound),
        ContextError::Broken { .. } => made,
    }
}

/// What a failed request means for a person.
pub(super) fn request_error(what: &str, context: &str, error: &ClientError) -> CliError {
    let made = CliError::new(what).because(error);
    match error {
        ClientError::Unreachable(_) | ClientError::Timeout => made.hint(format!("is the cluster of context {context:?} running?")),
        ClientError::Unauthorized(_) => {
            made.exit(Exit::Denied).hint("the credentials of the context are not accepted; export KUBECONFIG again")
        }
        ClientError::Api(status) if status.reason == comity_core::Reason::Forbidden => made.exit(Exit::Denied),
        ClientError::Api(status) if status.reason == comity_core::Reason::NotFound => {
            made.exit(Exit::NotFound).hint(format!("is context {context:?} a hub? It must serve KubeFed's API"))
        }
        _ => made,
    }
}
