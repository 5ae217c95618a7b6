//! Objects as rows: the `Table` answers that `kubectl get` prints.
