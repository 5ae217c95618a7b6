//! Kubeconfig contexts: which exist, which is current, and a connection to one.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use comity_lane::client::ClusterClient;
use kube::config::{Cluster, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// A loaded kubeconfig.
#[derive(Clone, Debug)]
pub struct Contexts {
    kubeconfig: Kubeconfig,
    /// Where it came from, for messages.
    pub source: String,
}

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file cannot be read or understood.
    #[error("cannot load kubeconfig {source_name}: {why}")]
    Unreadable {
        /// Path, or the list of paths in `KUBECONFIG`.
        source_name: String,
        /// Reason.
        why: String,
    },
    /// No context of that name.
    #[error("context {name:?} does not exist in {source_name}; contexts that exist: {existing}")]
    Missing {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        source_name: String,
        /// Names that exist, comma separated.
        existing: String,
    },
    /// No name given, none current.
    #[error("no current context in {source_name}; contexts that exist: {existing}")]
    NoCurrent {
        /// Where it was looked for.
        source_name: String,
        /// Names that exist, comma separated.
        existing: String,
    },
    /// The context's cluster or user is incomplete.
    #[error("context {name:?} cannot be used: {why}")]
    Broken {
        /// The context.
        name: String,
        /// Reason.
        why: String,
    },
}

/// A connection to the cluster of a context.
#[derive(Clone)]
pub struct Connection {
    /// Its API.
    pub client: ClusterClient,
    /// URL of the API server.
    pub endpoint: String,
    /// PEM of the authority, if the kubeconfig names one.
    pub ca_bundle: Option<Vec<u8>>,
    /// TLS verification is off.
    pub insecure: bool,
    /// Proxy to go through.
    pub proxy_url: Option<String>,
    /// The context's namespace.
    pub namespace: String,
}

impl Contexts {
    /// Loads one file, or what `KUBECONFIG` and `~/.kube/config` say.
    ///
    /// # Errors
    /// The file is missing, none of several is there, or one is not a kubeconfig.
    pub fn load(path: Option<&Path>) -> Result<Self, ContextError> {
        let source = match path {
            Some(path) => path.display().to_string(),
            None => std::env::var("KUBECONFIG").ok().filter(|v| !v.is_empty()).unwrap_or_else(|| "~/.kube/config".to_owned()),
        };
        let loaded = match path {
            Some(path) => read(path),
            None => read_all(),
        };
        let kubeconfig = loaded.map_err(|why| ContextError::Unreadable { source_name: source.clone(), why })?;
        Ok(Self { kubeconfig, source })
    }

    /// Names of all contexts, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Name of the current context.
    ///
    /// # Errors
    /// None is current.
    pub fn current(&self) -> Result<&str, ContextError> {
        let current = self.kubeconfig.current_context.as_deref().filter(|c| !c.is_empty());
        current.ok_or_else(|| ContextError::NoCurrent { source_name: self.source.clone(), existing: self.names().join(", ") })
    }

    /// Connects to the cluster of a context; nothing is sent yet.
    ///
    /// # Errors
    /// The context does not exist or lacks what it needs.
    pub async fn connect(&self, context: &str) -> Result<Connection, ContextError> {
        let broken = |why: String| ContextError::Broken { name: context.to_owned(), why };
        let Some(named) = self.kubeconfig.contexts.iter().find(|c| c.name == context) else {
            return Err(ContextError::Missing {
                name: context.to_owned(),
                source_name: self.source.clone(),
                existing: self.names().join(", "),
            });
        };
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options).await.map_err(|e| broken(why(&e)))?;
        let cluster_name = named.context.as_ref().map_or("", |c| c.cluster.as_str());
        let cluster = self.kubeconfig.clusters.iter().find(|c| c.name == cluster_name).and_then(|c| c.cluster.clone()).unwrap_or_default();
        let namespace = config.default_namespace.clone();
        let client = kube::Client::try_from(config).map_err(|e| broken(e.to_string()))?;
        Ok(Connection {
            client: ClusterClient::new(client),
            endpoint: cluster.server.clone().unwrap_or_default(),
            ca_bundle: authority(&cluster).map_err(broken)?,
            insecure: cluster.insecure_skip_tls_verify.unwrap_or(false),
            proxy_url: cluster.proxy_url.clone(),
            namespace,
        })
    }
}

/// What `KUBECONFIG` says, else the file in the home folder.
fn read_all() -> Result<Kubeconfig, String> {
    match std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => read_list(&std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect::<Vec<_>>()),
        None => Kubeconfig::read().map_err(|e| why(&e)),
    }
}

/// As kubectl: of equal names the first one counts, and a file that is not there is passed over, unless none is there.
fn read_list(paths: &[PathBuf]) -> Result<Kubeconfig, String> {
    let named = |path: &Path, why: String| if why.contains(&*path.to_string_lossy()) { why } else { format!("{}: {why}", path.display()) };
    let mut all: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.exists()) {
        let one = read(path).map_err(|why| named(path, why))?;
        all = Some(all.unwrap_or_default().merge(one).map_err(|e| why(&e))?);
    }
    match (all, paths.first()) {
        (Some(all), _) => Ok(all),
        (None, Some(first)) => read(first).map_err(|why| named(first, why)),
        (None, None) => Ok(Kubeconfig::default()),
    }
}

fn read(path: &Path) -> Result<Kubeconfig, String> {
    // kube reports a missing file with a debug-printed path; say it plainly.
    std::fs::metadata(path).map_err(|e| e.to_string())?;
    Kubeconfig::read_from(path).map_err(|e| why(&e))
}

fn why(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, path) => format!("{}: {error}", path.display()),
        other => other.to_string(),
    }
}

fn authority(cluster: &Cluster) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = &cluster.certificate_authority_data {
        return STANDARD.decode(data).map(Some).map_err(|e| format!("certificate-authority-data is not base64: {e}"));
    }
    let Some(path) = cluster.certificate_authority.as_ref().map(PathBuf::from) else { return Ok(None) };
    std::fs::read(&path).map(Some).map_err(|e| format!("certificate-authority {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_files_missing_ones_are_passed_over_and_the_first_of_equal_names_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, server: &str| {
            let path = folder.path().join(name);
            let text = format!(
                "{{apiVersion: v1, kind: Config, current-context: {name}, clusters: [{{name: c, cluster: {{server: 'https://{server}'}}}}]}}"
            );
            std::fs::write(&path, text).unwrap();
            path
        };
        let missing = folder.path().join("missing");
        let read = read_list(&[missing.clone(), file("one", "1"), file("two", "2")]).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("one"));
        assert_eq!(read.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some("https://1"));
        let why = read_list(std::slice::from_ref(&missing)).unwrap_err();
        assert!(why.contains("missing") && why.contains("No such file"), "{why}");
        std::fs::write(&missing, "[").unwrap();
        assert!(read_list(&[missing, file("three", "3")]).unwrap_err().contains("missing"));
    }
}
