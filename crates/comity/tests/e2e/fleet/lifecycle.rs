//! What happens to a fleet: joins, stops, kills, restarts, losses.

use std::{ffi::OsString, path::PathBuf, process::Command};

use comity_testkit_core::binary::Running;

use super::{Fleet, SYSTEM, hub::Hub, member::Member};

impl Fleet {
    /// Sets variables for later starts.
    pub(crate) fn set(&mut self, variables: &[(String, OsString)]) {
        for (name, value) in variables {
            self.home.set(name, value.to_str().unwrap());
        }
    }

    /// Joins every member, or none: what is not so yet.
    pub(crate) fn join_all(&self, joined: bool) {
        let there = self.hub(&["get", "kubefedclusters", "-n", SYSTEM, "-o", "jsonpath={.items[*].metadata.name}"]);
        let there: Vec<&str> = there.split_whitespace().collect();
        for name in self.clusters() {
            // an unjoining may still be at work
            if joined && self.try_member(&name, &["get", "namespace", SYSTEM, "-o", "jsonpath={.status.phase}"]).stdout == "Terminating" {
                self.member(&name, &["wait", &format!("namespace/{SYSTEM}"), "--for=delete", "--timeout=60s"]);
            }
            if joined != there.contains(&name.as_str()) {
                let (verb, context) = (if joined { "join" } else { "unjoin" }, format!("{name}-context"));
                let ran = self.kubefedctl(&[verb, &name, "--cluster-context", &context, "--host-cluster-context", "host-context"]);
                assert_eq!(ran.code, 0, "{verb} {name}: {}{}", ran.stdout, ran.stderr);
            }
        }
        for name in self.clusters() {
            if joined {
                self.wait(&format!("kubefedcluster/{name}"), SYSTEM, "condition=Ready");
            } else {
                self.member(&name, &["wait", &format!("namespace/{SYSTEM}"), "--for=delete", "--timeout=60s"]);
            }
        }
    }

    /// Starts a member as a process of its own, in the folder of its name.
    pub(crate) fn add_member(&mut self, name: &str) {
        self.members.push(Member::start(name, &self.home));
        self.find_contexts();
    }

    /// Makes the contexts of another cluster known to `kubefedctl` and `comity`.
    pub(crate) fn add_kubeconfig(&mut self, path: PathBuf) {
        self.kubeconfigs.push(path);
    }

    /// Stops a member that is a process of its own where it stands, or lets it go on.
    pub(crate) fn freeze_member(&self, name: &str, frozen: bool) {
        let process = self.members[self.position(name)].process().unwrap();
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap().success());
    }

    /// Ends the API server of a member that is no part of the hub's process, without warning.
    pub(crate) fn kill_member(&mut self, name: &str) {
        self.apart_member(name).kill();
    }

    /// Starts it again with what it had.
    pub(crate) fn start_member(&mut self, name: &str) {
        let at = self.position(name);
        self.members[at].start_again(&self.home);
    }

    /// Ends it and starts it with another certificate authority, and with other keys for tokens if those are to go too.
    pub(crate) fn renew_authority(&mut self, name: &str, tokens: bool) {
        let at = self.position(name);
        self.members[at].renew_authority(tokens, &self.home);
    }

    fn apart_member(&mut self, name: &str) -> &mut Member {
        let at = self.position(name);
        &mut self.members[at]
    }

    fn position(&self, name: &str) -> usize {
        self.members.iter().position(|member| member.name == name).unwrap()
    }

    /// Starts Comity on what the hub has stored; on a real hub one instance more.
    pub(crate) fn start_again(&mut self) {
        self.hub.start(&self.home);
    }

    /// Stops Comity with SIGTERM and returns its exit status.
    pub(crate) fn terminate(&mut self) -> i32 {
        let ends = self.hub.take().into_iter().map(|running| running.stop().unwrap().code().unwrap_or(-1));
        ends.max().unwrap()
    }

    /// Waits until Comity ends by itself; its exit status and what it wrote to standard error.
    pub(crate) fn ended(&mut self) -> (i32, String) {
        let (status, log) = self.hub.take().remove(0).ended().unwrap();
        (status.code().unwrap_or(-1), log)
    }

    /// Ends Comity without warning.
    pub(crate) fn kill(&mut self) {
        for running in self.hub.take() {
            running.kill().unwrap();
        }
    }

    /// Ends Comity without warning on a fleet of a scenario's own; where many share one there is a warning, as the next
    /// instance would wait until the Leases of a killed one have run out.
    pub(crate) fn end(&mut self) {
        if self.hub_is_real() || self.members.iter().any(|member| member.control_plane().is_some()) {
            assert_eq!(self.terminate(), 0);
        } else {
            self.kill();
        }
    }

    /// Stops and starts everything of ours, so that variables are in force.
    pub(crate) fn restart(&mut self) {
        assert_eq!(self.terminate(), 0);
        for member in &mut self.members {
            if member.control_plane().is_none() {
                member.kill();
                member.start_again(&self.home);
            }
        }
        self.start_again();
    }

    /// Comity beside a real hub: its instances.
    pub(crate) fn instances(&mut self) -> &mut Vec<Running> {
        match &mut self.hub {
            Hub::Existing { instances, .. } => instances,
            Hub::Embedded { .. } => panic!("an embedded hub has no instances"),
        }
    }

    /// Ends the API server of a real hub without warning; Comity goes on.
    pub(crate) fn kill_hub_api(&mut self) {
        if let Hub::Existing { cluster, .. } = &mut self.hub {
            cluster.cluster.kill(Some("kube-apiserver"));
        }
    }

    /// Starts it again.
    pub(crate) fn start_hub_api(&mut self) {
        if let Hub::Existing { cluster, .. } = &mut self.hub {
            cluster.cluster.start_again().unwrap();
        }
    }

    /// A real API server that has just been started refuses for half a minute what a policy with parameters judges: from
    /// now on there is none. On an embedded hub the rule is part of the server.
    pub(crate) fn spare_the_policy(&mut self) {
        let Hub::Existing { flags, .. } = &mut self.hub else { return };
        let off = "--template-authority=off";
        if !flags.iter().any(|flag| flag == off) {
            flags.push(off.to_owned());
            let policy =
                ["validatingadmissionpolicybinding", "validatingadmissionpolicy"].map(|kind| format!("{kind}/comity-template-authority"));
            self.hub(&["delete", &policy[0], &policy[1], "--ignore-not-found"]);
        }
    }

    /// Keeps what the hub has stored under a name; Comity is stopped.
    pub(crate) fn save_hub(&mut self, name: &str) {
        self.hub.save(self.home.path(), name);
    }

    /// Puts back what was kept; Comity is stopped.
    pub(crate) fn restore_hub(&mut self, name: &str) {
        self.hub.restore(self.home.path(), name);
    }

    /// The hub's store is gone; Comity is stopped.
    pub(crate) fn lose_hub(&mut self) {
        self.hub.lose(&self.home);
    }

    /// The command that recovers this hub.
    pub(crate) fn recover(&self, flags: &[&str]) -> comity_testkit_core::run::Ran {
        let place = match &self.hub {
            Hub::Embedded { .. } => format!("--data-dir={}", self.data().display()),
            Hub::Existing { .. } => "--context=host-context".to_owned(),
        };
        self.comity(&[&["hub", "recover", &place], flags].concat())
    }
}
