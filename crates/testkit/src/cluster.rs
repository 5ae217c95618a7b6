//! One cluster of a test, whatever it is made of.

use comity_core::json;
use comity_lane::ClusterClient;
use comity_store::Store;
use comity_testkit_core::{
    cache,
    real::{Parts, Programs, RealCluster},
};

use crate::embedded::{Controllers, Embedded, Keys};

/// What a cluster of a test is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An API server in this process, its objects in memory, nothing beside it.
    Embedded,
    /// The same with what every hub runs: namespaces end, garbage is collected.
    EmbeddedHub,
    /// The same with workload controllers and simulated nodes.
    EmbeddedMember,
    /// Upstream's programs.
    Real(Parts),
}

/// A running cluster. Dropping it ends it.
pub struct Cluster {
    name: String,
    made_of: Made,
}

enum Made {
    Embedded(Box<Embedded>),
    Real(Box<(Programs, Option<RealCluster>)>),
}

impl Cluster {
    /// Starts one; `None` where upstream's programs are not built and that is no failure (it is said in one line).
    ///
    /// # Panics
    /// It does not start: the test cannot go on.
    pub async fn start(test: &str, name: &str, kind: Kind) -> Option<Self> {
        let controllers = match kind {
            Kind::Embedded => Controllers::None,
            Kind::EmbeddedHub => Controllers::Hub,
            Kind::EmbeddedMember => Controllers::Member,
            Kind::Real(parts) => return Some(Self::of_programs(name, cache::tool_or_skip(test, RealCluster::find(parts))?).await),
        };
        Some(Self::embedded(name, controllers).await)
    }

    /// Starts upstream's programs as they are set up.
    ///
    /// # Panics
    /// They do not start: the test cannot go on.
    pub async fn of_programs(name: &str, programs: Programs) -> Self {
        let starting = programs.clone();
        let started = tokio::task::spawn_blocking(move || starting.start()).await;
        let cluster = started.unwrap_or_else(|e| panic!("{name}: {e}")).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        Self { name: name.to_owned(), made_of: Made::Real(Box::new((programs, Some(cluster)))) }
    }

    /// Starts many [`Kind::Embedded`] that share their certificate and their key for tokens, which take longest to make.
    ///
    /// # Panics
    /// One does not start.
    pub async fn start_alike(names: Vec<String>) -> Vec<Self> {
        let keys = Keys::new("alike").unwrap_or_else(|e| panic!("keys: {e:#}"));
        let mut clusters = Vec::new();
        for name in names {
            let started = Embedded::with_keys(name.clone(), Controllers::None, keys.clone()).await;
            let embedded = started.unwrap_or_else(|e| panic!("{name}: {e:#}"));
            clusters.push(Self { name, made_of: Made::Embedded(Box::new(embedded)) });
        }
        clusters
    }

    async fn embedded(name: &str, controllers: Controllers) -> Self {
        let embedded = Embedded::start(name, controllers).await.unwrap_or_else(|e| panic!("{name}: {e:#}"));
        Self { name: name.to_owned(), made_of: Made::Embedded(Box::new(embedded)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        match &self.made_of {
            Made::Embedded(embedded) => embedded.url(),
            Made::Real(real) => running(&real.1, &self.name).url().to_owned(),
        }
    }

    /// Bearer token of a member of `system:masters`.
    pub fn token(&self) -> &str {
        match &self.made_of {
            Made::Embedded(embedded) => embedded.token(),
            Made::Real(real) => running(&real.1, &self.name).token(),
        }
    }

    /// Certificates (PEM) that a client must trust.
    pub fn ca(&self) -> &str {
        match &self.made_of {
            Made::Embedded(embedded) => embedded.ca(),
            Made::Real(real) => running(&real.1, &self.name).ca(),
        }
    }

    /// A client with all rights.
    pub fn client(&self) -> ClusterClient {
        self.client_with(&self.url(), self.token())
    }

    /// A client with another token, or by another way (a proxy's URL).
    ///
    /// # Panics
    /// The URL is none.
    pub fn client_with(&self, url: &str, token: &str) -> ClusterClient {
        let mut config = kube::Config::new(url.parse().unwrap_or_else(|e| panic!("{url}: {e}")));
        // the tests of certificates are elsewhere; a proxy in between has one of its own
        config.accept_invalid_certs = true;
        config.default_retry = false;
        config.auth_info = serde_json::from_value(json!({"token": token})).unwrap_or_default();
        ClusterClient::new(kube::Client::try_from(config).unwrap_or_else(|e| panic!("{url}: {e}")))
    }

    /// The objects of an embedded cluster.
    pub fn store(&self) -> Option<&Store> {
        match &self.made_of {
            Made::Embedded(embedded) => Some(embedded.store()),
            Made::Real(_) => None,
        }
    }

    /// Ends it; an embedded one keeps its objects and its address for [`Cluster::start_again`].
    pub async fn stop(&mut self) {
        match &mut self.made_of {
            Made::Embedded(embedded) => embedded.stop().await,
            Made::Real(real) => drop(real.1.take()),
        }
    }

    /// Starts a stopped embedded cluster with its objects, at its address. A real one starts anew and empty.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_again(&mut self) {
        match &mut self.made_of {
            Made::Embedded(embedded) => embedded.start_again().await.unwrap_or_else(|e| panic!("{}: {e:#}", self.name)),
            Made::Real(real) => real.1 = Some(real.0.start().unwrap_or_else(|e| panic!("{}: {e:#}", self.name))),
        }
    }
}

fn running<'a>(real: &'a Option<RealCluster>, name: &str) -> &'a RealCluster {
    real.as_ref().unwrap_or_else(|| panic!("{name} was stopped"))
}
