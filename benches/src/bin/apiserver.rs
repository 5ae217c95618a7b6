//! Measures the API server over loopback TLS and HTTP/2, next to a server that does nothing on the same connection.
//!
//! Clients and server share this process and its processors, in both cases.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use comity_apiserver::{ApiServer, Config};
use comity_benches::http2::Connection;
use comity_benches::objects::config_map;
use comity_benches::report::{Table, bytes, note, rate, ratio, time};
use comity_benches::timing::{Measured, clients};
use comity_benches::{echo, limits, process};
use comity_pki::{Authority, ServerTls, random_token};
use comity_store::{Options, Store};
use http::Method;
use http_body_util::BodyExt;

/// Measures the API server.
#[derive(Parser)]
struct Arguments {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Bytes per object.
    #[arg(long, default_value_t = 2048)]
    size: usize,
    /// Objects in the measurements of lists.
    #[arg(long, default_value_t = 10_000)]
    objects: usize,
    /// Watchers in the largest fan-out.
    #[arg(long, default_value_t = 1000)]
    watchers: usize,
    /// Where the store's files go: the disk to measure.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
}

struct Bench {
    arguments: Arguments,
    directory: tempfile::TempDir,
    authority: Authority,
    token: String,
    server: SocketAddr,
    nothing: SocketAddr,
}

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let before = process::resident().unwrap_or(0);
    let directory = tempfile::Builder::new().prefix("bench-apiserver-").tempdir_in(&arguments.directory)?;
    let authority = Authority::new("bench-ca")?;
    let tls = ServerTls::new(&authority.issue_server(&["localhost"], &[])?, None)?;
    let token = random_token();
    let store = Store::open(Options::fjall(directory.path().join("store")))?;
    let start = std::time::Instant::now();
    let mut config = Config::new("bench", store, tls.config());
    config.admin_tokens = vec![token.clone()];
    let running: ApiServer = comity_apiserver::start(config).await?;
    let ready = start.elapsed();
    let idle = process::resident().unwrap_or(0).saturating_sub(before);
    let nothing = echo::start(tls.config()).await?;
    note(&format!("Started in {}, {} resident. Objects of {} bytes.", time(ready), bytes(idle), arguments.size));
    let bench = Bench { arguments, directory, authority, token, server: running.address(), nothing };
    bench.creates().await?;
    bench.gets().await?;
    bench.lists().await?;
    bench.fan_out().await?;
    running.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

impl Bench {
    fn time(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds)
    }

    async fn pool(&self, address: SocketAddr, clients: usize) -> anyhow::Result<Vec<Connection>> {
        Connection::pool(clients, address, self.authority.certificate_pem(), &self.token).await
    }

    /// Many clients sending requests; `request` makes path and body of a client's n-th one.
    async fn run(
        &self,
        address: SocketAddr,
        count: usize,
        method: Method,
        request: impl Fn(usize, u64) -> (String, Bytes) + Clone + Send + Sync + 'static,
    ) -> anyhow::Result<Measured> {
        let pool = self.pool(address, count).await?;
        let operation = move |client: usize, number: u64| {
            let connection = pool.get(client % pool.len()).cloned();
            let (path, body) = request(client, number);
            let method = method.clone();
            async move {
                let connection = connection.ok_or_else(|| anyhow::anyhow!("no connection"))?;
                connection.exchange(method, &path, body).await.map(drop)
            }
        };
        clients(count, self.time(), operation).await
    }

    async fn creates(&self) -> anyhow::Result<()> {
        let heads = ["clients", "creates/s", "nothing/s", "of nothing", "fsync loop/s", "creates per fsync", "p50", "p99"];
        let mut table = Table::new("durable creates", &heads);
        let size = self.arguments.size;
        for count in [1, 64] {
            let body = move |name: &str| Bytes::from(config_map("default", name, size).to_string());
            let disk = limits::fsync_loop(self.directory.path(), size * count, self.time() / 3)?;
            let idle =
                self.run(self.nothing, count, Method::POST, move |_, number| (format!("/{size}"), body(&number.to_string()))).await?;
            let create = move |client, number| {
                let name = format!("c{count}-{client}-{number}");
                (COLLECTION.to_owned(), body(&name))
            };
            let measured = self.run(self.server, count, Method::POST, create).await?;
            table.row([
                count.to_string(),
                rate(measured.rate()),
                rate(idle.rate()),
                ratio(measured.rate(), idle.rate()),
                rate(disk.rate()),
                format!("{:.1}", measured.rate() / disk.rate()),
                time(measured.percentile(0.5)),
                time(measured.percentile(0.99)),
            ]);
        }
        table.print();
        Ok(())
    }

    async fn gets(&self) -> anyhow::Result<()> {
        let mut table = Table::new("gets", &["clients", "gets/s", "nothing/s", "of nothing", "p50", "p99"]);
        let size = self.arguments.size;
        for count in [1, 64] {
            let idle = self.run(self.nothing, count, Method::GET, move |_, _| (format!("/{size}"), Bytes::new())).await?;
            let get = |_, _| (format!("{COLLECTION}/c1-0-0"), Bytes::new());
            let measured = self.run(self.server, count, Method::GET, get).await?;
            table.row([
                count.to_string(),
                rate(measured.rate()),
                rate(idle.rate()),
                ratio(measured.rate(), idle.rate()),
                time(measured.percentile(0.5)),
                time(measured.percentile(0.99)),
            ]);
        }
        table.print();
        Ok(())
    }

    /// Lists of everything, one after the other, in a namespace that holds exactly the wanted number.
    async fn lists(&self) -> anyhow::Result<()> {
        let (objects, size) = (self.arguments.objects, self.arguments.size);
        let connection = self.pool(self.server, 1).await?.remove(0);
        let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"many"}}"#;
        connection.exchange(Method::POST, "/api/v1/namespaces", namespace.into()).await?;
        let collection = "/api/v1/namespaces/many/configmaps";
        let next = Arc::new(AtomicU64::new(0));
        let pool = self.pool(self.server, 64).await?;
        let fill = (0..64usize).map(|client| {
            let (next, connection) = (next.clone(), pool.get(client % pool.len()).cloned());
            tokio::spawn(async move {
                let connection = connection.ok_or_else(|| anyhow::anyhow!("no connection"))?;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= objects as u64 {
                        return Ok::<_, anyhow::Error>(());
                    }
                    let object = config_map("many", &format!("object-{number:07}"), size);
                    connection.exchange(Method::POST, collection, object.to_string().into()).await?;
                }
            })
        });
        for task in fill.collect::<Vec<_>>() {
            task.await??;
        }
        let length = connection.exchange(Method::GET, collection, Bytes::new()).await?;
        let mut table = Table::new(
            &format!("lists of {objects} objects"),
            &["what", "bytes", "until the last byte, p50", "nothing, p50", "times nothing"],
        );
        let none = format!("{collection}?labelSelector=app%3Dnone");
        let pages = format!("{collection}?limit=500");
        for (what, path) in [("all", collection.to_owned()), ("page of 500", pages), ("selector without match", none)] {
            let length = if what == "all" { length } else { connection.exchange(Method::GET, &path, Bytes::new()).await? };
            let idle = self.run(self.nothing, 1, Method::GET, move |_, _| (format!("/{length}"), Bytes::new())).await?;
            let measured = self.run(self.server, 1, Method::GET, move |_, _| (path.clone(), Bytes::new())).await?;
            let (mine, limit) = (measured.percentile(0.5), idle.percentile(0.5));
            table.row([
                what.to_owned(),
                bytes(length as u64),
                time(mine),
                time(limit),
                format!("{:.2}", mine.as_secs_f64() / limit.as_secs_f64().max(f64::EPSILON)),
            ]);
        }
        table.print();
        Ok(())
    }

    /// One writer and many watchers; the next write follows when every watcher has the last one.
    async fn fan_out(&self) -> anyhow::Result<()> {
        let mut table =
            Table::new("watch fan-out", &["watchers", "events/s", "deliveries/s", "p50 until the last has it", "p99", "resident"]);
        let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"watched"}}"#;
        let writer = self.pool(self.server, 1).await?.remove(0);
        writer.exchange(Method::POST, "/api/v1/namespaces", namespace.into()).await?;
        let (size, most) = (self.arguments.size, self.arguments.watchers as u64);
        for count in [1, most.div_ceil(10), most] {
            let delivered = Arc::new(AtomicU64::new(0));
            let mut watchers = Vec::new();
            let pool = self.pool(self.server, usize::try_from(count)?.min(160)).await?;
            for watcher in 0..usize::try_from(count)? {
                let connection = pool.get(watcher % pool.len()).cloned().ok_or_else(|| anyhow::anyhow!("no connection"))?;
                // Later events only: the revision is the one of the last write.
                let path = format!("/api/v1/namespaces/watched/configmaps?watch=true&resourceVersion={}", self.revision(&writer).await?);
                let mut body = connection.send(Method::GET, &path, Bytes::new()).await?.into_body();
                let delivered = delivered.clone();
                watchers.push(tokio::spawn(async move {
                    while let Some(Ok(frame)) = body.frame().await {
                        let lines = frame.data_ref().map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
                        delivered.fetch_add(lines as u64, Ordering::Relaxed);
                    }
                }));
            }
            let (sender, seen) = (writer.clone(), delivered.clone());
            let measured = clients(1, self.time(), move |_, number| {
                let (sender, seen) = (sender.clone(), seen.clone());
                async move {
                    let object = config_map("watched", &format!("w{count}-{number}"), size).to_string();
                    sender.exchange(Method::POST, "/api/v1/namespaces/watched/configmaps", object.into()).await?;
                    while seen.load(Ordering::Relaxed) < (number + 1) * count {
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, anyhow::Error>(())
                }
            });
            let measured = measured.await?;
            for watcher in watchers {
                watcher.abort();
            }
            table.row([
                count.to_string(),
                rate(measured.rate()),
                rate(measured.rate() * count as f64),
                time(measured.percentile(0.5)),
                time(measured.percentile(0.99)),
                bytes(process::resident().unwrap_or(0)),
            ]);
        }
        table.print();
        Ok(())
    }

    /// The server's current revision.
    async fn revision(&self, connection: &Connection) -> anyhow::Result<String> {
        let response = connection.send(Method::GET, "/api/v1/namespaces/watched/configmaps?limit=1", Bytes::new()).await?;
        let text = response.into_body().collect().await?.to_bytes();
        let list = comity_core::decode_json(&text).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(comity_core::object::resource_version(&list.value).to_owned())
    }
}
