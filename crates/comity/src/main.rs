//! The multi-cluster Kubernetes system in one binary: chooses who answers, nothing else.

use std::{env, path::Path, process::ExitCode};

use comity_personalities::Personality;

fn main() -> ExitCode {
    comity_cli::crash::report_without_content();
    let args: Vec<_> = env::args_os().collect();
    let called_as = args.first().and_then(|program| Personality::of(Path::new(program)));
    let subcommand = args.get(1).and_then(|word| Personality::of(Path::new(word)));
    ExitCode::from(match (called_as, subcommand) {
        (Some(personality), _) => personality.run(args),
        (None, Some(personality)) => personality.run(args.into_iter().skip(1)),
        (None, None) => comity_cli::run(args),
    })
}
