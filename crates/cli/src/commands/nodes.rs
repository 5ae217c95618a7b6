//! `comity nodes`: simulated nodes for a control plane that runs elsewhere.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use comity_kubelite::{Handle, MemberConfig, start_nodes};
use comity_lane::client::ClusterClient;

use super::connect;
use crate::{
    args::Nodes,
    error::{CliError, CliResult, Exit},
    printer,
    running::until_stopped,
};

/// How long the nodes may take to be there before the start has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn nodes(args: &Nodes) -> CliResult {
    if let Some(why) = comity_core::names::dns1123_label(&args.name).first() {
        return Err(CliError::new(format!("name {:?} cannot be used: {why}", args.name)).exit(Exit::Usage));
    }
    let began = Instant::now();
    until_stopped(async || begin(args, began).await, async |_| std::future::pending().await, async |nodes: Handle| nodes.stop().await)
}

async fn begin(args: &Nodes, began: Instant) -> CliResult<Handle> {
    let (connection, context) = connect::of(Some(&args.kubeconfig), args.context.as_deref()).await?;
    let version = version(&connection.client, &context).await?;
    let client = connection.client;
    // one kubeconfig stands for all: nodes act with its rights and not under names of their own
    let clients: comity_kubelite::Clients = Arc::new(move |_: &str| client.clone());
    let config = MemberConfig { nodes: usize::from(args.count), version, ..MemberConfig::new(&args.name, clients) };
    let running = start_nodes(&config);
    if tokio::time::timeout(PATIENCE, running.synced()).await.is_err() {
        return Err(CliError::new(format!("the nodes and pods of context {context:?} could not be listed within {PATIENCE:?}"))
            .hint("the credentials must be allowed to list and watch nodes and pods"));
    }
    printer::data(format!("{} SIMULATED nodes {}-node-1 … in {}  context {context}", args.count, args.name, connection.endpoint));
    printer::data("  their pods run no processes; nodes are not ready any more when this command ends");
    printer::data(format!("ready in {:.1} s; stop with Ctrl-C", began.elapsed().as_secs_f64()));
    Ok(running)
}

/// The control plane's version, which its nodes say too.
async fn version(client: &ClusterClient, context: &str) -> CliResult<String> {
    let (code, body) = client.get_text("/version").await.map_err(|e| connect::request_error("cannot ask for the version", context, &e))?;
    let version: comity_core::Value = serde_json::from_str(&body).unwrap_or_default();
    match version["gitVersion"].as_str() {
        Some(version) => Ok(version.to_owned()),
        None => {
            Err(CliError::new(format!("context {context:?} answered {code} when asked for its version: is it a Kubernetes API server?")))
        }
    }
}
