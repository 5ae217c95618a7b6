//! The RBAC objects of a server, arranged so that a decision costs a few look-ups.

use std::{collections::HashMap, sync::Arc};

use comity_core::{Value, object};

use super::{
    aggregate,
    rule::{Action, Rule},
};
use crate::user::User;

type Rules = Arc<[Rule]>;

/// Roles and bindings by subject.
#[derive(Default)]
pub struct Index {
    roles: HashMap<(String, String), Rules>,
    cluster_roles: HashMap<String, Rules>,
    cluster: Bindings,
    namespaces: HashMap<String, Bindings>,
}

#[derive(Default)]
struct Bindings {
    all: Vec<Binding>,
    users: HashMap<String, Vec<u32>>,
    groups: HashMap<String, Vec<u32>>,
}

struct Binding {
    name: String,
    namespace: String,
    role_kind: String,
    role_name: String,
    /// For each subject: the user or group it means, and how it is printed.
    subjects: Vec<(Subject, String)>,
    rules: Result<Rules, String>,
}

#[derive(PartialEq, Eq)]
enum Subject {
    User(String),
    Group(String),
}

/// The outcome of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Why; for a refusal the problems that were met, mostly empty.
    pub reason: String,
}

impl Index {
    /// Arranges the objects of the four RBAC resources; aggregated ClusterRoles get the rules of what they select.
    pub fn build(roles: &[&Value], cluster_roles: &[&Value], role_bindings: &[&Value], cluster_role_bindings: &[&Value]) -> Self {
        let mut index = Self::default();
        for role in roles {
            index.roles.insert((object::namespace(role).to_owned(), object::name(role).to_owned()), Rule::of_role(role).into());
        }
        let gathered = aggregate::rules(cluster_roles);
        for role in cluster_roles {
            let rules = match gathered.get(object::name(role)) {
                Some(rules) => rules.iter().map(Rule::from_value).collect(),
                None => Rule::of_role(role),
            };
            index.cluster_roles.insert(object::name(role).to_owned(), rules.into());
        }
        for binding in cluster_role_bindings {
            let binding = index.binding(binding, "");
            index.cluster.add(binding);
        }
        for binding in role_bindings {
            let namespace = object::namespace(binding);
            let binding = index.binding(binding, namespace);
            index.namespaces.entry(namespace.to_owned()).or_default().add(binding);
        }
        index
    }

    /// The rules that a roleRef means in a namespace (empty for cluster-wide bindings).
    pub fn referenced(&self, kind: &str, name: &str, namespace: &str) -> Result<Rules, String> {
        let found = match kind {
            "Role" => self.roles.get(&(namespace.to_owned(), name.to_owned())),
            "ClusterRole" => self.cluster_roles.get(name),
            other => return Err(format!("unsupported role reference kind: {other:?}")),
        };
        found.cloned().ok_or_else(|| format!("{}.rbac.authorization.k8s.io {name:?} not found", kind.to_lowercase()))
    }

    /// Whether the bindings of a user allow an action in a namespace (empty for none).
    pub fn decide(&self, user: &User, namespace: &str, action: &Action<'_>) -> Decision {
        let mut problems: Vec<&str> = Vec::new();
        for bindings in self.scopes(namespace) {
            for id in bindings.of(user) {
                let binding = &bindings.all[id as usize];
                match &binding.rules {
                    Ok(rules) if rules.iter().any(|rule| rule.allows(action)) => {
                        return Decision { allowed: true, reason: binding.because(user) };
                    }
                    Ok(_) => {}
                    Err(problem) if problems.contains(&problem.as_str()) => {}
                    Err(problem) => problems.push(problem),
                }
            }
        }
        let reason = match problems.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        };
        Decision { allowed: false, reason }
    }

    /// All rules that a user holds in a namespace, cluster-wide ones first, and the problems that were met.
    pub fn rules_of(&self, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for bindings in self.scopes(namespace) {
            for id in bindings.of(user) {
                match &bindings.all[id as usize].rules {
                    Ok(held) => rules.extend(held.iter().cloned()),
                    Err(problem) => problems.push(problem.clone()),
                }
            }
        }
        (rules, problems)
    }

    fn scopes(&self, namespace: &str) -> impl Iterator<Item = &Bindings> {
        std::iter::once(&self.cluster).chain(self.namespaces.get(namespace).filter(|_| !namespace.is_empty()))
    }

    fn binding(&self, binding: &Value, namespace: &str) -> Binding {
        let role = |key| object::str_at(binding, &["roleRef", key]).to_owned();
        let (role_kind, role_name) = (role("kind"), role("name"));
        let subjects = object::items_at(binding, &["subjects"]).iter().filter_map(|subject| meaning(subject, namespace)).collect();
        let rules = self.referenced(&role_kind, &role_name, namespace);
        Binding { name: object::name(binding).to_owned(), namespace: namespace.to_owned(), role_kind, role_name, subjects, rules }
    }
}

impl Bindings {
    fn add(&mut self, binding: Binding) {
        let Ok(id) = u32::try_from(self.all.len()) else { return };
        for (subject, _) in &binding.subjects {
            let ids = match subject {
                Subject::User(name) => self.users.entry(name.clone()).or_default(),
                Subject::Group(name) => self.groups.entry(name.clone()).or_default(),
            };
            if ids.last() != Some(&id) {
                ids.push(id);
            }
        }
        self.all.push(binding);
    }

    /// Ids of the bindings that mean a user, each once, in order.
    fn of(&self, user: &User) -> Vec<u32> {
        let mut ids: Vec<u32> = self.users.get(&user.name).into_iter().flatten().copied().collect();
        ids.extend(user.groups.iter().filter_map(|group| self.groups.get(group)).flatten());
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl Binding {
    fn because(&self, user: &User) -> String {
        let applies = |subject: &Subject| match subject {
            Subject::User(name) => *name == user.name,
            Subject::Group(name) => user.groups.contains(name),
        };
        let subject = self.subjects.iter().find(|(s, _)| applies(s)).map_or("", |(_, text)| text);
        let (kind, name) = match self.namespace.as_str() {
            "" => ("ClusterRoleBinding", self.name.clone()),
            namespace => ("RoleBinding", format!("{}/{namespace}", self.name)),
        };
        format!("RBAC: allowed by {kind} {name:?} of {} {:?} to {subject}", self.role_kind, self.role_name)
    }
}

fn meaning(subject: &Value, namespace: &str) -> Option<(Subject, String)> {
    let name = object::str_at(subject, &["name"]);
    let kind = object::str_at(subject, &["kind"]);
    let text = |name: &str| format!("{kind} {name:?}");
    match kind {
        "User" => Some((Subject::User(name.to_owned()), text(name))),
        "Group" => Some((Subject::Group(name.to_owned()), text(name))),
        "ServiceAccount" => {
            let own = object::str_at(subject, &["namespace"]);
            let namespace = if own.is_empty() { namespace } else { own };
            let user = (!namespace.is_empty()).then(|| format!("system:serviceaccount:{namespace}:{name}"))?;
            Some((Subject::User(user), text(&format!("{name}/{namespace}"))))
        }
        _ => None,
    }
}
