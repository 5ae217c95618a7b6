//! Flags of `kubefedctl`, as upstream names them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// kubefedctl controls a Kubernetes Cluster Federation
#[derive(Debug, Parser)]
#[command(name = "kubefedctl", disable_version_flag = true)]
pub(super) struct Kubefedctl {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Global {
    /// Path to the kubeconfig file to use for CLI requests.
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Host cluster context; the current context when absent.
    #[arg(long, global = true, default_value = "")]
    pub host_cluster_context: String,
    /// Namespace in the host cluster where the KubeFed system components are installed.
    #[arg(long, global = true, default_value = "kube-federation-system")]
    pub kubefed_namespace: String,
    /// Run the command in dry-run mode, without making any server requests that change something.
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub dry_run: bool,
    /// Number for the log level verbosity.
    #[arg(short = 'v', long = "v", global = true, default_value_t = 0)]
    pub v: u32,
    /// Accepted for compatibility; messages always go to standard error.
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub alsologtostderr: Option<bool>,
    /// Accepted for compatibility; messages always go to standard error.
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub logtostderr: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a cluster with a KubeFed control plane
    Join(Join),
    /// Unregister a cluster from a KubeFed control plane
    Unjoin(Unjoin),
    /// Enables propagation of a Kubernetes API type
    Enable(Enable),
    /// Disables propagation of a Kubernetes API type
    Disable(Disable),
    /// Print the version info
    Version,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Name of the cluster.
    pub name: Option<String>,
    /// Name of the cluster's context in the local kubeconfig. Defaults to the cluster name.
    #[arg(long, default_value = "")]
    pub cluster_context: String,
    /// Overrides the host context's name in names of resources created in the target cluster.
    #[arg(long, default_value = "")]
    pub host_cluster_name: String,
}

#[derive(Debug, Args)]
pub(super) struct Join {
    #[command(flatten)]
    pub common: Common,
    /// Name of the secret where the cluster's credentials will be stored in the host cluster. Generated when absent.
    #[arg(long, default_value = "")]
    pub secret_name: String,
    /// The hub's rights in the cluster: everything, or what the types that are enabled now need [default: everything; joined again: as before].
    #[arg(long, value_enum)]
    pub cluster_role: Option<Rights>,
    /// Whether artefacts that exist already are an error; if false they are updated.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub error_on_existing: bool,
}

/// The hub's rights in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Rights {
    /// Everything, also what is enabled later.
    ClusterAdmin,
    /// What the types that are enabled now need.
    Profile,
}

#[derive(Debug, Args)]
pub(super) struct Unjoin {
    #[command(flatten)]
    pub common: Common,
    /// Delete the federated cluster and secret even if the member's resources cannot be deleted.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Enable {
    /// Name of the API type: kind, plural, singular, short name or group-qualified plural.
    pub name: Option<String>,
    /// API version of the target type.
    #[arg(long, default_value = "")]
    pub version: String,
    /// Group of the federated type.
    #[arg(long, default_value = "types.kubefed.io")]
    pub federated_group: String,
    /// Version of the federated type.
    #[arg(long, default_value = "v1beta1")]
    pub federated_version: String,
    /// Print the objects instead of creating them: yaml.
    #[arg(short, long, default_value = "")]
    pub output: String,
    /// File with an EnableTypeDirective.
    #[arg(short, long)]
    pub filename: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Disable {
    /// Name of the API type.
    pub name: Option<String>,
    /// Delete the federated type's CustomResourceDefinition too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub delete_crd: bool,
    /// API version of the target type; only with --delete-crd.
    #[arg(long, default_value = "")]
    pub version: String,
    /// Group of the federated type; only with --delete-crd.
    #[arg(long, default_value = "types.kubefed.io")]
    pub federated_group: String,
}
