//! `cargo xtask real`: the programs of a real control plane, built from their Go modules into the cache folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use comity_testkit_core::cache;

use crate::run::{output, say, top};

const MISSING: &str = "install Go (https://go.dev/dl), it builds the real control plane";

/// The `go` command in the module that pins the control plane.
pub fn go() -> Command {
    let mut command = Command::new("go");
    command.current_dir(top().join("tests/real"));
    command
}

/// Builds what is missing or of another version.
pub fn build() -> anyhow::Result<()> {
    let folder = cache::control_plane();
    let wanted = fs::read_to_string(top().join("tests/real/go.mod")).context("read tests/real/go.mod")?;
    anyhow::ensure!(
        wanted.contains(&format!("k8s.io/kubernetes {}", cache::KUBERNETES)),
        "tests/real/go.mod does not require k8s.io/kubernetes {}, which the test helpers expect",
        cache::KUBERNETES
    );
    if is_built(&folder) {
        say(&format!("{} is complete", folder.display()));
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    // Built beside the final place, so that a half-built folder is never taken for a complete one.
    let fresh = tempfile::tempdir_in(&folder)?;
    let version = cache::KUBERNETES;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let stamp = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={version} -X k8s.io/component-base/version.gitMajor={major} \
         -X k8s.io/component-base/version.gitMinor={minor} -X k8s.io/client-go/pkg/version.gitVersion={version}"
    );
    for (package, name) in [
        ("go.etcd.io/etcd/server/v3", "etcd"),
        ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
        ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
    ] {
        say(&format!("building {name} (the first build takes minutes)"));
        let made = fresh.path().join(name);
        output(go().args(["build", "-mod=readonly", "-trimpath", "-ldflags", &stamp, "-o"]).arg(&made).arg(package), MISSING)?;
        fs::rename(&made, folder.join(name)).with_context(|| format!("move {name} to {}", folder.display()))?;
    }
    anyhow::ensure!(is_built(&folder), "the programs in {} do not report {version}", folder.display());
    say(&format!("{} is complete", folder.display()));
    Ok(())
}

fn is_built(folder: &Path) -> bool {
    let says = |name: &str, argument: &str, wanted: &str| {
        cache::program(folder, name)
            .and_then(|program| Command::new(program).arg(argument).output().ok())
            .is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains(wanted))
    };
    let kubernetes = format!("Kubernetes {}", cache::KUBERNETES);
    cache::CONTROL_PLANE.iter().all(|name| match *name {
        "etcd" => says(name, "--version", "etcd Version"),
        _ => says(name, "--version", &kubernetes),
    })
}
