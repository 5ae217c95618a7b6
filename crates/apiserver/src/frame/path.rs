//! What a request asks for, read from method, path and query.

use http::Method;

use super::query::Query;

/// Verb, resource and name of a request; for paths outside the API only verb and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether it is about a resource (`/api/v1/...`, `/apis/<group>/<version>/...`).
    pub is_resource: bool,
    /// The whole path.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; outside the API the method in lower case.
    pub verb: &'static str,
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Namespace, empty for cluster-scoped resources and for lists over all namespaces.
    pub namespace: String,
    /// Plural resource name.
    pub resource: String,
    /// Subresource, such as `status`; deeper segments are in `rest`.
    pub subresource: String,
    /// Object name; for lists and watches the one a field selector names.
    pub name: String,
    /// Segments after the subresource.
    pub rest: Vec<String>,
}

impl RequestInfo {
    /// Reads method, path and query; never fails: what is no resource path is a plain path.
    pub fn parse(method: &Method, path: &str, query: &Query) -> Self {
        let mut info = Self { path: path.to_owned(), verb: method_verb(method), ..Self::default() };
        let parts: Vec<String> = path.trim_matches('/').split('/').filter(|p| !p.is_empty()).map(decode_segment).collect();
        let mut rest: &[String] = match parts.first().map(String::as_str) {
            Some("api") if parts.len() >= 3 => {
                info.version = parts[1].clone();
                &parts[2..]
            }
            Some("apis") if parts.len() >= 4 => {
                info.group = parts[1].clone();
                info.version = parts[2].clone();
                &parts[3..]
            }
            _ => return info,
        };
        info.is_resource = true;
        info.verb = match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => "",
        };
        let mut legacy_watch = false;
        if rest[0] == "watch" && rest.len() > 1 {
            legacy_watch = true;
            rest = &rest[1..];
        }
        if rest[0] == "namespaces" && rest.len() > 1 {
            info.namespace = rest[1].clone();
            if rest.len() > 2 && !matches!(rest[2].as_str(), "status" | "finalize") {
                rest = &rest[2..];
            }
        }
        info.resource = rest[0].clone();
        if let Some(name) = rest.get(1) {
            info.name = name.clone();
        }
        if let Some(subresource) = rest.get(2) {
            info.subresource = subresource.clone();
            info.rest = rest[3..].to_vec();
        }
        if legacy_watch {
            info.verb = "watch";
        } else if info.name.is_empty() {
            match info.verb {
                "get" => {
                    info.verb = if query.flag("watch") { "watch" } else { "list" };
                }
                "delete" => info.verb = "deletecollection",
                _ => {}
            }
        }
        if info.name.is_empty() && matches!(info.verb, "list" | "watch" | "deletecollection") {
            info.name = name_of_field_selector(query).unwrap_or_default();
        }
        info
    }

    /// Whether the request only reads.
    pub fn is_read(&self) -> bool {
        matches!(self.verb, "get" | "list" | "watch" | "head" | "options")
    }

    /// Whether it holds the connection open for long.
    pub fn is_long_running(&self) -> bool {
        self.verb == "watch" || matches!(self.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
    }
}

fn name_of_field_selector(query: &Query) -> Option<String> {
    let selector = comity_core::FieldSelector::parse(query.get("fieldSelector")?).ok()?;
    let name = selector.required("metadata.name")?;
    comity_core::names::path_segment(name).is_empty().then(|| name.to_owned())
}

fn method_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "other",
    }
}

fn decode_segment(segment: &str) -> String {
    super::query::percent_decode(segment, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, uri: &str) -> String {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let i = RequestInfo::parse(&method.parse().unwrap(), path, &Query::parse(query));
        format!(
            "{} {} g={} v={} ns={} r={} sub={} n={}",
            i.is_resource, i.verb, i.group, i.version, i.namespace, i.resource, i.subresource, i.name
        )
    }

    #[test]
    fn paths_are_read_as_kubernetes_reads_them() {
        let table = [
            ("GET", "/api/v1/namespaces"),
            ("GET", "/api/v1/namespaces/a"),
            ("PUT", "/api/v1/namespaces/a/finalize"),
            ("PATCH", "/api/v1/namespaces/a/status"),
            ("GET", "/api/v1/namespaces/a/pods?watch=1"),
            ("GET", "/api/v1/namespaces/a/pods?watch=true&fieldSelector=metadata.name%3Dx"),
            ("GET", "/api/v1/namespaces/a/pods/p/log"),
            ("DELETE", "/api/v1/namespaces/a/pods"),
            ("GET", "/api/v1/watch/namespaces/a/pods/p"),
            ("POST", "/apis/apps/v1/namespaces/a/deployments"),
            ("GET", "/apis/apps/v1/deployments"),
            ("GET", "/apis/apps/v1"),
            ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"),
            ("GET", "/healthz"),
        ];
        let lines: Vec<String> = table.iter().map(|(m, u)| format!("{m} {u} -> {}", parse(m, u))).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
