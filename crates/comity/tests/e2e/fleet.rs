//! A fleet of the built binary in a folder of its own, and the clients that talk to it.
//!
//! The hub is embedded or a real control plane; members are embedded in the hub's process, processes of the binary, or
//! real control planes. Scenarios do not ask which, but where the kinds differ for a user as well.

mod control_plane;
mod hub;
mod lifecycle;
mod member;

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
    run::{Ran, run},
};

pub(crate) use control_plane::{ControlPlane, Request};
use hub::Hub;
use member::Member;

/// The most that anything that is asked for again and again may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The namespace of federation's own objects.
pub(crate) const SYSTEM: &str = "kube-federation-system";

/// A running fleet. Dropping it kills it and removes its folder.
pub(crate) struct Fleet {
    // first, so that members outlive it
    hub: Hub,
    members: Vec<Member>,
    /// The members in the hub's process.
    together: Vec<String>,
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
        Self::demo_where(minor, flags, |_| Vec::new())
    }

    /// The same with environment variables that depend on the home folder.
    pub(crate) fn demo_where(minor: &str, flags: &[&str], variables: impl FnOnce(&Path) -> Vec<(String, OsString)>) -> Option<Self> {
        Self::demo_by(minor, flags, Path::new(env!("CARGO_BIN_EXE_comity")), variables)
    }

    /// The same by another program that runs the binary; it may be written while the variables are asked for.
    pub(crate) fn demo_by(
        minor: &str,
        flags: &[&str],
        program: &Path,
        variables: impl FnOnce(&Path) -> Vec<(String, OsString)>,
    ) -> Option<Self> {
        let mut fleet = Self::without_hub(minor, program)?;
        let count = flags.iter().find_map(|flag| flag.strip_prefix("--members=")).map_or(3, |count| count.parse().unwrap());
        fleet.together = (1..=count).map(|number| format!("cluster{number}")).collect();
        fleet.hub = Hub::Embedded { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), running: None };
        let variables = variables(fleet.home.path());
        fleet.set(&variables);
        fleet.start_again();
        Some(fleet)
    }

    /// An embedded hub, and members that are processes of the binary and are not joined.
    pub(crate) fn apart(names: &[&str]) -> Option<Self> {
        let mut fleet = Self::demo("v1.36", &["--members=0"])?;
        fleet.members = side_by_side(names, |name| Member::start(name, &fleet.home));
        fleet.find_contexts();
        Some(fleet)
    }

    /// An embedded hub, and real control planes with simulated nodes that are not joined; nothing when a program is missing.
    pub(crate) fn with_real_members(names: &[&str]) -> Option<Self> {
        let programs = Member::programs()?;
        let mut fleet = Self::demo("v1.36", &["--members=0"])?;
        fleet.members = side_by_side(names, |name| Member::real(name, programs.clone(), &fleet.home));
        fleet.find_contexts();
        Some(fleet)
    }

    /// A real control plane as the hub, and members that are processes of the binary and are not joined; nothing when a program is missing.
    pub(crate) fn with_real_hub(names: &[&str]) -> Option<Self> {
        let mut fleet = Self::without_hub("v1.36", Path::new(env!("CARGO_BIN_EXE_comity")))?;
        let home = &fleet.home;
        let (members, hub) = std::thread::scope(|scope| {
            let members = scope.spawn(|| side_by_side(names, |name| Member::start(name, home)));
            let hub = Hub::existing(home);
            (members.join().unwrap(), hub)
        });
        (fleet.members, fleet.hub) = (members, hub?);
        fleet.find_contexts();
        fleet.start_again();
        Some(fleet)
    }

    fn without_hub(minor: &str, program: &Path) -> Option<Self> {
        let home = Home::new(program).unwrap();
        let hub = Hub::Embedded { flags: Vec::new(), running: None };
        let kubectl = Kubectl::find(minor, &hub.kubeconfig(home.path()));
        let kubectl = tool_or_skip("end to end with stock kubectl", kubectl)?;
        Some(Self { hub, members: Vec::new(), together: Vec::new(), kubeconfigs: Vec::new(), kubectl, minor: minor.to_owned(), home })
    }

    /// Whether the hub is a real control plane.
    pub(crate) fn hub_is_real(&self) -> bool {
        matches!(self.hub, Hub::Existing { .. })
    }

    /// A federated object needs a namespace, which only an embedded hub makes by itself.
    pub(crate) fn namespace(&self, name: &str) {
        if self.hub_is_real() {
            let made = self.try_hub_with(&["create", "namespace", name], "");
            assert!(made.code == 0 || made.stderr.contains("already exists"), "{}", made.stderr);
        }
    }

    /// The names of all members.
    pub(crate) fn clusters(&self) -> Vec<String> {
        self.together.iter().cloned().chain(self.members.iter().map(|member| member.name.clone())).collect()
    }

    /// The control plane of a member, or of the hub (`host`), where it is a real one.
    pub(crate) fn control_plane(&self, name: &str) -> Option<&ControlPlane> {
        match &self.hub {
            Hub::Existing { cluster, .. } if name == "host" => Some(cluster),
            _ => self.members.iter().find(|member| member.name == name).and_then(Member::control_plane),
        }
    }

    /// The embedded hub's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The home folder, which holds the folders of members that are processes.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The file with the hub's context.
    pub(crate) fn hub_kubeconfig(&self) -> PathBuf {
        self.hub.kubeconfig(self.home.path())
    }

    /// kubectl on the hub; it must succeed.
    pub(crate) fn hub(&self, args: &[&str]) -> String {
        self.expect(args, self.try_hub_with(args, ""))
    }

    /// kubectl on the hub with a text on standard input.
    pub(crate) fn try_hub_with(&self, args: &[&str], input: &str) -> Ran {
        self.kubectl.run_with(args, input).unwrap()
    }

    /// Applies a text on the hub; that must succeed.
    pub(crate) fn apply(&self, text: &str) {
        let args = ["apply", "-f", "-"];
        self.expect(&args, self.try_hub_with(&args, text));
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

    /// `kubefedctl`: called by the link that an embedded hub makes, or as a command of the binary.
    pub(crate) fn kubefedctl(&self, args: &[&str]) -> Ran {
        if self.hub_is_real() {
            return self.comity(&[&["kubefedctl"], args].concat());
        }
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

    /// Waits for something to be said of an object on the hub, as `kubectl wait --for`.
    pub(crate) fn wait(&self, object: &str, namespace: &str, what: &str) {
        let ran = self.try_hub_with(&["wait", object, "-n", namespace, &format!("--for={what}"), "--timeout=60s"], "");
        let found = || self.try_hub_with(&["get", object, "-n", namespace, "-o", "yaml"], "").stdout;
        assert_eq!(ran.code, 0, "{object} in {namespace}, {what}: {}\n{}\n{}", ran.stderr, found(), self.log());
    }

    /// What Comity wrote to standard error beside or in the hub.
    pub(crate) fn log(&self) -> String {
        self.hub.log()
    }

    /// What processes of ours wrote to standard error in or for members.
    pub(crate) fn logs_of_members(&self) -> String {
        self.members.iter().map(Member::log).collect()
    }

    /// All contexts: the hub's, then the members'.
    fn contexts(&self) -> OsString {
        let members = self.members.iter().map(|member| member.kubeconfig(&self.home));
        std::env::join_paths(std::iter::once(self.hub_kubeconfig()).chain(members).chain(self.kubeconfigs.iter().cloned())).unwrap()
    }

    fn find_contexts(&mut self) {
        self.kubectl = Kubectl::find(&self.minor, Path::new(&self.contexts())).unwrap();
    }

    fn run(&self, command: &mut Command) -> Ran {
        run(command.env("HOME", self.home.path()).env("KUBECONFIG", self.contexts()), "").unwrap()
    }

    fn expect(&self, args: &[&str], ran: Ran) -> String {
        assert_eq!(ran.code, 0, "kubectl {}\n{}\n{}\n{}", args.join(" "), ran.stdout, ran.stderr, self.log());
        ran.stdout
    }
}

/// Makes what takes long, all at once.
fn side_by_side<T: Send>(names: &[&str], make: impl Fn(&str) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let making: Vec<_> = names.iter().map(|name| scope.spawn(|| make(name))).collect();
        making.into_iter().map(|one| one.join().unwrap()).collect()
    })
}
