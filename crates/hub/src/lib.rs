//! Composition: hub and embedded members as they are started and stopped.
