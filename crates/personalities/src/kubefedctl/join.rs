//! `join` and `unjoin`.

use comity_fleet::join::{ClusterRole, JoinOptions, UnjoinOptions, join as join_cluster, unjoin as unjoin_cluster};

use super::{
    args::{Common, Global, Join, Rights, Unjoin},
    host,
    klog::Log,
};

/// What both commands derive from their flags.
struct Names {
    cluster: String,
    context: String,
}

pub(super) async fn join(global: &Global, args: &Join, log: &Log) -> Result<(), String> {
    let names = names(&args.common, log)?;
    log.v(
        2,
        &format!(
            "Args and flags: name {}, host: {}, host-system-namespace: {}, kubeconfig: {}, cluster-context: {}, secret-name: {}, dry-run: {}",
            names.cluster,
            global.host_cluster_context,
            global.kubefed_namespace,
            global.kubeconfig.as_deref().map(|p| p.display().to_string()).unwrap_or_default(),
            names.context,
            args.secret_name,
            global.dry_run,
        ),
    );
    let (contexts, host_context, hub) = host(global).await?;
    let member = contexts.connect(&names.context).await.map_err(|e| e.to_string())?;
    let options = JoinOptions {
        cluster: names.cluster,
        host: host_name(&args.common, &host_context)?,
        namespace: global.kubefed_namespace.clone(),
        secret_name: Some(args.secret_name.clone()).filter(|s| !s.is_empty()),
        error_on_existing: args.error_on_existing,
        dry_run: global.dry_run,
        endpoint: member.endpoint.clone(),
        ca_bundle: member.ca_bundle.clone(),
        insecure: member.insecure,
        proxy_url: member.proxy_url.clone(),
        cluster_role: args.cluster_role.map(|rights| match rights {
            Rights::ClusterAdmin => ClusterRole::ClusterAdmin,
            Rights::Profile => ClusterRole::Profile,
        }),
        labels: Vec::new(),
    };
    join_cluster(&hub.client, &member.client, &options, &|line| log.v(2, line)).await.map_err(|e| e.to_string())
}

pub(super) async fn unjoin(global: &Global, args: &Unjoin, log: &Log) -> Result<(), String> {
    let names = names(&args.common, log)?;
    log.v(
        2,
        &format!(
            "Args and flags: name {}, host-cluster-context: {}, host-system-namespace: {}, kubeconfig: {}, cluster-context: {}, dry-run: {}",
            names.cluster,
            global.host_cluster_context,
            global.kubefed_namespace,
            global.kubeconfig.as_deref().map(|p| p.display().to_string()).unwrap_or_default(),
            names.context,
            global.dry_run,
        ),
    );
    let (contexts, host_context, hub) = host(global).await?;
    let member = match contexts.connect(&names.context).await {
        Ok(member) => Some(member),
        Err(error) if args.force => {
            log.v(2, &format!("Failed to get unjoining cluster config: {error}"));
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    let options = UnjoinOptions {
        cluster: names.cluster,
        host: host_name(&args.common, &host_context)?,
        namespace: global.kubefed_namespace.clone(),
        force: args.force,
        dry_run: global.dry_run,
    };
    unjoin_cluster(&hub.client, member.as_ref().map(|m| &m.client), &options, &|line| log.v(2, line)).await.map_err(|e| e.to_string())
}

fn names(common: &Common, log: &Log) -> Result<Names, String> {
    let cluster = common.name.clone().filter(|n| !n.is_empty()).ok_or("NAME is required")?;
    let context = if common.cluster_context.is_empty() {
        log.v(2, &format!("Defaulting cluster context to joining cluster name {cluster}"));
        cluster.clone()
    } else {
        common.cluster_context.clone()
    };
    Ok(Names { cluster, context })
}

fn host_name(common: &Common, host_context: &str) -> Result<String, String> {
    let odd = |name: &str| name.contains([':', '/']);
    if odd(&common.host_cluster_name) {
        return Err("host-cluster-name may not contain \"/\" or \":\"".to_owned());
    }
    if !common.host_cluster_name.is_empty() {
        return Ok(common.host_cluster_name.clone());
    }
    if odd(host_context) {
        return Err("host-cluster-name must be set if the name of the host cluster context contains one of \":\" or \"/\"".to_owned());
    }
    Ok(host_context.to_owned())
}
