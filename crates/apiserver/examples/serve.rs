//! Starts an API server in memory on a free port and prints the path of a kubeconfig for it.
//!
//! `cargo run -p comity-apiserver --example serve [--port N] [--dir DIR]`, then `kubectl --kubeconfig <printed path> get pods`.
#![allow(clippy::print_stdout, reason = "the path is what it is run for")]

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use comity_apiserver::{Config, fields, start};
use comity_store::{Options, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let (mut port, mut dir) = (0, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--port" => port = arguments.next().and_then(|p| p.parse().ok()).ok_or("--port needs a number")?,
            "--dir" => dir = arguments.next().map(PathBuf::from),
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("comity-serve-{}", std::process::id())));
    std::fs::create_dir_all(&dir)?;
    let authority = comity_pki::Authority::new("dev")?;
    let certificate = authority.issue_server(&["localhost"], &[std::net::IpAddr::from([127, 0, 0, 1])])?;
    let tls = comity_pki::ServerTls::new(&certificate, Some(authority.certificate_pem()))?;
    let store = Store::open(Options { extractor: fields::extractor(), ..Options::mem() })?;
    let mut config = Config::new("dev", store, tls.config());
    config.admin_tokens = vec!["dev-token".to_owned()];
    config.token_signer = Some(Arc::new(comity_pki::TokenSigner::new()?));
    config.server_ca = authority.certificate_pem().to_owned();
    config.client_ca = authority.certificate_pem().to_owned();
    config.listen = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let server = start(config).await?;
    let ca = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, authority.certificate_pem());
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: dev\nclusters:\n- name: dev\n  cluster:\n    server: https://{}\n    certificate-authority-data: {ca}\n\
         users:\n- name: dev\n  user:\n    token: dev-token\ncontexts:\n- name: dev\n  context:\n    cluster: dev\n    user: dev\n",
        server.address()
    );
    let bob = authority.issue_client("bob", &["devs"])?;
    std::fs::write(dir.join("bob.crt"), &bob.certificate_pem)?;
    std::fs::write(dir.join("bob.key"), &bob.key_pem)?;
    let path = dir.join("kubeconfig");
    std::fs::write(&path, kubeconfig)?;
    println!("{}", path.display());
    tokio::signal::ctrl_c().await?;
    server.shutdown(std::time::Duration::from_secs(5)).await;
    Ok(())
}
