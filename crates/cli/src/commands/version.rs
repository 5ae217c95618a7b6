//! `comity version`.

use comity_core::json;

use crate::{
    args::{Output, Version},
    error::CliResult,
    printer, yaml,
};

pub(crate) fn version(args: &Version) -> CliResult {
    let version = json!({
        "comity": env!("CARGO_PKG_VERSION"),
        "kubernetes": comity_hub::kubernetes_version(),
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    match args.output {
        Some(Output::Json) => printer::data(serde_json::to_string_pretty(&version).unwrap_or_default()),
        Some(Output::Yaml) => printer::data(yaml(&version).trim_end()),
        None => printer::data(format!("comity {} (serves Kubernetes {})", env!("CARGO_PKG_VERSION"), comity_hub::kubernetes_version())),
    }
    Ok(())
}
