//! Who sent a request.

use std::collections::BTreeMap;

/// An identity: a person, a service account or a part of the server itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Name, such as `alice` or `system:serviceaccount:default:builder`.
    pub name: String,
    /// Groups, with the virtual ones such as `system:authenticated`.
    pub groups: Vec<String>,
    /// Stable id, empty when the credential carries none.
    pub uid: String,
    /// Further facts about the credential.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Nobody in particular: what a request without credentials is.
    pub const ANONYMOUS: &'static str = "system:anonymous";
    /// The group of requests without credentials.
    pub const UNAUTHENTICATED: &'static str = "system:unauthenticated";
    /// The group of requests with a credential that was accepted.
    pub const AUTHENTICATED: &'static str = "system:authenticated";
    /// The group that may do everything.
    pub const MASTERS: &'static str = "system:masters";

    /// A user with groups; `system:authenticated` is added.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        if !groups.iter().any(|g| g == Self::AUTHENTICATED) {
            groups.push(Self::AUTHENTICATED.to_owned());
        }
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// The identity of parts of the server itself; may do everything.
    pub fn system(name: &str) -> Self {
        Self::new(name, &[Self::MASTERS])
    }

    /// The identity without credentials.
    pub fn anonymous() -> Self {
        Self { name: Self::ANONYMOUS.to_owned(), groups: vec![Self::UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// Whether the user is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// What is known about the sender before authentication.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A network connection.
    Peer(Peer),
    /// A caller inside this process, already identified.
    Known(User),
}

/// A network connection's facts.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The address of the other end.
    pub address: Option<std::net::SocketAddr>,
    /// The verified client certificate (DER), if one was presented.
    pub certificate: Option<bytes::Bytes>,
}
