//! A process at another time of day.
//!
//! What a year does to certificates and tokens cannot be waited for. A process that runs under [`Clock`] reads a
//! calendar that is so much ahead, and nothing else is different.

use std::ffi::OsString;
use std::time::Duration;

/// How far the clock is ahead.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    ahead: Duration,
}

impl Clock {
    /// A clock that is so much ahead.
    pub fn ahead(ahead: Duration) -> Clock {
        Clock { ahead }
    }

    /// The environment of a process that reads it.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        vec![("LD_PRELOAD", concat!(env!("OUT_DIR"), "/libclock.so").into()), ("SHIFTED_CLOCK", self.ahead.as_secs().to_string().into())]
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_process_reads_another_calendar() {
        let month = Duration::from_secs(30 * 86_400);
        let said = Command::new("date").arg("+%s").envs(Clock::ahead(month).variables()).output().unwrap();
        let said: u64 = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        let expected = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + month).as_secs();
        assert!(said.abs_diff(expected) < 60, "{said} is not about {expected}");
    }
}
