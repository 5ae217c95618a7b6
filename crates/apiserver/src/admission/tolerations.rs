//! Pods stay five minutes on a node that is not ready or not reachable, unless they say otherwise.

use async_trait::async_trait;
use comity_core::{Status, Value, json, object};

use super::{Admission, AdmissionContext};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: i64 = 300;

/// The plugin.
pub struct DefaultTolerationSeconds;

#[async_trait]
impl Admission for DefaultTolerationSeconds {
    fn name(&self) -> &str {
        "DefaultTolerationSeconds"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, pod: Option<&mut Value>, _old: Option<&Value>) -> Result<Vec<String>, Status> {
        if let Some(pod) = pod.filter(|_| context.is_new_pod()) {
            add(pod);
        }
        Ok(Vec::new())
    }
}

fn add(pod: &mut Value) {
    let mut tolerations = object::items_at(pod, &["spec", "tolerations"]).to_vec();
    let before = tolerations.len();
    for taint in TAINTS {
        let covers = |t: &Value| {
            let (key, effect) = (object::str_at(t, &["key"]), object::str_at(t, &["effect"]));
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !tolerations[..before].iter().any(covers) {
            tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}));
        }
    }
    if tolerations.len() > before {
        object::set(pod, &["spec", "tolerations"], Value::Array(tolerations));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_tolerations_are_added() {
        let mut pod = json!({"spec": {"tolerations": [{"key": TAINTS[0], "operator": "Exists", "effect": "NoExecute"}]}});
        add(&mut pod);
        let keys: Vec<&Value> = object::items_at(&pod, &["spec", "tolerations"]).iter().map(|t| &t["key"]).collect();
        assert_eq!(keys, TAINTS);
        let mut everything = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        add(&mut everything);
        assert_eq!(object::items_at(&everything, &["spec", "tolerations"]).len(), 1);
    }
}
