//! One RBAC rule: what it allows, what it covers, and how it is printed.

use std::collections::BTreeMap;

use comity_core::{Value, object};

/// A policy rule of a Role or ClusterRole.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, or `*`; the core group is empty.
    pub groups: Vec<String>,
    /// Resources (`pods`, `pods/log`, `*/scale`), or `*`.
    pub resources: Vec<String>,
    /// Names that the rule is limited to; none means all.
    pub names: Vec<String>,
    /// Paths outside the API, with a trailing `*` as a wildcard.
    pub paths: Vec<String>,
}

/// What a request wants to do, as far as a rule looks at it.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Something with a resource.
    Resource {
        /// Verb, such as `list`.
        verb: &'a str,
        /// API group, empty for core.
        group: &'a str,
        /// Plural resource name.
        resource: &'a str,
        /// Subresource, empty for none.
        subresource: &'a str,
        /// Object name, empty for none.
        name: &'a str,
    },
    /// Something with a path outside the API.
    Path {
        /// Lower-case HTTP method.
        verb: &'a str,
        /// The path.
        path: &'a str,
    },
}

impl Rule {
    /// Reads one element of `rules`; what is not a list of texts counts as empty.
    pub fn from_value(value: &Value) -> Self {
        let texts = |key: &str| object::items_at(value, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Self {
            verbs: texts("verbs"),
            groups: texts("apiGroups"),
            resources: texts("resources"),
            names: texts("resourceNames"),
            paths: texts("nonResourceURLs"),
        }
    }

    /// Reads the `rules` of a Role or ClusterRole.
    pub fn of_role(role: &Value) -> Vec<Self> {
        object::items_at(role, &["rules"]).iter().map(Self::from_value).collect()
    }

    /// Whether the rule allows an action.
    pub fn allows(&self, action: &Action<'_>) -> bool {
        match *action {
            Action::Resource { verb, group, resource, subresource, name } => {
                any(&self.verbs, verb)
                    && any(&self.groups, group)
                    && self.resources.iter().any(|r| resource_matches(r, resource, subresource))
                    && (self.names.is_empty() || has(&self.names, name))
            }
            Action::Path { verb, path } => any(&self.verbs, verb) && self.paths.iter().any(|p| p == "*" || path_covers(p, path)),
        }
    }

    /// Every combination of one group, resource, verb and name (or path and verb) of the rule.
    fn atoms(&self) -> Vec<Rule> {
        let mut atoms = Vec::new();
        let one = |text: &String| vec![text.clone()];
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let atom = Rule { verbs: one(verb), groups: one(group), resources: one(resource), ..Rule::default() };
                    if self.names.is_empty() {
                        atoms.push(atom);
                    } else {
                        atoms.extend(self.names.iter().map(|name| Rule { names: one(name), ..atom.clone() }));
                    }
                }
            }
        }
        for path in &self.paths {
            atoms.extend(self.verbs.iter().map(|verb| Rule { verbs: one(verb), paths: one(path), ..Rule::default() }));
        }
        atoms
    }

    fn covers(&self, atom: &Rule) -> bool {
        let all = |set: &[String], wanted: &[String]| has(set, "*") || wanted.iter().all(|w| has(set, w));
        let names = self.names.is_empty() || (!atom.names.is_empty() && atom.names.iter().all(|n| has(&self.names, n)));
        let resources = has(&self.resources, "*")
            || atom.resources.iter().all(|r| {
                has(&self.resources, r)
                    || r.split_once('/').is_some_and(|(_, sub)| self.resources.iter().any(|own| own.strip_prefix("*/") == Some(sub)))
            });
        all(&self.verbs, &atom.verbs)
            && all(&self.groups, &atom.groups)
            && resources
            && names
            && atom.paths.iter().all(|path| self.paths.iter().any(|own| path_covers(own, path)))
    }

    /// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`.
    pub fn describe(&self) -> String {
        let parts = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts = parts.iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| format!("{key}:{}", quoted(list)));
        format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
    }
}

/// What of `wanted` is not in `held`, as few rules as possible, in the order of their descriptions.
pub fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let mut grouped: BTreeMap<[Vec<String>; 3], Rule> = BTreeMap::new();
    let mut missing = Vec::new();
    for atom in wanted.iter().flat_map(Rule::atoms) {
        if held.iter().any(|rule| rule.covers(&atom)) {
            continue;
        }
        if atom.paths.is_empty() {
            let key = [atom.groups.clone(), atom.resources.clone(), atom.names.clone()];
            match grouped.get_mut(&key) {
                Some(rule) => rule.verbs.extend(atom.verbs),
                None => drop(grouped.insert(key, atom)),
            }
        } else {
            missing.push(atom);
        }
    }
    missing.extend(grouped.into_values());
    missing.sort_by_cached_key(Rule::describe);
    missing.dedup();
    missing
}

/// A list as the messages print it: `["a" "b"]`.
pub fn quoted(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" "))
}

fn has(set: &[String], text: &str) -> bool {
    set.iter().any(|s| s == text)
}

fn any(set: &[String], text: &str) -> bool {
    set.iter().any(|s| s == "*" || s == text)
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    if subresource.is_empty() {
        return rule == resource;
    }
    rule.split_once('/').is_some_and(|(r, s)| s == subresource && (r == "*" || r == resource))
}

fn path_covers(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn rule(value: &Value) -> Rule {
        Rule::from_value(value)
    }

    #[test]
    fn a_subresource_needs_its_own_name_or_a_wildcard() {
        let get = |resource, subresource| Action::Resource { verb: "get", group: "", resource, subresource, name: "x" };
        let pods = rule(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}));
        assert!(pods.allows(&get("pods", "")));
        assert!(!pods.allows(&get("pods", "log")));
        let logs = rule(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["*/log"]}));
        assert!(logs.allows(&get("pods", "log")));
        assert!(!logs.allows(&get("pods", "")));
    }

    #[test]
    fn names_limit_a_rule_and_do_not_match_requests_without_a_name() {
        let named = rule(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["a"]}));
        let get = |name| Action::Resource { verb: "get", group: "", resource: "pods", subresource: "", name };
        assert!(named.allows(&get("a")));
        assert!(!named.allows(&get("b")));
        assert!(!named.allows(&get("")));
    }

    #[test]
    fn paths_match_exactly_or_by_a_trailing_star() {
        let paths = rule(&json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]}));
        let get = |path| Action::Path { verb: "get", path };
        assert!(paths.allows(&get("/healthz")));
        assert!(!paths.allows(&get("/healthz/etcd")));
        assert!(paths.allows(&get("/apis/apps")));
        assert!(!paths.allows(&get("/apis")));
    }

    #[test]
    fn missing_rules_are_gathered_by_resource_and_sorted() {
        let held = [rule(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}))];
        let wanted = [
            rule(&json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "nodes"]})),
            rule(&json!({"verbs": ["get"], "nonResourceURLs": ["/abc"]})),
        ];
        let texts: Vec<String> = missing(&held, &wanted).iter().map(Rule::describe).collect();
        assert_eq!(
            texts,
            [
                r#"{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["list"]}"#,
                r#"{NonResourceURLs:["/abc"], Verbs:["get"]}"#,
            ]
        );
    }

    #[test]
    fn a_rule_with_names_does_not_cover_the_same_rule_without() {
        let named = [rule(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}))];
        let open = [rule(&json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}))];
        assert!(!missing(&named, &open).is_empty());
        assert!(missing(&open, &named).is_empty());
    }

    #[test]
    fn a_starred_subresource_covers_that_subresource_only() {
        let held = [rule(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/status"]}))];
        let wanted = |resource: &str| [rule(&json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": [resource]}))];
        assert!(missing(&held, &wanted("deployments/status")).is_empty());
        assert!(!missing(&held, &wanted("deployments/scale")).is_empty());
        assert!(!missing(&held, &wanted("deployments")).is_empty());
    }
}
