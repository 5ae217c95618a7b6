//! `comity demo`, `up` and `member`: start, say what runs, wait for a signal, stop cleanly.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use comity_hub::{
    StartError,
    demo::{self, Fleet, FleetOptions},
    embedded::{EncryptionKeys, Storage},
    layout::{ServerRole, default_data_dir},
};

use crate::{
    args::{Demo, Join, Member, Place, Up},
    error::{CliError, CliResult, Exit},
    printer,
    running::until_stopped,
};

const AFTER_FAILURE: &str = "everything acknowledged is on disk; give the disk space or replace it, then start again on the same folder";

/// How long a clean stop may take before it is forced.
pub(super) const DRAIN: Duration = Duration::from_secs(10);

pub(crate) fn demo(args: &Demo) -> CliResult {
    let members = (1..=args.members).map(|n| format!("cluster{n}")).collect::<Vec<_>>();
    let options = FleetOptions {
        data_dir: folder(args.place.data_dir.as_ref(), "demo")?,
        kubeconfig: args.place.kubeconfig.clone(),
        hub: true,
        members,
        join: args.join == Join::All,
        listen: None,
        reset: args.place.reset,
        storage: storage(&args.place)?,
        links: vec!["kubefedctl"],
    };
    serve(options, |fleet| {
        let names: Vec<&str> = fleet.entries().iter().map(|e| e.role.name()).skip(1).collect();
        printer::data(format!("Comity demo: a hub and {} simulated member clusters in one process", names.len()));
        list(fleet);
        printer::data("\nIn another terminal:");
        exports(fleet);
        printer::data("\nThen try:");
        if args.join == Join::None {
            for name in names.iter().take(2) {
                printer::data(format!(
                    "  kubefedctl join {name} --cluster-context {name}-context --host-cluster-context host-context --v=2"
                ));
            }
        }
        printer::data("  kubectl get kubefedclusters -n kube-federation-system");
        printer::data("  kubectl apply -f federated-deployment.yaml");
        printer::data("  kubectl get federateddeployments -A");
        if let Some(name) = names.first() {
            printer::data(format!("  kubectl --context {name}-context get deploy,pods -A"));
        }
        printer::data("  comity status\n");
    })
}

pub(crate) fn up(args: &Up) -> CliResult {
    let options = FleetOptions {
        data_dir: folder(args.place.data_dir.as_ref(), "hub")?,
        kubeconfig: args.place.kubeconfig.clone(),
        hub: true,
        members: Vec::new(),
        join: false,
        listen: args.listen,
        reset: args.place.reset,
        storage: storage(&args.place)?,
        links: vec!["kubefedctl"],
    };
    serve(options, |fleet| {
        printer::data("Comity hub");
        list(fleet);
        printer::data("\nIn another terminal:");
        exports(fleet);
        printer::data("");
    })
}

pub(crate) fn member(args: &Member) -> CliResult {
    if let Some(why) = comity_core::names::dns1123_label(&args.name).first() {
        return Err(CliError::new(format!("cluster name {:?} cannot be used: {why}", args.name)).exit(Exit::Usage));
    }
    let options = FleetOptions {
        data_dir: folder(args.place.data_dir.as_ref(), &format!("member-{}", args.name))?,
        kubeconfig: args.place.kubeconfig.clone(),
        hub: false,
        members: vec![args.name.clone()],
        join: false,
        listen: args.listen,
        reset: args.place.reset,
        storage: storage(&args.place)?,
        links: Vec::new(),
    };
    serve(options, |fleet| {
        printer::data(format!("Comity member cluster {} (simulated nodes)", args.name));
        list(fleet);
        printer::data("");
    })
}

pub(super) fn keys(file: Option<&PathBuf>) -> CliResult<Option<EncryptionKeys>> {
    file.map(|path| EncryptionKeys::read(path).map_err(|why| CliError::new(why).exit(Exit::Usage))).transpose()
}

fn storage(place: &Place) -> CliResult<Storage> {
    let encryption = keys(place.encryption_key_file.as_ref())?;
    Ok(Storage { encryption, accept_data_loss: place.accept_data_loss })
}

pub(super) fn folder(given: Option<&PathBuf>, profile: &str) -> CliResult<PathBuf> {
    match given {
        Some(path) => Ok(absolute(path)),
        None => default_data_dir(profile).map_err(|e| CliError::new(e.to_string()).exit(Exit::Usage)),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn serve(mut options: FleetOptions, describe: impl FnOnce(&Fleet)) -> CliResult {
    options.kubeconfig = options.kubeconfig.as_deref().map(absolute);
    let began = Instant::now();
    until_stopped(
        async move || {
            let fleet = demo::start(options).await.map_err(start_error)?;
            describe(&fleet);
            printer::data(format!("ready in {:.1} s; stop with Ctrl-C", began.elapsed().as_secs_f64()));
            Ok(fleet)
        },
        async |fleet: &Fleet| {
            let why = fleet.failed().await;
            Err(CliError::new("stopped because a store failed").because(why).hint(AFTER_FAILURE))
        },
        async |fleet| fleet.stop(DRAIN).await,
    )
}

fn list(fleet: &Fleet) {
    for entry in fleet.entries() {
        let note = if matches!(entry.role, ServerRole::Hub) { "" } else { "  SIMULATED" };
        printer::data(format!("  {:<10} {}  context {}{note}", entry.role.name(), entry.server, entry.role.context()));
    }
}

fn exports(fleet: &Fleet) {
    printer::data(format!("  export KUBECONFIG={}", quoted(fleet.kubeconfig())));
    printer::data(format!("  export PATH={}:$PATH", quoted(&fleet.bin())));
}

/// A path that a shell reads as one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

pub(super) fn start_error(error: StartError) -> CliError {
    let exit = match &error {
        StartError::InUse { .. } | StartError::Led { .. } | StartError::PortTaken { .. } => Exit::Conflict,
        _ => Exit::Failure,
    };
    CliError::new(error.to_string()).exit(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_path_survives_the_shell() {
        assert_eq!(quoted(Path::new("/home/me/.local/share/comity")), "/home/me/.local/share/comity");
        assert_eq!(quoted(Path::new("/home/it's me/x")), r"'/home/it'\''s me/x'");
    }
}
