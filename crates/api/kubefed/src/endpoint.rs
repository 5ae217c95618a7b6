//! The three forms of `spec.apiEndpoint`: host, host:port, URL.

/// An endpoint as a URL: `https` is assumed where no scheme is given.
///
/// # Errors
/// The text is neither a host, nor host:port, nor an http or https URL; the text says which.
pub fn url(endpoint: &str) -> Result<String, String> {
    if endpoint.is_empty() {
        return Err("must name a host, host:port or URL".to_owned());
    }
    let (scheme, rest) = match endpoint.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        Some((scheme, _)) => return Err(format!("scheme {scheme:?} is not supported, use http or https")),
        None => ("https", endpoint),
    };
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p.trim_end_matches('/')));
    check_authority(authority)?;
    Ok(if path.is_empty() { format!("{scheme}://{authority}") } else { format!("{scheme}://{authority}/{path}") })
}

/// Scheme, host and port of an endpoint; the port is the scheme's when none is written.
pub fn parts(endpoint: &str) -> Result<(String, String, u16), String> {
    let url = url(endpoint)?;
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", &url));
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let port = match port {
        Some(text) => text.parse().map_err(|_| format!("port {text:?} is not a number from 1 to 65535"))?,
        None if scheme == "http" => 80,
        None => 443,
    };
    Ok((scheme.to_owned(), host.to_owned(), port))
}

fn check_authority(authority: &str) -> Result<(), String> {
    let (host, port) = split_port(authority);
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || matches!(c, '@' | '?' | '#' | '\\')) {
        return Err(format!("{authority:?} is not a host or host:port"));
    }
    match port {
        Some(text) if text.parse::<u16>().is_ok_and(|p| p > 0) => Ok(()),
        Some(text) => Err(format!("port {text:?} is not a number from 1 to 65535")),
        None if host.contains(':') && !host.starts_with('[') => Err(format!("{authority:?}: an IPv6 address must stand in brackets")),
        None => Ok(()),
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ports_and_urls_are_understood() {
        for (text, expected) in [
            ("10.0.0.1", "https://10.0.0.1"),
            ("example.com:6443", "https://example.com:6443"),
            ("https://example.com:6443/", "https://example.com:6443"),
            ("http://localhost:8080/prefix/", "http://localhost:8080/prefix"),
            ("[::1]:6443", "https://[::1]:6443"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(parts("[::1]"), Ok(("https".to_owned(), "[::1]".to_owned(), 443)));
        assert_eq!(parts("http://h"), Ok(("http".to_owned(), "h".to_owned(), 80)));
    }

    #[test]
    fn what_is_not_an_endpoint_is_named() {
        for text in ["", "ftp://x", "host:port", "host:0", "host:70000", "::1", "https://", "a b", "user@host"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
