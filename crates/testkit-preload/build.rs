//! Builds the layers as shared objects of their own: linked into a test they would act on the test.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let layers = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("layers");
    println!("cargo::rerun-if-changed={}", layers.display());
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    for name in ["powerloss", "clock"] {
        build(&layers, name);
    }
}

fn build(layers: &Path, name: &str) {
    let object = PathBuf::from(variable("OUT_DIR")).join(format!("lib{name}.so"));
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-type=cdylib", "-Copt-level=2", "-Cpanic=abort", "-Dwarnings", "--crate-name", name]);
    rustc.arg(format!("--target={}", variable("TARGET"))).arg("-o").arg(&object).arg(layers.join(format!("{name}.rs")));
    let status = rustc.status().unwrap_or_else(|error| panic!("starting the compiler: {error}"));
    assert!(status.success(), "the layer {name} does not compile");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
