//! The verbs of stock kubectl against one cluster: what a user of the oldest and the newest client notices.

use crate::fleet::Fleet;

const DEPLOYMENT: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'web:1', ports: [{containerPort: 80}]}]}
";

const OUTSIDE: &str = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n";

#[test]
fn the_newest_kubectl_finds_its_verbs() {
    walk("v1.36");
}

#[test]
fn the_oldest_kubectl_finds_its_verbs() {
    walk("v1.32");
}

fn walk(minor: &str) {
    let Some(fleet) = Fleet::demo(minor, &["--members=1"]) else { return };
    creations(&fleet);
    reading(&fleet);
    applying(&fleet);
    changes(&fleet);
    rollouts(&fleet);
    deletions(&fleet);
    refusals(&fleet);
}

fn member(fleet: &Fleet, args: &[&str]) -> String {
    fleet.member("cluster1", args)
}

/// What the client said when it failed.
fn refused(fleet: &Fleet, args: &[&str], input: &str) -> String {
    let ran = fleet.try_member_with("cluster1", args, input);
    assert_ne!(ran.code, 0, "{args:?}\n{}", ran.stdout);
    ran.stderr
}

/// The typed subcommands send binary bodies.
fn creations(fleet: &Fleet) {
    for (arguments, answer) in [
        ("configmap a --from-literal=k=v", "configmap/a created"),
        ("secret generic s --from-literal=k=v", "secret/s created"),
        ("secret docker-registry d --docker-server=r --docker-username=u --docker-password=p", "secret/d created"),
        ("serviceaccount acc", "serviceaccount/acc created"),
        ("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created"),
        ("rolebinding r --role=r --serviceaccount=default:acc", "rolebinding.rbac.authorization.k8s.io/r created"),
        ("clusterrole cr --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/cr created"),
        ("clusterrolebinding cr --clusterrole=cr --user=bob", "clusterrolebinding.rbac.authorization.k8s.io/cr created"),
        ("service clusterip c --tcp=80:8080", "service/c created"),
        ("service nodeport n --tcp=80:8080", "service/n created"),
        ("service externalname e --external-name=example.com", "service/e created"),
        ("job j --image=busybox", "job.batch/j created"),
        ("cronjob cj --image=busybox --schedule=@daily", "cronjob.batch/cj created"),
        ("ingress i --rule=example.com/=c:80", "ingress.networking.k8s.io/i created"),
        ("pdb p --selector=app=other --min-available=1", "poddisruptionbudget.policy/p created"),
        ("priorityclass pc --value=100", "priorityclass.scheduling.k8s.io/pc created"),
        ("quota q --hard=pods=100", "resourcequota/q created"),
        ("namespace other", "namespace/other created"),
    ] {
        let args: Vec<&str> = ["create"].into_iter().chain(arguments.split(' ')).collect();
        assert_eq!(member(fleet, &args).trim_end(), answer);
    }
    assert_eq!(member(fleet, &["create", "token", "acc"]).trim_end().split('.').count(), 3);
    let twice = refused(fleet, &["create", "configmap", "a"], "");
    assert!(twice.contains("configmaps \"a\" already exists"), "{twice}");
}

fn reading(fleet: &Fleet) {
    assert_eq!(member(fleet, &["get", "configmap", "a", "-o", "name"]), "configmap/a\n");
    assert_eq!(member(fleet, &["get", "configmap", "a", "-o", "jsonpath={.data.k}"]), "v");
    assert!(member(fleet, &["get", "configmap", "a", "-o", "yaml"]).starts_with("apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\n"));
    let wide = member(fleet, &["get", "rolebinding", "r", "-o", "wide"]);
    assert_eq!(wide.lines().next().unwrap().split_whitespace().last(), Some("SERVICEACCOUNTS"), "{wide}");
    let pages = member(fleet, &["get", "services", "--chunk-size=1", "-o", "name"]);
    assert_eq!(pages, "service/c\nservice/e\nservice/kubernetes\nservice/n\n");
    assert_eq!(member(fleet, &["auth", "can-i", "get", "nodes", "--as=bob"]).trim_end(), "yes");
    assert_eq!(fleet.try_member("cluster1", &["auth", "can-i", "delete", "nodes", "--as=bob"]).stdout.trim_end(), "no");
    assert!(member(fleet, &["explain", "deployment.spec.replicas"]).contains("FIELD: replicas <integer>"));
    let resources = member(fleet, &["api-resources", "--api-group=apps", "-o", "name"]);
    assert_eq!(
        resources.split_whitespace().collect::<Vec<_>>(),
        ["controllerrevisions.apps", "daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps"]
    );
    assert!(member(fleet, &["describe", "service", "c"]).contains("TargetPort:"));
}

fn applying(fleet: &Fleet) {
    let apply = |flags: &[&str], text: &str| {
        let ran = fleet.try_member_with("cluster1", &[&["apply", "-f", "-"], flags].concat(), text);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    assert_eq!(apply(&[], DEPLOYMENT), "deployment.apps/web created\n");
    assert_eq!(apply(&[], DEPLOYMENT), "deployment.apps/web unchanged\n");
    let three = DEPLOYMENT.replace("replicas: 2", "replicas: 3");
    assert_eq!(apply(&["--dry-run=server"], &three), "deployment.apps/web configured (server dry run)\n");
    let difference = fleet.try_member_with("cluster1", &["diff", "-f", "-"], &three);
    assert_eq!(difference.code, 1, "{}", difference.stderr);
    assert!(difference.stdout.contains("-  replicas: 2\n+  replicas: 3\n"), "{}", difference.stdout);
    assert_eq!(apply(&["--server-side"], DEPLOYMENT), "deployment.apps/web serverside-applied\n");
    let conflict = refused(fleet, &["apply", "-f", "-", "--server-side", "--field-manager=other"], &three);
    assert!(conflict.contains("Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas"), "{conflict}");
    apply(&["--server-side", "--field-manager=other", "--force-conflicts"], &three);
    assert_eq!(member(fleet, &["get", "deployment/web", "-o", "jsonpath={.spec.replicas}"]), "3");
}

fn changes(fleet: &Fleet) {
    let replicas = || member(fleet, &["get", "deployment/web", "-o", "jsonpath={.spec.replicas}"]);
    member(fleet, &["patch", "deployment/web", "-p", r#"{"spec":{"replicas":1}}"#]);
    assert_eq!(replicas(), "1");
    member(fleet, &["patch", "deployment/web", "--type=merge", "-p", r#"{"spec":{"replicas":2}}"#]);
    assert_eq!(replicas(), "2");
    member(fleet, &["patch", "deployment/web", "--type=json", "-p", r#"[{"op":"replace","path":"/spec/replicas","value":3}]"#]);
    assert_eq!(replicas(), "3");
    member(fleet, &["scale", "deployment/web", "--replicas=2"]);
    assert_eq!(replicas(), "2");
    member(fleet, &["label", "deployment/web", "tier=front"]);
    assert!(refused(fleet, &["label", "deployment/web", "tier=back"], "").contains("--overwrite is false"));
    assert_eq!(member(fleet, &["get", "deployments", "-l", "tier=front", "-o", "name"]), "deployment.apps/web\n");
    assert_eq!(member(fleet, &["label", "deployment/web", "tier-"]), "deployment.apps/web unlabeled\n");
    member(fleet, &["annotate", "deployment/web", "note=one"]);
    let edited = fleet.shell("KUBE_EDITOR='sed -i s/note:.one/note:\\ two/' kubectl --context=cluster1-context edit deployment/web");
    assert_eq!(edited.code, 0, "{}", edited.stderr);
    assert_eq!(member(fleet, &["get", "deployment/web", "-o", "jsonpath={.metadata.annotations.note}"]), "two");
    let live = member(fleet, &["get", "configmap", "a", "-o", "yaml"]).replace("k: v", "k: w");
    assert_eq!(fleet.try_member_with("cluster1", &["replace", "-f", "-"], &live).stdout, "configmap/a replaced\n");
    let stale = refused(fleet, &["replace", "-f", "-"], &live);
    assert!(stale.contains("(Conflict)") && stale.contains("the object has been modified"), "{stale}");
}

fn rollouts(fleet: &Fleet) {
    let image = || member(fleet, &["get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"]);
    let settled = || assert!(member(fleet, &["rollout", "status", "deployment/web", "--timeout=60s"]).contains("successfully rolled out"));
    settled();
    member(fleet, &["wait", "deployment/web", "--for=condition=Available", "--timeout=60s"]);
    member(fleet, &["rollout", "pause", "deployment/web"]);
    member(fleet, &["set", "image", "deployment/web", "c=web:2"]);
    member(fleet, &["rollout", "resume", "deployment/web"]);
    settled();
    assert_eq!(image(), "web:2");
    member(fleet, &["rollout", "undo", "deployment/web"]);
    settled();
    assert_eq!(image(), "web:1");
}

fn deletions(fleet: &Fleet) {
    member(fleet, &["delete", "deployment/web", "--cascade=orphan"]);
    // Pods of the last rollout may still be on their way out; the two of the kept set stay.
    fleet.until("the pods stay", || member(fleet, &["get", "pods", "-l", "app=web", "-o", "name"]).lines().count() == 2);
    assert!(refused(fleet, &["get", "deployment/web"], "").contains("(NotFound)"));
    member(fleet, &["delete", "replicasets", "-l", "app=web", "--cascade=foreground", "--timeout=60s"]);
    assert_eq!(member(fleet, &["get", "pods,replicasets", "-l", "app=web", "-o", "name"]), "");
    member(fleet, &["patch", "configmap/a", "--type=merge", "-p", r#"{"metadata":{"finalizers":["example.com/hold"]}}"#]);
    member(fleet, &["delete", "configmap/a", "--wait=false"]);
    assert_ne!(member(fleet, &["get", "configmap/a", "-o", "jsonpath={.metadata.deletionTimestamp}"]), "");
    member(fleet, &["patch", "configmap/a", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    member(fleet, &["wait", "configmap/a", "--for=delete", "--timeout=20s"]);
    member(fleet, &["delete", "namespace/other", "--timeout=60s"]);
    assert!(refused(fleet, &["get", "namespace/other"], "").contains("namespaces \"other\" not found"));
}

fn refusals(fleet: &Fleet) {
    assert!(refused(fleet, &["top", "nodes"], "").contains("Metrics API not available"));
    let unknown = refused(fleet, &["create", "-f", "-"], OUTSIDE);
    assert!(unknown.contains("no matches for kind \"Widget\" in version \"example.com/v1\""), "{unknown}");
    let negative = refused(fleet, &["create", "-f", "-"], &DEPLOYMENT.replace("replicas: 2", "replicas: -2"));
    assert!(negative.contains("spec.replicas: Invalid value: -2: must be greater than or equal to 0"), "{negative}");
    let selector = refused(fleet, &["get", "pods", "--field-selector=color=red"], "");
    assert!(selector.contains("field label not supported: color"), "{selector}");
    let protected = refused(fleet, &["delete", "namespace", "default"], "");
    assert!(protected.contains("this namespace may not be deleted"), "{protected}");
}
