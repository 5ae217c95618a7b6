//! Comity under the names of other tools: chosen by the name it is called by, or as a subcommand.

mod kubefedctl;

use std::{ffi::OsString, path::Path};

/// A tool that Comity answers as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// KubeFed's command line.
    Kubefedctl,
}

impl Personality {
    /// Every personality; links of these names are made beside the demo's kubeconfig.
    pub const ALL: [Self; 1] = [Self::Kubefedctl];

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubefedctl => "kubefedctl",
        }
    }

    /// The personality of a program name or a path to it.
    pub fn of(program: &Path) -> Option<Self> {
        let stem = program.file_stem()?.to_str()?;
        Self::ALL.into_iter().find(|p| p.name() == stem)
    }

    /// Its command definitions, for references and completion.
    pub fn command(self) -> clap::Command {
        match self {
            Self::Kubefedctl => kubefedctl::command(),
        }
    }

    /// Runs it; the first argument is the program's name. Returns the exit status.
    pub fn run(self, args: impl IntoIterator<Item = OsString>) -> u8 {
        match self {
            Self::Kubefedctl => kubefedctl::run(args.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        assert_eq!(Personality::of(Path::new("/usr/bin/kubefedctl")), Some(Personality::Kubefedctl));
        assert_eq!(Personality::of(Path::new("comity")), None);
    }
}
