//! Tracked files name no folder of somebody's machine.

use std::fs;
use std::path::PathBuf;

use crate::run::top;

/// Beginnings of machine-local paths; taken apart here, so that this file does not hold them.
const LOCAL: [(&str, &str); 3] = [("/wo", "rk/"), ("/ro", "ot/"), ("/Us", "ers/")];

/// Lines with such a path.
pub fn check(files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files {
        let Ok(text) = String::from_utf8(fs::read(top().join(path))?) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = local_path(line) {
                problems.push(format!("{}:{}: a local path: {found}", path.display(), number + 1));
            }
        }
    }
    Ok(problems)
}

fn local_path(line: &str) -> Option<String> {
    LOCAL.iter().map(|(head, tail)| format!("{head}{tail}")).find(|local| {
        line.match_indices(local.as_str()).any(|(at, _)| {
            // A path begins here: not the middle of a longer path or URL.
            !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || "-_./}*".contains(before))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_are_found_and_urls_are_not() {
        let local = format!("{}{}", LOCAL[0].0, LOCAL[0].1);
        assert_eq!(local_path(&format!("see `{local}x`")), Some(local.clone()));
        assert_eq!(local_path(&format!("https://example.org{local}x")), None);
        assert_eq!(local_path("a workload"), None);
    }
}
