//! How a member is talked to.

use std::time::Duration;

use comity_core::json;
use comity_lane::{ClusterClient, client::wire};
use comity_testkit::{Cluster, Kind};
use futures::AsyncBufReadExt;

use crate::world::{World, gvr};

/// What a slow machine's second look at a member may take beside the one connection.
const AT_MOST: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn all_watches_of_a_member_and_all_writes_to_it_share_a_connection() {
    let (world, proxies) = World::proxied(1).await;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    let copies = world.watch(&world.members[0], gvr("", "configmaps"));
    for number in 0..20 {
        let federated = json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap",
            "metadata": {"name": format!("m{number}"), "namespace": "shop"},
            "spec": {"template": {"data": {"k": "v"}}, "placement": {"clusterSelector": {}}},
        });
        world.apply(&federated).await;
    }
    for number in 0..20 {
        copies.object("the copy", "shop", &format!("m{number}"), |_| true).await;
    }
    assert!(proxies[0].accepted() <= AT_MOST, "{} connections", proxies[0].accepted());
}

/// Sixty watches are told of eight large objects, and nobody reads any of them: that is far more than a stream may send.
#[tokio::test(flavor = "multi_thread")]
async fn watches_that_nobody_reads_stop_nobody_else_on_their_connection() {
    let cluster = Cluster::start("", "one", Kind::Embedded).await.unwrap();
    let mut config = kube::Config::new(cluster.url().parse().unwrap());
    config.accept_invalid_certs = true;
    config.auth_info = serde_json::from_value(json!({"token": cluster.token()})).unwrap();
    let http = wire::client(&config).unwrap();
    let mut unread = Vec::new();
    for _ in 0..60 {
        let watch = http::Request::get("/api/v1/namespaces/default/configmaps?watch=true").body(Vec::new()).unwrap();
        unread.push(http.request_stream(watch).await.unwrap());
    }
    let client = ClusterClient::new(http).with_timeout(Duration::from_secs(20));
    for number in 0..8 {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{number}")}, "data": {"text": "x".repeat(100_000)}});
        client.create(&gvr("", "configmaps"), "default", &map, "test").await.unwrap();
        assert!(client.get(&gvr("", "configmaps"), "default", &format!("m{number}")).await.unwrap().is_some());
    }
    for watch in &mut unread {
        let mut line = String::new();
        for number in 0..8 {
            line.clear();
            watch.read_line(&mut line).await.unwrap();
            assert!(line.contains(&format!("\"m{number}\"")), "{}", &line[..80]);
        }
    }
}
