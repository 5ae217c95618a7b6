//! `docs/reference/cli.md` is made from the command definitions: this test writes it with `UPDATE_REFERENCE=1` and else compares.

use std::{fmt::Write as _, fs, path::Path};

use clap::{Arg, Command};
use comity_personalities::Personality;

const HEAD: &str = "# Commands\n\n\
    Made from the command definitions; to change it, change them and run `cargo xtask docs`.\n\
    What the exit statuses mean: [exit statuses](exit-codes.md).\n";

#[test]
fn the_command_reference_is_fresh() {
    let mut text = HEAD.to_owned();
    section(&mut text, comity_cli::command());
    for personality in Personality::ALL {
        section(&mut text, personality.command());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/reference/cli.md is not what the command definitions say: run `cargo xtask docs` and commit it");
}

/// A program and its subcommands.
fn section(out: &mut String, mut program: Command) {
    program = program.disable_help_subcommand(true).disable_help_flag(true).disable_version_flag(true);
    program.build();
    let name = program.get_name().to_owned();
    let _ = write!(out, "\n## {name}\n\n{}\n", about(&program));
    let shared: Vec<&Arg> = visible(&program).filter(|arg| arg.is_global_set()).collect();
    if !shared.is_empty() {
        out.push_str("\nFlags of every command:\n");
        table(out, "flag", &shared);
    }
    commands(out, &name, &program, shared.is_empty());
}

/// Each command, or, where it has commands of its own, those.
fn commands(out: &mut String, name: &str, of: &Command, nothing_shared: bool) {
    for command in of.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            commands(out, &name, command, nothing_shared);
            continue;
        }
        let arguments: Vec<&Arg> = visible(command).filter(|arg| arg.is_positional()).collect();
        let flags: Vec<&Arg> = visible(command).filter(|arg| !arg.is_positional() && !arg.is_global_set()).collect();
        let words: String = arguments.iter().map(|arg| format!(" {}", placeholder(arg))).collect();
        let tail = if flags.is_empty() && nothing_shared { "" } else { " [flags]" };
        let _ = write!(out, "\n### {name}\n\n{0}.\n\n`{name}{words}{tail}`\n", about(command));
        for (title, args) in [("argument", arguments), ("flag", flags)] {
            if !args.is_empty() {
                table(out, title, &args);
            }
        }
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"))
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn table(out: &mut String, title: &str, args: &[&Arg]) {
    let _ = write!(out, "\n| {title} | meaning |\n|---|---|\n");
    for arg in args {
        let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        if !help.ends_with('.') {
            help.push('.');
        }
        let _ = writeln!(out, "| `{}` | {} |", spelling(arg), cell(&format!("{help}{}{}", choices(arg), default(arg))));
    }
}

/// Text that cannot end its cell: outside of code, `<` would be a tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn spelling(arg: &Arg) -> String {
    if arg.is_positional() {
        return placeholder(arg).replace('|', "\\|");
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let value = match (arg.get_action().takes_values(), is_switch(arg)) {
        (false, _) => String::new(),
        (true, true) => "[=true|false]".to_owned(),
        (true, false) => format!(" {}", value_name(arg)),
    };
    // Inside of code a pipe still ends the cell.
    format!("{}{value}", names.join(", ")).replace('|', "\\|")
}

/// A flag whose value may be left out.
fn is_switch(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|n| n.min_values() == 0)
}

fn placeholder(arg: &Arg) -> String {
    if arg.is_required_set() { value_name(arg) } else { format!("[{}]", value_name(arg)) }
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(<[_]>::first).map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string)
}

fn choices(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_possible_values().iter().filter(|v| !v.is_hide_set()).map(|v| format!("`{}`", v.get_name())).collect();
    let plain = !arg.get_action().takes_values() || is_switch(arg) || values.is_empty();
    if plain { String::new() } else { format!(" One of {}.", values.join(", ")) }
}

fn default(arg: &Arg) -> String {
    let value = arg.get_default_values().first().map(|v| v.to_string_lossy().into_owned()).filter(|v| !v.is_empty());
    match value {
        Some(value) if arg.get_action().takes_values() => format!(" Default: `{value}`."),
        _ => String::new(),
    }
}
