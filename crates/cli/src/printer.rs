//! The only way to stdout and stderr: data goes to the first, talk to the second.

use std::io::Write;

/// Writes a line of data to stdout; a closed pipe ends quietly.
pub fn data(line: impl AsRef<str>) {
    let mut out = anstream::stdout().lock();
    if writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Writes a line of talk to stderr.
pub fn talk(line: impl AsRef<str>) {
    let _ = writeln!(anstream::stderr().lock(), "{}", line.as_ref());
}
