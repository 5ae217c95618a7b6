//! Measures the store: commits against an fsync loop, reads, watches, memory, and opening again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use comity_benches::objects::config_map;
use comity_benches::report::{Table, bytes, note, rate, ratio, time};
use comity_benches::timing::{clients, repeat};
use comity_benches::{limits, process};
use comity_store::{Expect, Key, Options, Page, Store};

/// Measures the store.
#[derive(Parser)]
struct Arguments {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Bytes per object.
    #[arg(long, default_value_t = 2048)]
    size: usize,
    /// Objects in the measurements of lists, memory and opening.
    #[arg(long, default_value_t = 100_000)]
    objects: usize,
    /// Where the store's files go: the disk to measure.
    #[arg(long, default_value = "target")]
    directory: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let directory = tempfile::Builder::new().prefix("bench-store-").tempdir_in(&arguments.directory)?;
    note(&format!("Objects of {} bytes on the disk of {}.", arguments.size, arguments.directory.display()));
    commits(directory.path(), &arguments).await?;
    memory_and_reads(directory.path(), &arguments).await?;
    watches(&arguments).await
}

fn key(name: &str) -> Key {
    Key::new("configmaps", "default", name)
}

/// Durable creates by more and more clients. The limit is what an fsync loop of one record allows when every client
/// gets one record into each sync.
async fn commits(directory: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let time_each = Duration::from_secs(arguments.seconds);
    let store = Store::open(Options::fjall(directory.join("commits")))?;
    let mut table =
        Table::new("durable creates", &["clients", "commits/s", "fsync loop/s", "commits per fsync", "of the limit", "p50", "p99"]);
    for count in [1, 16, 64, 256] {
        let limit = limits::fsync_loop(directory, arguments.size * count, time_each / 2)?;
        let (writer, size) = (store.clone(), arguments.size);
        let measured = clients(count, time_each, move |client, number| {
            let store = writer.clone();
            async move {
                let name = format!("{count}-{client}-{number}");
                store.put(key(&name), Expect::Absent, &config_map("default", &name, size)).await.map(drop)
            }
        });
        let measured = measured.await?;
        table.row([
            count.to_string(),
            rate(measured.rate()),
            rate(limit.rate()),
            format!("{:.1}", measured.rate() / limit.rate()),
            ratio(measured.rate(), limit.rate() * count as f64),
            time(measured.percentile(0.5)),
            time(measured.percentile(0.99)),
        ]);
    }
    table.print();
    store.close().await;
    Ok(())
}

/// Fills a store, reads from it, and opens it again.
async fn memory_and_reads(directory: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let directory = directory.join("reads");
    let options = || Options { sync: false, ..Options::fjall(&directory) };
    let before = process::resident().unwrap_or(0);
    let store = Store::open(options())?;
    let mut table = Table::new(&format!("{} objects", arguments.objects), &["what", "result"]);
    let start = Instant::now();
    for number in 0..arguments.objects {
        let name = format!("object-{number:07}");
        store.put(key(&name), Expect::Absent, &config_map("default", &name, arguments.size)).await?;
    }
    table.row(["filling, not synced".into(), time(start.elapsed())]);
    let grown = process::resident().unwrap_or(0).saturating_sub(before);
    let overhead = (grown / arguments.objects.max(1) as u64).saturating_sub(arguments.size as u64);
    table.row(["resident memory after filling".into(), bytes(grown)]);
    table.row(["per object above its JSON, with history and disk buffers".into(), bytes(overhead)]);

    let time_each = Duration::from_secs(arguments.seconds.min(2));
    let some: Vec<Key> = (0..1000).map(|number| key(&format!("object-{:07}", number * arguments.objects / 1000))).collect();
    let gets = repeat(time_each, |number| {
        let found = some.get(number as usize % some.len()).and_then(|key| store.get(key));
        found.map(drop).ok_or_else(|| anyhow::anyhow!("an object is missing"))
    })?;
    table.row(["gets/s, one thread".into(), rate(gets.rate())]);
    let listing = repeat(time_each, |_| {
        let listing = store.list("configmaps", None);
        anyhow::ensure!(listing.entries.len() == arguments.objects, "objects are missing");
        Ok(())
    })?;
    table.row(["snapshot of all objects, median".into(), time(listing.percentile(0.5))]);
    let mut out = Vec::new();
    let copying = repeat(time_each, |_| {
        out.clear();
        for entry in store.list("configmaps", None).entries {
            entry.body.write_to(entry.rev, &mut out);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    table.row([format!("their JSON ({})", bytes(out.len() as u64)), time(copying.percentile(0.5))]);
    drop(out);
    let selected = repeat(time_each, |_| {
        let matching = store.select("configmaps", None, &Page::default(), |entry| entry.facts.label("app") == Some("none"))?;
        anyhow::ensure!(matching.entries.is_empty(), "a label matched that should not");
        Ok(())
    })?;
    table.row(["label-selected empty list".into(), time(selected.percentile(0.5))]);
    store.close().await;
    drop(store);
    let start = Instant::now();
    let store = Store::open(options())?;
    table.row(["opening again".into(), time(start.elapsed())]);
    anyhow::ensure!(store.list("configmaps", None).entries.len() == arguments.objects, "objects are missing after opening again");
    table.print();
    Ok(())
}

/// Events handed to many watchers of one resource, without a network.
async fn watches(arguments: &Arguments) -> anyhow::Result<()> {
    let mut table = Table::new("watch fan-out in memory", &["watchers", "events/s", "deliveries/s", "p99 until the last watcher has it"]);
    for count in [1, 100, 1000] {
        let store = Store::open(Options::mem())?;
        let delivered = Arc::new(AtomicU64::new(0));
        let mut watchers = Vec::new();
        for _ in 0..count {
            let mut cursor = store.watch("configmaps", store.revision())?;
            let delivered = delivered.clone();
            watchers.push(tokio::spawn(async move {
                while let Ok(events) = cursor.next_batch().await {
                    delivered.fetch_add(events.len() as u64, Ordering::Relaxed);
                }
            }));
        }
        let (writer, seen, size) = (store.clone(), delivered.clone(), arguments.size);
        let measured = clients(1, Duration::from_secs(arguments.seconds), move |_, number| {
            let (store, seen) = (writer.clone(), seen.clone());
            async move {
                store.put(key("x"), Expect::Any, &config_map("default", &format!("{number}"), size)).await?;
                while seen.load(Ordering::Relaxed) < (number + 1) * count {
                    tokio::task::yield_now().await;
                }
                Ok::<_, anyhow::Error>(())
            }
        });
        let measured = measured.await?;
        table.row([count.to_string(), rate(measured.rate()), rate(measured.rate() * count as f64), time(measured.percentile(0.99))]);
        store.close().await;
        for watcher in watchers {
            watcher.await?;
        }
    }
    table.print();
    Ok(())
}
