//! Builds the layer as a shared object of its own: linked into a test it would record the test.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("layer").join("lib.rs");
    println!("cargo::rerun-if-changed={}", source.display());
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let object = PathBuf::from(variable("OUT_DIR")).join("libpowerloss.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=powerloss", "--crate-type=cdylib", "-Copt-level=2", "-Cpanic=abort", "-Dwarnings"]);
    rustc.arg(format!("--target={}", variable("TARGET"))).arg("-o").arg(&object).arg(&source);
    let status = rustc.status().unwrap_or_else(|error| panic!("starting the compiler: {error}"));
    assert!(status.success(), "the power loss layer does not compile");
}
