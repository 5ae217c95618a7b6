//! Types, defaults and CustomResourceDefinitions of KubeFed's API groups.
