//! `/version`: which Kubernetes the server speaks.

use comity_core::{Value, json};
use comity_schema::builtin;

/// The answer; the version is that of the recorded table.
pub fn document() -> Value {
    let version = builtin::table().kubernetes();
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or("");
    let minor = numbers.next().unwrap_or("");
    let before = minor.parse::<u32>().ok().and_then(|n| n.checked_sub(1)).map(|n| n.to_string()).unwrap_or_default();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "major": major, "minor": minor,
        "emulationMajor": major, "emulationMinor": minor, "minCompatibilityMajor": major, "minCompatibilityMinor": before,
        "gitVersion": version, "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc", "platform": format!("{}/{architecture}", std::env::consts::OS),
    })
}
