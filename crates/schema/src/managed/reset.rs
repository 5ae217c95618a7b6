//! Which fields an endpoint does not own.

/// The fields whose values an endpoint throws away, as dotted paths: what a client sends there is not its own.
///
/// `custom` is true for custom kinds. An endpoint without a status subresource resets nothing; ask only when the kind has one.
pub fn reset_fields(group: &str, kind: &str, custom: bool, subresource: &str) -> &'static [&'static str] {
    match (subresource, group, kind) {
        ("", "certificates.k8s.io", "CertificateSigningRequest") => &["spec", "status"],
        ("status", "certificates.k8s.io", "CertificateSigningRequest") => &["spec", "status.conditions"],
        ("approval", "certificates.k8s.io", "CertificateSigningRequest") => &["spec", "status.certificate"],
        ("", ..) | ("finalize", "", "Namespace") | ("ephemeralcontainers" | "resize", "", "Pod") => &["status"],
        ("status", ..) if custom => &["metadata", "spec"],
        ("status", "apps", "Deployment") => &["metadata.labels", "spec"],
        ("status", "", "Pod") => &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"],
        (
            "status",
            "scheduling.k8s.io"
            | "storagemigration.k8s.io"
            | "resource.k8s.io"
            | "internal.apiserver.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "admissionregistration.k8s.io",
            _,
        )
        | ("status", "networking.k8s.io", "ServiceCIDR")
        | ("status", "storage.k8s.io", "VolumeAttachment") => &["metadata", "spec"],
        ("status", ..) => &["spec"],
        _ => &[],
    }
}
