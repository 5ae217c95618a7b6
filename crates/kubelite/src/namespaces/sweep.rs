//! Deletes what is in a namespace and counts what is left.

use std::collections::BTreeMap;

use comity_core::object;
use comity_runtime::lane::{ClientError, ClusterClient, DeleteOptions, Discovery, ListOptions, Propagation, client::Resource};
use futures::{StreamExt, stream};

/// Requests in flight.
const AT_ONCE: usize = 8;

/// What is left in a namespace.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Left {
    /// Objects by resource.
    pub(super) objects: BTreeMap<String, usize>,
    /// Objects by finalizer.
    pub(super) finalizers: BTreeMap<String, usize>,
    /// Resources that could not be emptied.
    pub(super) failures: Vec<String>,
    /// Groups that could not be discovered.
    pub(super) undiscovered: Vec<String>,
    /// Whether only pods were deleted so far.
    pub(super) pods_first: bool,
}

impl Left {
    /// Whether nothing is left and nothing is unknown.
    pub(super) fn is_clean(&self) -> bool {
        self.objects.is_empty() && self.failures.is_empty() && self.undiscovered.is_empty()
    }

    fn count(&mut self, resource: &Resource, result: Result<Vec<Vec<String>>, ClientError>) {
        match result {
            Ok(objects) => {
                if !objects.is_empty() {
                    self.objects.insert(display(resource), objects.len());
                }
                for finalizer in objects.into_iter().flatten() {
                    *self.finalizers.entry(finalizer).or_default() += 1;
                }
            }
            // it has stopped being served meanwhile
            Err(error) if error.is_not_found() => {}
            Err(error) => self.failures.push(format!("{}: {error}", display(resource))),
        }
    }
}

/// `deployments.apps`; the dot stays for the core group, as the conditions have it.
fn display(resource: &Resource) -> String {
    format!("{}.{}", resource.gvr.resource, resource.gvr.group)
}

pub(super) async fn sweep(client: &ClusterClient, discovery: &Discovery, namespace: &str) -> Left {
    let mut left =
        Left { undiscovered: discovery.failed.iter().map(|(group, why)| format!("{group}: {why}")).collect(), ..Left::default() };
    let (pods, rest): (Vec<Resource>, Vec<Resource>) = discovery
        .preferred()
        .filter(|resource| resource.namespaced && resource.can("delete") && resource.can("list"))
        .cloned()
        .partition(|resource| resource.gvr.group.is_empty() && resource.gvr.resource == "pods");
    empty_all(client, namespace, pods, &mut left).await;
    if !left.objects.is_empty() {
        left.pods_first = true;
        return left;
    }
    empty_all(client, namespace, rest, &mut left).await;
    left
}

async fn empty_all(client: &ClusterClient, namespace: &str, resources: Vec<Resource>, left: &mut Left) {
    let emptied = stream::iter(resources).map(|resource| async move {
        let result = empty(client, namespace, &resource).await;
        (resource, result)
    });
    let mut emptied = std::pin::pin!(emptied.buffer_unordered(AT_ONCE));
    while let Some((resource, result)) = emptied.next().await {
        left.count(&resource, result);
    }
}

/// Deletes the objects of one resource; returns the finalizers of each one that is left.
async fn empty(client: &ClusterClient, namespace: &str, resource: &Resource) -> Result<Vec<Vec<String>>, ClientError> {
    let there = client.list(&resource.gvr, Some(namespace), &ListOptions::default()).await?.items;
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let background = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    if there.iter().any(|o| !object::is_deleting(o)) {
        if resource.can("deletecollection") {
            client.delete_collection(&resource.gvr, namespace, "", &background).await?;
        } else {
            for object in there.iter().filter(|o| !object::is_deleting(o)) {
                client.delete(&resource.gvr, namespace, object::name(object), &background).await?;
            }
        }
    }
    let left = client.list(&resource.gvr, Some(namespace), &ListOptions::default()).await?.items;
    Ok(left.iter().map(|object| object::finalizers(object).map(str::to_owned).collect()).collect())
}
