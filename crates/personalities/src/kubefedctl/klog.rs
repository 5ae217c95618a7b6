//! Log lines in klog's form: `I1124 18:00:00.123456    4711 kubefedctl] text`.

use comity_cli::printer;

/// Where messages of a run go.
pub(super) struct Log {
    /// `--v`: lines of a higher level are left out.
    pub verbosity: u32,
}

impl Log {
    /// A line of a level.
    pub fn v(&self, level: u32, text: &str) {
        if level <= self.verbosity {
            printer::talk(format!("I{} {text}", header()));
        }
    }

    /// The last line before the program ends.
    pub fn fatal(&self, text: &str) {
        printer::talk(format!("F{} {text}", header()));
    }
}

fn header() -> String {
    let now = jiff::Timestamp::now();
    format!("{} {:>7} kubefedctl]", now.strftime("%m%d %H:%M:%S.%6f"), std::process::id())
}
