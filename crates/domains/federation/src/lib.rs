//! Federated objects: placement, overrides, propagation and truthful status.
