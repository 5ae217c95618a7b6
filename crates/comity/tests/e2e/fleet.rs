//! A fleet of the built binary in a folder of its own, and the clients that talk to it.
//!
//! Members are embedded in the demo's process, processes of the binary, or real control planes. Scenarios do not ask which.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use comity_testkit_core::{
    binary::{Home, Running},
    cache::{self, tool_or_skip},
    kubectl::Kubectl,
    real::{Parts, RealCluster},
    run::{Ran, run},
};

use crate::real_members::RealMember;

/// The most that anything that is asked for again and again may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running demo. Dropping it kills it and removes its folder.
pub(crate) struct Fleet {
    running: Option<Running>,
    /// Members that are processes of their own, by name.
    members: Vec<(String, Running)>,
    /// Members that are real control planes.
    real: Vec<RealMember>,
    /// Contexts of clusters that are none of ours.
    kubeconfigs: Vec<PathBuf>,
    kubectl: Kubectl,
    minor: String,
    home: Home,
}

/// A manifest of the tutorial page.
pub(crate) fn manifest(name: &str) -> String {
    format!("{}/tests/e2e/manifests/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl Fleet {
    /// Starts `comity demo` and waits until it is ready; nothing when the stock kubectl is missing (said in one line).
    pub(crate) fn demo(minor: &str, flags: &[&str]) -> Option<Self> {
        Self::demo_with(minor, flags, &[])
    }

    /// The same with environment variables.
    pub(crate) fn demo_with(minor: &str, flags: &[&str], variables: &[(&str, &str)]) -> Option<Self> {
        Self::demo_where(minor, flags, |_| variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }

    /// The same with variables that depend on the home folder.
    pub(crate) fn demo_where(minor: &str, flags: &[&str], variables: impl FnOnce(&Path) -> Vec<(String, OsString)>) -> Option<Self> {
        let home = Home::new(Path::new(env!("CARGO_BIN_EXE_comity"))).unwrap();
        let kubectl = Kubectl::find(minor, &home.path().join("data/kubeconfig"));
        let kubectl = tool_or_skip("end to end with stock kubectl", kubectl)?;
        let mut fleet =
            Self { running: None, members: Vec::new(), real: Vec::new(), kubeconfigs: Vec::new(), kubectl, minor: minor.to_owned(), home };
        let variables = variables(fleet.home.path());
        fleet.set(&variables);
        fleet.start_again(flags);
        Some(fleet)
    }

    /// A hub without members of its own, and real control planes with simulated nodes that are not joined;
    /// nothing when a program is missing (said in one line).
    pub(crate) fn real(minor: &str, names: &[&str]) -> Option<Self> {
        let what = "end to end with real members";
        let programs = tool_or_skip(what, RealCluster::find(Parts::Scheduler))?;
        let home = Home::new(Path::new(env!("CARGO_BIN_EXE_comity"))).unwrap();
        let real: Vec<RealMember> = std::thread::scope(|scope| {
            let start = |name| {
                let (programs, home) = (programs.clone(), &home);
                scope.spawn(move || RealMember::start(name, programs, home))
            };
            let starting: Vec<_> = names.iter().map(|name| start(*name)).collect();
            starting.into_iter().map(|member| member.join().unwrap()).collect()
        });
        let files = std::iter::once(home.path().join("data/kubeconfig")).chain(real.iter().map(|m| m.kubeconfig.clone()));
        let files = std::env::join_paths(files).unwrap();
        let kubectl = tool_or_skip(what, Kubectl::find(minor, Path::new(&files)))?;
        let mut fleet = Self { running: None, members: Vec::new(), real, kubeconfigs: Vec::new(), kubectl, minor: minor.to_owned(), home };
        fleet.start_again(&["--members=0"]);
        Some(fleet)
    }

    /// A member that is a real control plane.
    pub(crate) fn real_member(&self, name: &str) -> &RealMember {
        self.real.iter().find(|member| member.name == name).unwrap()
    }

    /// Sets variables for later starts.
    pub(crate) fn set(&mut self, variables: &[(String, OsString)]) {
        for (name, value) in variables {
            self.home.set(name, value.to_str().unwrap());
        }
    }

    /// The demo's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Starts a member as a process of its own, in the folder of its name.
    pub(crate) fn add_member(&mut self, name: &str) {
        let (flag, folder) = (format!("--name={name}"), format!("--data-dir={name}"));
        let running = self.home.start(&["member", &flag, &folder]).unwrap();
        self.members.push((name.to_owned(), running));
    }

    /// Makes the contexts of another cluster known to `kubefedctl` and `comity`.
    pub(crate) fn add_kubeconfig(&mut self, path: PathBuf) {
        self.kubeconfigs.push(path);
    }

    /// The home folder, which holds the folders of members that are processes.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Ends a member that is a process of its own, without warning.
    pub(crate) fn kill_member(&mut self, name: &str) {
        let at = self.members.iter().position(|(known, _)| known == name).unwrap();
        self.members.remove(at).1.kill().unwrap();
    }

    /// Stops a member that is a process of its own where it stands, or lets it go on.
    pub(crate) fn freeze_member(&self, name: &str, frozen: bool) {
        let (_, running) = self.members.iter().find(|(known, _)| known == name).unwrap();
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap().success());
    }

    /// Starts the demo on the same folder.
    pub(crate) fn start_again(&mut self, flags: &[&str]) {
        self.running = Some(self.home.start(&[&["demo", "--data-dir=data"], flags].concat()).unwrap());
    }

    /// Stops the demo with SIGTERM and returns its exit status.
    pub(crate) fn terminate(&mut self) -> i32 {
        self.running.take().unwrap().stop().unwrap().code().unwrap_or(-1)
    }

    /// Waits until the demo ends by itself; its exit status and what it wrote to standard error.
    pub(crate) fn ended(&mut self) -> (i32, String) {
        let (status, log) = self.running.take().unwrap().ended().unwrap();
        (status.code().unwrap_or(-1), log)
    }

    /// Ends the demo without warning.
    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().kill().unwrap();
    }

    /// kubectl on the hub; it must succeed.
    pub(crate) fn hub(&self, args: &[&str]) -> String {
        self.expect(args, self.try_hub_with(args, ""))
    }

    /// kubectl on the hub with a text on standard input.
    pub(crate) fn try_hub_with(&self, args: &[&str], input: &str) -> Ran {
        self.kubectl.run_with(args, input).unwrap()
    }

    /// kubectl on a member; it must succeed.
    pub(crate) fn member(&self, cluster: &str, args: &[&str]) -> String {
        self.expect(args, self.try_member(cluster, args))
    }

    /// kubectl on a member.
    pub(crate) fn try_member(&self, cluster: &str, args: &[&str]) -> Ran {
        self.try_member_with(cluster, args, "")
    }

    /// kubectl on a member with a text on standard input.
    pub(crate) fn try_member_with(&self, cluster: &str, args: &[&str], input: &str) -> Ran {
        // In front, so that what follows `--` stays last.
        let context = format!("--context={cluster}-context");
        self.kubectl.run_with(&[&[context.as_str()], args].concat(), input).unwrap()
    }

    /// `kubefedctl`, called by the link that the demo makes.
    pub(crate) fn kubefedctl(&self, args: &[&str]) -> Ran {
        self.run(Command::new(self.data().join("bin/kubefedctl")).args(args))
    }

    /// Starts another process in the same home folder.
    pub(crate) fn start_beside(&self, args: &[&str]) -> Running {
        self.home.start(args).unwrap()
    }

    /// kubectl with a kubeconfig of its own.
    pub(crate) fn try_with_kubeconfig(&self, kubeconfig: &Path, args: &[&str]) -> Ran {
        Kubectl::find(&self.minor, kubeconfig).unwrap().run(args).unwrap()
    }

    /// The binary under its own name.
    pub(crate) fn comity(&self, args: &[&str]) -> Ran {
        self.run(Command::new(env!("CARGO_BIN_EXE_comity")).args(args))
    }

    /// A shell in the repository, with the fleet's kubeconfig and the programs that the documentation names.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        let programs = [self.data().join("bin"), cache::clients(&self.minor)];
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&old))).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        self.run(Command::new("bash").current_dir(root).env("PATH", path).args(["-euo", "pipefail", "-c", script]))
    }

    /// Asks again until the answer is yes.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "still not: {what}\n{}", self.log());
        }
    }

    fn run(&self, command: &mut Command) -> Ran {
        let folders = self.members.iter().map(|(name, _)| self.home.path().join(name));
        let files = std::iter::once(self.data()).chain(folders).map(|folder| folder.join("kubeconfig"));
        let files = files.chain(self.real.iter().map(|member| member.kubeconfig.clone()));
        let files = files.chain(self.kubeconfigs.iter().cloned());
        run(command.env("HOME", self.home.path()).env("KUBECONFIG", std::env::join_paths(files).unwrap()), "").unwrap()
    }

    fn expect(&self, args: &[&str], ran: Ran) -> String {
        assert_eq!(ran.code, 0, "kubectl {}\n{}\n{}\n{}", args.join(" "), ran.stdout, ran.stderr, self.log());
        ran.stdout
    }

    /// What the demo wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.running.as_ref().map(Running::log).unwrap_or_default()
    }
}
