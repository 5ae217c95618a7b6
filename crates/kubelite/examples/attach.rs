//! Gives any Kubernetes API server simulated nodes and workload controllers: `KUBECONFIG=… cargo run --example attach -- NAME`.
//!
//! Every controller acts as the user of the kubeconfig.

use std::sync::Arc;

use comity_kubelite::{Clients, MemberConfig, start_member_set};
use comity_runtime::lane::ClusterClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let client = ClusterClient::new(kube::Client::try_default().await?);
    let clients: Clients = Arc::new(move |_user| client.clone());
    let name = std::env::args().nth(1).unwrap_or_else(|| "sim".to_owned());
    let member = start_member_set(&MemberConfig::new(&name, clients));
    tokio::signal::ctrl_c().await?;
    member.stop().await;
    Ok(())
}
