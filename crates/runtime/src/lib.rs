//! The controller kit, type-erased: caches, queues, executor.
