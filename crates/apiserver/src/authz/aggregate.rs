//! Aggregated ClusterRoles: their rules are those of the roles that their selectors select.

use std::collections::BTreeMap;

use comity_core::{LabelSelector, Value, object};

/// The rules of every ClusterRole that aggregates, by role name.
///
/// A selected role may aggregate too. Selectors count in their order, roles in name order; equal rules appear once.
pub fn rules(cluster_roles: &[&Value]) -> BTreeMap<String, Vec<Value>> {
    let mut roles = cluster_roles.to_vec();
    roles.sort_by_key(|role| object::name(role));
    let aggregating: Vec<(&str, Vec<LabelSelector>)> =
        roles.iter().filter_map(|role| Some((object::name(role), selectors(role)?))).collect();
    let mut gathered: BTreeMap<String, Vec<Value>> = aggregating.iter().map(|(name, _)| ((*name).to_owned(), Vec::new())).collect();
    // Rules only ever grow, and only by rules of roles that exist: this ends after as many rounds as the longest chain.
    loop {
        let mut changed = false;
        for (name, selectors) in &aggregating {
            let mut rules: Vec<Value> = Vec::new();
            for selector in selectors {
                for other in &roles {
                    let other_name = object::name(other);
                    if other_name == *name || !selector.matches(object::labels(other)) {
                        continue;
                    }
                    let own = gathered.get(other_name).map_or_else(|| object::items_at(other, &["rules"]), Vec::as_slice);
                    for rule in own {
                        if !rules.contains(rule) {
                            rules.push(rule.clone());
                        }
                    }
                }
            }
            if gathered.get(*name).is_none_or(|old| old.len() != rules.len()) {
                gathered.insert((*name).to_owned(), rules);
                changed = true;
            }
        }
        if !changed {
            return gathered;
        }
    }
}

/// The selectors of a role that aggregates; one that cannot be read selects nothing.
fn selectors(role: &Value) -> Option<Vec<LabelSelector>> {
    let list = object::at(role, &["aggregationRule", "clusterRoleSelectors"])?.as_array()?;
    (!list.is_empty()).then(|| list.iter().filter_map(|selector| LabelSelector::from_object(selector).ok()).collect())
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    fn role(name: &str, labels: &Value, selects: Option<&str>, resource: &str) -> Value {
        let mut role = json!({"metadata": {"name": name, "labels": labels}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]});
        if let Some(label) = selects {
            role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
        role
    }

    #[test]
    fn a_chain_of_aggregation_is_followed_and_own_rules_are_replaced() {
        let roles = [
            role("admin", &json!({}), Some("to-admin"), "stale"),
            role("edit", &json!({"to-admin": "true"}), Some("to-edit"), "stale"),
            role("pods", &json!({"to-edit": "true"}), None, "pods"),
            role("nodes", &json!({"to-admin": "true", "to-edit": "true"}), None, "nodes"),
        ];
        let gathered = rules(&roles.iter().collect::<Vec<_>>());
        let resources = |name: &str| gathered[name].iter().map(|r| r["resources"][0].as_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(resources("admin"), ["nodes", "pods"]);
        assert_eq!(resources("edit"), ["nodes", "pods"]);
        assert!(!gathered.contains_key("pods"));
    }

    #[test]
    fn roles_that_select_each_other_end_with_what_the_others_bring() {
        let mut a = role("a", &json!({"x": "true"}), Some("y"), "stale");
        a["metadata"]["labels"]["z"] = "true".into();
        let roles = [a, role("b", &json!({"y": "true"}), Some("x"), "stale"), role("c", &json!({"y": "true"}), None, "c")];
        let gathered = rules(&roles.iter().collect::<Vec<_>>());
        assert_eq!(gathered["a"], gathered["b"]);
        assert_eq!(gathered["a"].len(), 1);
    }
}
