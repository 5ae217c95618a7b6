//! Placement as a federated object writes it: a list of names or a label selector.

use std::collections::{BTreeMap, HashSet};

use comity_core::LabelSelector;

use crate::reason::Reason;

/// A joined cluster, by its labels.
pub type Member = BTreeMap<String, String>;

/// Whatever has a joined cluster's labels.
pub trait Labelled {
    /// The labels.
    fn labels(&self) -> &Member;
}

impl Labelled for Member {
    fn labels(&self) -> &Member {
        self
    }
}

/// What the object, or its namespace, says. An absent list and an empty one differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Names; when present, the selector is ignored.
    pub clusters: Option<Vec<String>>,
    /// Selector over the labels of joined clusters.
    pub selector: Option<LabelSelector>,
}

/// What the namespace has to say about an object in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceRule {
    /// Nothing: the object is cluster-scoped, or its namespace follows it.
    Free,
    /// Only where the federated namespace goes.
    Federated(Placement),
    /// The namespace must be federated and is not.
    Missing,
    /// The namespace is never federated.
    Reserved,
}

/// What is decided for one cluster name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// A copy belongs there.
    pub wanted: bool,
    /// Why, or why not.
    pub reason: Reason,
}

/// The result: one decision for every joined cluster and for every name that is listed but not joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Decisions by cluster name.
    pub decisions: BTreeMap<String, Decision>,
    /// Names that the list repeats.
    pub repeated: Vec<String>,
}

impl Placed {
    /// The joined clusters that get a copy, in name order.
    pub fn wanted(&self) -> impl Iterator<Item = &str> {
        self.decisions.iter().filter(|(_, d)| d.wanted).map(|(name, _)| name.as_str())
    }

    /// The decision for one name.
    pub fn decision(&self, cluster: &str) -> Option<Decision> {
        self.decisions.get(cluster).copied()
    }
}

/// Decides for every cluster that is given.
pub fn place<M: Labelled>(placement: &Placement, members: &BTreeMap<String, M>, namespace: &NamespaceRule) -> Placed {
    let mut placed = Placed::default();
    let listed = Listed::of(placement);
    let namespace_listed = match namespace {
        NamespaceRule::Federated(placement) => Listed::of(placement),
        _ => Listed(None),
    };
    for (name, member) in members {
        let decision = one(placement, &listed, name, member.labels());
        let decision = within_namespace(decision, namespace, &namespace_listed, name, member.labels());
        placed.decisions.insert(name.clone(), decision);
    }
    let mut seen = HashSet::new();
    for name in placement.clusters.iter().flatten() {
        if !seen.insert(name) {
            if !placed.repeated.contains(name) {
                placed.repeated.push(name.clone());
            }
            continue;
        }
        if !members.contains_key(name) && namespace_may_take(namespace, name) {
            placed.decisions.insert(name.clone(), Decision { wanted: false, reason: Reason::ClusterNotJoined });
        }
    }
    placed
}

/// Whether a placement by itself takes one joined cluster.
pub fn selects(placement: &Placement, name: &str, labels: &Member) -> bool {
    match &placement.clusters {
        Some(list) => list.iter().any(|listed| listed == name),
        None => one(placement, &Listed(None), name, labels).wanted,
    }
}

/// The names of a placement's list, for many questions.
struct Listed<'a>(Option<HashSet<&'a str>>);

impl<'a> Listed<'a> {
    fn of(placement: &'a Placement) -> Self {
        Self(placement.clusters.as_ref().map(|list| list.iter().map(String::as_str).collect()))
    }
}

fn one(placement: &Placement, listed: &Listed<'_>, name: &str, labels: &Member) -> Decision {
    let (wanted, reason) = match (&listed.0, &placement.selector) {
        (Some(list), _) if list.is_empty() => (false, Reason::NobodyNamed),
        (Some(list), _) if list.contains(name) => (true, Reason::Named),
        (Some(_), _) => (false, Reason::NotNamed),
        (None, None) => (false, Reason::NoPlacement),
        (None, Some(selector)) if selector.is_empty() => (true, Reason::AllClusters),
        (None, Some(selector)) if selector.matches_with(|key| labels.get(key).map(String::as_str)) => (true, Reason::Selected),
        (None, Some(_)) => (false, Reason::NotSelected),
    };
    Decision { wanted, reason }
}

fn within_namespace(decision: Decision, namespace: &NamespaceRule, listed: &Listed<'_>, name: &str, labels: &Member) -> Decision {
    let refuse = |reason| Decision { wanted: false, reason };
    match namespace {
        NamespaceRule::Reserved => refuse(Reason::NamespaceReserved),
        NamespaceRule::Free => decision,
        _ if !decision.wanted => decision,
        NamespaceRule::Missing => refuse(Reason::NamespaceNotFederated),
        NamespaceRule::Federated(placement) if one(placement, listed, name, labels).wanted => decision,
        NamespaceRule::Federated(_) => refuse(Reason::NamespaceNotPlaced),
    }
}

/// Whether a cluster that nobody has joined yet could get the namespace; its labels are not known.
fn namespace_may_take(namespace: &NamespaceRule, name: &str) -> bool {
    match namespace {
        NamespaceRule::Free => true,
        NamespaceRule::Missing | NamespaceRule::Reserved => false,
        NamespaceRule::Federated(placement) => match &placement.clusters {
            Some(list) => list.iter().any(|n| n == name),
            None => placement.selector.is_some(),
        },
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;
    use proptest::prelude::*;

    use super::*;

    fn members() -> BTreeMap<String, Member> {
        let labelled = |region: &str| Member::from([("region".to_owned(), region.to_owned())]);
        [("cluster1", "eu"), ("cluster2", "us"), ("cluster3", "eu")].map(|(n, r)| (n.to_owned(), labelled(r))).into()
    }

    fn placement(clusters: Option<&[&str]>, selector: Option<serde_json::Value>) -> Placement {
        Placement {
            clusters: clusters.map(|names| names.iter().map(|n| (*n).to_owned()).collect()),
            selector: selector.map(|s| LabelSelector::from_object(&s).unwrap()),
        }
    }

    fn show(placed: &Placed) -> String {
        placed.decisions.iter().map(|(name, d)| format!("{name} {} {:?}\n", if d.wanted { "yes" } else { "no " }, d.reason)).collect()
    }

    fn free(clusters: Option<&[&str]>, selector: Option<serde_json::Value>) -> String {
        show(&place(&placement(clusters, selector), &members(), &NamespaceRule::Free))
    }

    #[test]
    fn neither_list_nor_selector_places_nowhere() {
        assert_eq!(free(None, None), "cluster1 no  NoPlacement\ncluster2 no  NoPlacement\ncluster3 no  NoPlacement\n");
    }

    #[test]
    fn an_empty_selector_takes_every_cluster() {
        let all = "cluster1 yes AllClusters\ncluster2 yes AllClusters\ncluster3 yes AllClusters\n";
        assert_eq!(free(None, Some(json!({}))), all);
        assert_eq!(free(None, Some(json!({"matchLabels": {}}))), all);
    }

    #[test]
    fn a_selector_takes_the_clusters_whose_labels_match() {
        let expected = "cluster1 yes Selected\ncluster2 no  NotSelected\ncluster3 yes Selected\n";
        assert_eq!(free(None, Some(json!({"matchLabels": {"region": "eu"}}))), expected);
    }

    #[test]
    fn an_empty_list_places_nowhere_whatever_the_selector_says() {
        let none = "cluster1 no  NobodyNamed\ncluster2 no  NobodyNamed\ncluster3 no  NobodyNamed\n";
        assert_eq!(free(Some(&[]), Some(json!({}))), none);
    }

    #[test]
    fn a_list_wins_over_the_selector_and_unknown_names_are_reported() {
        let expected = "cluster1 no  NotNamed\ncluster2 yes Named\ncluster3 no  NotNamed\ncluster9 no  ClusterNotJoined\n";
        assert_eq!(free(Some(&["cluster2", "cluster9"]), Some(json!({}))), expected);
    }

    #[test]
    fn a_name_given_twice_counts_once_and_is_reported() {
        let placed = place(&placement(Some(&["cluster1", "cluster1", "cluster1"]), None), &members(), &NamespaceRule::Free);
        assert_eq!(placed.wanted().collect::<Vec<_>>(), ["cluster1"]);
        assert_eq!(placed.repeated, ["cluster1"]);
    }

    #[test]
    fn a_federated_namespace_limits_where_its_objects_go() {
        let rule = NamespaceRule::Federated(placement(Some(&["cluster1", "cluster8"]), None));
        let placed = place(&placement(Some(&["cluster1", "cluster2", "cluster8", "cluster9"]), None), &members(), &rule);
        assert_eq!(
            show(&placed),
            "cluster1 yes Named\ncluster2 no  NamespaceNotPlaced\ncluster3 no  NotNamed\ncluster8 no  ClusterNotJoined\n"
        );
    }

    #[test]
    fn a_missing_federated_namespace_and_a_reserved_one_place_nowhere() {
        let everywhere = placement(None, Some(json!({})));
        let missing = place(&everywhere, &members(), &NamespaceRule::Missing);
        assert!(missing.decisions.values().all(|d| *d == Decision { wanted: false, reason: Reason::NamespaceNotFederated }));
        let reserved = place(&everywhere, &members(), &NamespaceRule::Reserved);
        assert!(reserved.decisions.values().all(|d| *d == Decision { wanted: false, reason: Reason::NamespaceReserved }));
    }

    proptest! {
        #[test]
        fn the_order_of_the_list_does_not_matter(mut names in proptest::collection::vec("cluster[1-5]", 0..6), seed in 0usize..100) {
            let as_list = |names: &[String]| Placement { clusters: Some(names.to_vec()), selector: None };
            let before = place(&as_list(&names), &members(), &NamespaceRule::Free);
            let turn = if names.is_empty() { 0 } else { seed % names.len() };
            names.rotate_left(turn);
            names.reverse();
            let after = place(&as_list(&names), &members(), &NamespaceRule::Free);
            prop_assert_eq!(before.decisions, after.decisions);
        }
    }
}
