//! Repository tasks: tidy checks, the real control plane, recordings.

fn main() {}
