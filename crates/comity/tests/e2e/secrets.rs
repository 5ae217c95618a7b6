//! What a secret holds is repeated nowhere.

use crate::fleet::Fleet;

/// Planted as text, as base64 of it, as a number, and as something that is no base64.
const TEXT: &str = "planted-4b1f-text";
const ENCODED: &str = "cGxhbnRlZC00YjFmLXRleHQ=";
const NUMBER: &str = "918273645546372819";
const BROKEN: &str = "planted!9c2d!broken";

fn manifests() -> String {
    let secret = |name: &str, template: &str, overrides: &str| {
        format!(
            "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedSecret\nmetadata: {{name: {name}, namespace: vault}}\nspec:\n  \
             placement: {{clusterSelector: {{}}}}\n  template: {{{template}}}\n  overrides: [{{clusterName: cluster1, clusterOverrides: [{overrides}]}}]\n---\n"
        )
    };
    [
        secret(
            "good",
            &format!("data: {{a: {ENCODED}}}, stringData: {{b: {TEXT}}}"),
            &format!("{{path: /data/c, op: add, value: {ENCODED}}}"),
        ),
        secret("number", &format!("data: {{pin: {NUMBER}}}"), ""),
        secret("broken", &format!("data: {{a: '{BROKEN}'}}"), ""),
        secret("odd-path", "data: {}", &format!("{{path: 'stringData={TEXT}', value: {TEXT}}}")),
        secret("no-such-path", "data: {}", &format!("{{path: /nothing/{TEXT}, value: {TEXT}}}")),
        secret("odd-op", "data: {}", &format!("{{path: /data, op: replace, value: {TEXT}}}")),
        secret("typed", &format!("type: {TEXT}, data: {{a: {ENCODED}}}, immutable: {TEXT}"), ""),
    ]
    .concat()
}

pub(crate) fn planted(fleet: &mut Fleet) {
    fleet.set(&[("COMITY_LOG".to_owned(), "trace".into()), ("RUST_BACKTRACE".to_owned(), "1".into())]);
    fleet.restart();
    fleet.hub(&["create", "namespace", "vault"]);
    let applied = fleet.try_hub_with(&["apply", "-f", "-"], &manifests());
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    for (name, cluster, status) in [
        ("number", "cluster2", "CreationFailed"),
        ("broken", "cluster2", "CreationFailed"),
        ("odd-path", "cluster1", "ApplyOverridesFailed"),
        ("no-such-path", "cluster1", "ApplyOverridesFailed"),
        ("odd-op", "cluster1", "CreationFailed"),
        ("typed", "cluster2", "CreationFailed"),
    ] {
        let told = format!("--for=jsonpath={{.status.clusters[?(@.name==\"{cluster}\")].status}}={status}");
        fleet.hub(&["wait", "federatedsecret", name, "-n", "vault", &told, "--timeout=30s"]);
    }
    fleet.hub(&["wait", "federatedsecret/good", "-n", "vault", "--for=condition=Propagation", "--timeout=30s"]);
    // A member that dies in the middle, and a change that cannot reach it.
    fleet.kill_member("cluster3");
    let change = format!("{{\"spec\":{{\"template\":{{\"stringData\":{{\"b\":\"{TEXT}-changed\"}}}}}}}}");
    fleet.hub(&["patch", "federatedsecret", "good", "-n", "vault", "--type=merge", "-p", &change]);
    let away = "--for=jsonpath={.status.clusters[?(@.name==\"cluster3\")].status}=ClusterNotReady";
    fleet.hub(&["wait", "federatedsecret/good", "-n", "vault", away, "--timeout=60s"]);
    // Drift in a member.
    fleet.member(
        "cluster1",
        &["patch", "secret", "good", "-n", "vault", "--type=merge", "-p", &format!("{{\"data\":{{\"c\":\"{ENCODED}\",\"a\":\"eA==\"}}}}")],
    );
    fleet
        .until("the repair", || fleet.member("cluster1", &["get", "secret", "good", "-n", "vault", "-o", "jsonpath={.data.a}"]) == ENCODED);

    let mut said = vec![("the log".to_owned(), fleet.log()), ("the logs of members".to_owned(), fleet.logs_of_members())];
    for (what, args) in [
        ("status", &["get", "federatedsecrets", "-n", "vault", "-o", "jsonpath={.items[*].status}"][..]),
        ("marks", &["get", "federatedsecrets", "-n", "vault", "-o", "jsonpath={.items[*].metadata.finalizers}"]),
        ("clusters", &["get", "kubefedclusters", "-A", "-o", "yaml"]),
        ("events", &["get", "events", "-A", "-o", "yaml"]),
    ] {
        said.push((what.to_owned(), fleet.hub(args)));
    }
    for cluster in ["cluster1", "cluster2"] {
        said.push((format!("events of {cluster}"), fleet.member(cluster, &["get", "events", "-A", "-o", "yaml"])));
        let marks = ["get", "secrets", "-n", "vault", "-o", "jsonpath={.items[*].metadata}"];
        said.push((format!("marks in {cluster}"), fleet.member(cluster, &marks)));
    }
    for name in ["good", "number", "broken", "odd-path", "no-such-path", "odd-op", "typed"] {
        for output in [&[][..], &["-o", "json"]] {
            let ran = fleet.comity(&[&["why", "federatedsecret", name, "-n", "vault"], output].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            said.push((format!("why {name}"), ran.stdout + &ran.stderr));
        }
    }
    said.push(("comity status".to_owned(), fleet.comity(&["status", "-o", "json"]).stdout));
    assert!(said[0].1.len() > 100_000, "a trace log is long");
    let token = fleet.hub(&["get", "secrets", "-n", "kube-federation-system", "-o", "jsonpath={.items[0].data.token}"]);
    let plain_token = String::from_utf8(decode(&token)).unwrap();
    for (what, text) in &said {
        for planted in [TEXT, ENCODED, NUMBER, BROKEN, &token, &plain_token] {
            if let Some(at) = text.find(planted) {
                let from = text[..at].rfind('\n').map_or(0, |line| line + 1).max(at.saturating_sub(400));
                panic!("{what} holds {planted:?}: {}", text[from..].chars().take(900).collect::<String>());
            }
        }
    }
    fleet.start_member("cluster3");
    fleet.wait("federatedsecret/good", "vault", "condition=Propagation");
    fleet.set(&[("COMITY_LOG".to_owned(), "warn,kube_client=off".into())]);
    fleet.hub(&["delete", "federatedsecrets", "--all", "-n", "vault", "--timeout=60s"]);
    fleet.restart();
}

fn decode(base64: &str) -> Vec<u8> {
    let value = |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|k| *k == c).map(|v| v as u32);
    let digits: Vec<u32> = base64.bytes().filter_map(value).collect();
    let bytes = digits.chunks(4).flat_map(|chunk| {
        let bits = chunk.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - chunk.len()));
        (bits << 8).to_be_bytes()[..chunk.len() - 1].to_vec()
    });
    bytes.collect()
}
