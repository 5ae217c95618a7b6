//! The hub of a fleet: an embedded one in a folder, or a real control plane beside which Comity runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use comity_testkit_core::{
    binary::{Home, Running},
    cache::tool_or_skip,
    real::{Parts, RealCluster},
};

use super::control_plane::{ControlPlane, copy_folder};

pub(crate) enum Hub {
    /// `comity demo`, with the members that it has in its own process.
    Embedded { flags: Vec<String>, running: Option<Running> },
    /// `comity hub start`, once or several times, on a control plane.
    Existing { cluster: Box<ControlPlane>, flags: Vec<String>, instances: Vec<Running> },
}

impl Hub {
    /// A control plane for a hub; Comity is not started. Nothing when a program is missing (said in one line).
    pub(super) fn existing(home: &Home) -> Option<Self> {
        let programs = tool_or_skip("a real hub", RealCluster::find(Parts::Controllers))?;
        Some(Self::Existing { cluster: Box::new(ControlPlane::start("host", programs, home)), flags: Vec::new(), instances: Vec::new() })
    }

    pub(super) fn kubeconfig(&self, home: &Path) -> PathBuf {
        match self {
            Self::Embedded { .. } => home.join("data/kubeconfig"),
            Self::Existing { cluster, .. } => cluster.kubeconfig.clone(),
        }
    }

    /// Starts Comity; on a control plane one instance more.
    pub(super) fn start(&mut self, home: &Home) {
        match self {
            Self::Embedded { flags, running } => {
                let args = ["demo", "--data-dir=data"].into_iter().chain(flags.iter().map(String::as_str));
                *running = Some(home.start(&args.collect::<Vec<_>>()).unwrap());
            }
            Self::Existing { cluster, flags, instances } => {
                let kubeconfig = cluster.kubeconfig.to_string_lossy().into_owned();
                let args = ["hub", "start", "--kubeconfig", &kubeconfig].into_iter().chain(flags.iter().map(String::as_str));
                instances.push(home.start(&args.collect::<Vec<_>>()).unwrap());
            }
        }
    }

    /// Takes the running processes of Comity out of it.
    pub(super) fn take(&mut self) -> Vec<Running> {
        match self {
            Self::Embedded { running, .. } => running.take().into_iter().collect(),
            Self::Existing { instances, .. } => std::mem::take(instances),
        }
    }

    pub(super) fn log(&self) -> String {
        match self {
            Self::Embedded { running, .. } => running.as_ref().map(Running::log).unwrap_or_default(),
            Self::Existing { instances, .. } => instances.iter().map(Running::log).collect(),
        }
    }

    /// Keeps what the hub has stored under a name. Comity does not run.
    pub(super) fn save(&mut self, home: &Path, name: &str) {
        match self {
            Self::Embedded { .. } => copy_folder(&home.join("data"), &home.join(name)),
            Self::Existing { cluster, .. } => {
                cluster.cluster.kill(Some("etcd"));
                copy_folder(&cluster.cluster.folder().join("etcd"), &home.join(name));
                cluster.cluster.start_again().unwrap();
            }
        }
    }

    /// Puts back what was kept, as one does with a backup. Comity does not run.
    pub(super) fn restore(&mut self, home: &Path, name: &str) {
        match self {
            Self::Embedded { .. } => {
                fs::rename(home.join("data"), home.join(format!("replaced-by-{name}"))).unwrap();
                fs::rename(home.join(name), home.join("data")).unwrap();
            }
            Self::Existing { cluster, .. } => {
                cluster.cluster.kill(None);
                let etcd = cluster.cluster.folder().join("etcd");
                fs::remove_dir_all(&etcd).unwrap();
                copy_folder(&home.join(name), &etcd);
                cluster.cluster.start_again().unwrap();
            }
        }
    }

    /// Everything that the hub knew is gone; what is there in its place is empty. Comity does not run.
    pub(super) fn lose(&mut self, home: &Home) {
        match self {
            Self::Embedded { .. } => {
                fs::rename(home.path().join("data"), home.path().join("lost")).unwrap();
                fs::create_dir(home.path().join("data")).unwrap();
            }
            Self::Existing { cluster, .. } => {
                cluster.cluster.kill(None);
                **cluster = ControlPlane::start("host", RealCluster::find(Parts::Controllers).unwrap(), home);
            }
        }
    }
}
