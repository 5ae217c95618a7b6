//! A Kubernetes-compatible API server over the store, driven by the schema table.
