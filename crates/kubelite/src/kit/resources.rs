//! The resources that the controllers work with.

use std::sync::LazyLock;

use comity_core::GroupVersionResource as Gvr;

macro_rules! resources {
    ($($name:ident = $group:literal, $version:literal, $resource:literal;)*) => {
        $(pub(crate) static $name: LazyLock<Gvr> = LazyLock::new(|| Gvr::new($group, $version, $resource));)*
    };
}

resources! {
    CLAIMS = "", "v1", "persistentvolumeclaims";
    CONFIG_MAPS = "", "v1", "configmaps";
    ENDPOINTS = "", "v1", "endpoints";
    NAMESPACES = "", "v1", "namespaces";
    NODES = "", "v1", "nodes";
    PODS = "", "v1", "pods";
    SERVICES = "", "v1", "services";
    SERVICE_ACCOUNTS = "", "v1", "serviceaccounts";
    DAEMON_SETS = "apps", "v1", "daemonsets";
    DEPLOYMENTS = "apps", "v1", "deployments";
    REPLICA_SETS = "apps", "v1", "replicasets";
    STATEFUL_SETS = "apps", "v1", "statefulsets";
    CONTROLLER_REVISIONS = "apps", "v1", "controllerrevisions";
    JOBS = "batch", "v1", "jobs";
    LEASES = "coordination.k8s.io", "v1", "leases";
    ENDPOINT_SLICES = "discovery.k8s.io", "v1", "endpointslices";
    CUSTOM_RESOURCES = "apiextensions.k8s.io", "v1", "customresourcedefinitions";
}
