//! Gives any Kubernetes API server simulated nodes and workload controllers: `KUBECONFIG=… cargo run --example attach -- NAME`.
//!
//! Every controller impersonates its own user, so that the server's access rules apply. Simulated nodes need the role of nodes:
//! `kubectl create clusterrolebinding simulated-nodes --clusterrole=system:node --group=system:nodes`.

use std::sync::Arc;

use comity_kubelite::{Clients, MemberConfig, groups_of, start_member_set};
use comity_runtime::lane::ClusterClient;
use kube::{Client, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let config = Config::infer().await?;
    Client::try_from(config.clone())?;
    let clients: Clients = Arc::new(move |user| {
        let mut config = config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups_of(user));
        match Client::try_from(config) {
            Ok(client) => ClusterClient::new(client),
            Err(error) => panic!("the configuration made a client before: {error}"),
        }
    });
    let name = std::env::args().nth(1).unwrap_or_else(|| "sim".to_owned());
    let member = start_member_set(&MemberConfig::new(&name, clients));
    tokio::signal::ctrl_c().await?;
    member.stop().await;
    Ok(())
}
