//! Controllers and simulated nodes that make an API server behave like a cluster.
