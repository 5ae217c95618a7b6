//! `cargo xtask tidy`: the rules of the house that a compiler does not check. The same checks run as a test.

mod dependencies;
mod fresh;
mod layers;
mod licences;
mod metadata;
mod sizes;
mod spdx;
mod words;

use anyhow::bail;

use crate::run::say;
use metadata::Metadata;

/// Runs all checks and prints what is wrong.
pub fn tidy() -> anyhow::Result<()> {
    let problems = problems()?;
    for problem in &problems {
        say(problem);
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} things are untidy"),
    }
}

fn problems() -> anyhow::Result<Vec<String>> {
    let metadata = Metadata::read()?;
    let files = metadata::tracked_files()?;
    let mut problems = layers::check(&metadata);
    problems.extend(licences::check(&metadata));
    problems.extend(dependencies::check(&metadata)?);
    problems.extend(sizes::check(&files)?);
    problems.extend(words::check(&files)?);
    problems.extend(fresh::check()?);
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let problems = super::problems().unwrap();
        assert!(problems.is_empty(), "untidy:\n{}", problems.join("\n"));
    }
}
