//! Times as the API writes them: RFC 3339 in UTC, whole seconds; `MicroTime` keeps microseconds.

use jiff::Timestamp;

/// `2026-01-02T03:04:05Z`: how a `Time` is written.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05.000006Z`: how a `MicroTime` is written.
pub fn rfc3339_micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads a `Time` or `MicroTime`.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let time = parse("2026-01-02T05:04:05.123456+02:00").unwrap();
        assert_eq!(rfc3339(time), "2026-01-02T03:04:05Z");
        assert_eq!(rfc3339_micro(time), "2026-01-02T03:04:05.123456Z");
    }
}
