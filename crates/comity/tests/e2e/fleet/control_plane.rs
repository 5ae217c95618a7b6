//! A real control plane under a name of its own: its context in a file, and its audit log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use comity_testkit_core::{
    binary::Home,
    real::{Programs, RealCluster},
};
use serde_json::Value;

/// etcd, kube-apiserver and their controllers.
pub(crate) struct ControlPlane {
    pub(crate) cluster: RealCluster,
    pub(crate) kubeconfig: PathBuf,
    audit: PathBuf,
}

/// One request in an audit log.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) agent: String,
}

impl Request {
    /// Whether it changes something.
    pub(crate) fn writes(&self) -> bool {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str())
    }
}

impl ControlPlane {
    /// Starts it; its context is `<name>-context`, and it is the current one of the file.
    pub(crate) fn start(name: &str, programs: Programs, home: &Home) -> Self {
        let at = |end: &str| home.path().join(format!("{name}.{end}"));
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
        fs::write(at("policy"), policy).unwrap();
        let cluster = programs
            .flag(&format!("--audit-policy-file={}", at("policy").display()))
            .flag(&format!("--audit-log-path={}", at("audit").display()))
            .flag("--audit-log-mode=blocking")
            .start()
            .unwrap();
        let text = fs::read_to_string(cluster.kubeconfig()).unwrap();
        let text = text.replace("name: real", &format!("name: {name}")).replace("cluster: real", &format!("cluster: {name}"));
        let text = text.replace(&format!("- name: {name}\n  context"), &format!("- name: {name}-context\n  context"));
        let text = text.replace("name: admin", &format!("name: {name}-admin")).replace("user: admin", &format!("user: {name}-admin"));
        fs::write(at("kubeconfig"), text.replace("current-context: real", &format!("current-context: {name}-context"))).unwrap();
        Self { kubeconfig: at("kubeconfig"), audit: at("audit"), cluster }
    }

    /// How many requests have been logged.
    pub(crate) fn logged(&self) -> usize {
        fs::read_to_string(&self.audit).unwrap().lines().count()
    }

    /// The requests after so many others.
    pub(crate) fn requests(&self, since: usize) -> Vec<Request> {
        let text = fs::read_to_string(&self.audit).unwrap();
        let request = |event: Value| {
            let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            Request {
                verb: text("/verb"),
                resource: text("/objectRef/resource"),
                name: text("/objectRef/name"),
                user: text("/user/username"),
                agent: text("/userAgent"),
            }
        };
        // the last line may be half written
        text.lines().skip(since).filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(request).collect()
    }
}

/// Copies a folder with everything that it says about its files.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
