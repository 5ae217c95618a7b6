//! The multi-cluster Kubernetes system in one binary.

fn main() {}
