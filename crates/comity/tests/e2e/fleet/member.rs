//! A member of a fleet that is no part of the hub's process: a process of the binary, or a real control plane.

use std::{fs, path::PathBuf};

use comity_testkit_core::{
    binary::{Home, Running},
    cache::tool_or_skip,
    real::{Parts, Programs, RealCluster},
};

use super::control_plane::ControlPlane;

pub(crate) struct Member {
    pub(crate) name: String,
    made_of: MadeOf,
}

enum MadeOf {
    /// `comity member`, in the folder of its name.
    Process(Option<Running>),
    /// A control plane and `comity nodes`. The nodes first, so that nobody asks a control plane that is gone.
    Real(Option<Running>, Box<ControlPlane>),
}

impl Member {
    pub(super) fn start(name: &str, home: &Home) -> Self {
        let mut member = Self { name: name.to_owned(), made_of: MadeOf::Process(None) };
        member.start_again(home);
        member
    }

    /// What real members are started from; nothing when a program is missing (said in one line).
    pub(super) fn programs() -> Option<Programs> {
        tool_or_skip("real members", RealCluster::find(Parts::Scheduler))
    }

    pub(super) fn real(name: &str, programs: Programs, home: &Home) -> Self {
        let control_plane = ControlPlane::start(name, programs, home);
        // of a fleet's contexts only the hub's is the current one
        let text = fs::read_to_string(&control_plane.kubeconfig).unwrap();
        fs::write(&control_plane.kubeconfig, text.replace(&format!("current-context: {name}-context"), "")).unwrap();
        let mut member = Self { name: name.to_owned(), made_of: MadeOf::Real(None, Box::new(control_plane)) };
        member.start_again(home);
        member
    }

    /// Starts what does not run.
    pub(super) fn start_again(&mut self, home: &Home) {
        let name = &self.name;
        match &mut self.made_of {
            MadeOf::Process(running) => {
                let args = ["member", &format!("--name={name}"), &format!("--data-dir={name}")];
                *running = Some(home.start(&args).unwrap());
            }
            MadeOf::Real(nodes, control_plane) => {
                control_plane.cluster.start_again().unwrap();
                if nodes.is_none() {
                    let (file, context) = (control_plane.kubeconfig.to_string_lossy().into_owned(), format!("{name}-context"));
                    let args = ["nodes", "--kubeconfig", &file, "--context", &context, "--name", name, "--count=2"];
                    *nodes = Some(home.start(&args).unwrap());
                }
            }
        }
    }

    /// Ends the API server without warning.
    pub(super) fn kill(&mut self) {
        match &mut self.made_of {
            MadeOf::Process(running) => drop(running.take().unwrap().kill().unwrap()),
            MadeOf::Real(_, control_plane) => control_plane.cluster.kill(Some("kube-apiserver")),
        }
    }

    /// Ends it; it comes back with another certificate authority, and with other keys for tokens if those are to go too.
    pub(super) fn renew_authority(&mut self, tokens: bool, home: &Home) {
        match &mut self.made_of {
            MadeOf::Process(running) => {
                running.take().unwrap().kill().unwrap();
                let pki = home.path().join(format!("{0}/members/{0}/pki", self.name));
                fs::remove_dir_all(if tokens { pki } else { pki.join("ca") }).unwrap();
            }
            MadeOf::Real(nodes, control_plane) => {
                drop(nodes.take());
                control_plane.cluster.kill(None);
                control_plane.cluster.forget_authority(tokens).unwrap();
            }
        }
        self.start_again(home);
    }

    pub(super) fn kubeconfig(&self, home: &Home) -> PathBuf {
        match &self.made_of {
            MadeOf::Process(_) => home.path().join(&self.name).join("kubeconfig"),
            MadeOf::Real(_, control_plane) => control_plane.kubeconfig.clone(),
        }
    }

    pub(super) fn control_plane(&self) -> Option<&ControlPlane> {
        match &self.made_of {
            MadeOf::Process(_) => None,
            MadeOf::Real(_, control_plane) => Some(control_plane),
        }
    }

    /// The process that it is, or its nodes.
    pub(super) fn process(&self) -> Option<&Running> {
        match &self.made_of {
            MadeOf::Process(running) | MadeOf::Real(running, _) => running.as_ref(),
        }
    }

    /// What a process of ours wrote to standard error.
    pub(super) fn log(&self) -> String {
        self.process().map(Running::log).unwrap_or_default()
    }
}
