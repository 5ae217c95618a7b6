//! `kubefedctl`: KubeFed v0.10's flags, messages and exit status on Comity.

mod args;
mod disable;
mod enable;
mod join;
mod klog;
mod lookup;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};
use comity_cli::{
    contexts::{Connection, Contexts},
    printer,
};

use args::{Command, Global, Kubefedctl};
use klog::Log;

/// KubeFed ends with this status after `klog.Fatal`.
const FATAL: u8 = 255;

/// The command definitions.
pub(crate) fn command() -> clap::Command {
    Kubefedctl::command()
}

pub(crate) fn run(args: Vec<OsString>) -> u8 {
    let parsed = match Kubefedctl::try_parse_from(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { 0 } else { 1 };
        }
    };
    let log = Log { verbosity: parsed.global.v };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fatal(&log, &format!("cannot start: {error}")),
    };
    match runtime.block_on(dispatch(&parsed, &log)) {
        Ok(()) => 0,
        Err(text) => fatal(&log, &text),
    }
}

async fn dispatch(parsed: &Kubefedctl, log: &Log) -> Result<(), String> {
    match &parsed.command {
        Command::Join(join) => join::join(&parsed.global, join, log).await,
        Command::Unjoin(unjoin) => join::unjoin(&parsed.global, unjoin, log).await,
        Command::Enable(enable) => enable::enable(&parsed.global, enable, log).await,
        Command::Disable(disable) => disable::disable(&parsed.global, disable).await,
        Command::Version => {
            printer::data(format!("kubefedctl version: version.Info{{Version:\"v0.10.0\", Comity:\"{}\"}}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    }
}

fn fatal(log: &Log, text: &str) -> u8 {
    log.fatal(&format!("Error: {text}"));
    FATAL
}

/// The host cluster: the context named, or the current one.
async fn host(global: &Global) -> Result<(Contexts, String, Connection), String> {
    let contexts = Contexts::load(global.kubeconfig.as_deref()).map_err(|e| e.to_string())?;
    let context = match global.host_cluster_context.as_str() {
        "" => contexts.current().map_err(|e| e.to_string())?.to_owned(),
        named => named.to_owned(),
    };
    let connection = contexts.connect(&context).await.map_err(|e| e.to_string())?;
    Ok((contexts, context, connection))
}
