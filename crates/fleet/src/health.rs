//! From probes to what is reported: how many contrary probes in a row it takes. Pure.

use std::time::Duration;

use comity_api_kubefed::KubeFedConfig;

use crate::probe::Probe;

/// A member as the planner sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It answers `ok`.
    Ready,
    /// It does not; reason and message are those of its condition.
    NotReady {
        /// Machine-readable reason.
        reason: String,
        /// The reason for people.
        message: String,
    },
}

/// How patient the judgement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Time between probes.
    pub period: Duration,
    /// Deadline of one probe.
    pub timeout: Duration,
    /// Failures in a row that take a ready member out.
    pub failures: u32,
    /// Successes in a row that bring it back.
    pub successes: u32,
}

impl From<&KubeFedConfig> for Thresholds {
    fn from(config: &KubeFedConfig) -> Self {
        Self {
            period: config.probe_period,
            timeout: config.probe_timeout,
            failures: config.failure_threshold,
            successes: config.success_threshold,
        }
    }
}

/// Between probes while something contrary has been seen and the next look may decide.
const SOON: Duration = Duration::from_secs(1);
/// The same while a ready member refuses connections: with the usual three failures it is out after little more than a second.
const REFUSED: Duration = Duration::from_millis(400);

/// The judgement over the probes of one member.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    reported: Option<Probe>,
    contrary: u32,
}

impl Judgement {
    /// Takes in a probe and returns what stands now, and the time until the next look.
    pub fn take(&mut self, probe: Probe, thresholds: &Thresholds) -> (&Probe, Duration) {
        // a refused connection fails at once, so the next look may come soon
        let hurry = matches!(probe, Probe::Silent { refused: true, .. });
        let decisive = matches!(probe, Probe::Malformed { .. } | Probe::Rejected { .. } | Probe::Untrusted { .. });
        let flips = match &self.reported {
            None => true,
            Some(reported) if reported.is_ok() == probe.is_ok() => {
                self.contrary = 0;
                true
            }
            Some(_) => {
                self.contrary += 1;
                decisive || self.contrary >= if probe.is_ok() { thresholds.successes } else { thresholds.failures }
            }
        };
        if flips {
            self.contrary = 0;
            self.reported = Some(probe);
        }
        let (waiting, stands) = (self.contrary > 0, self.reported.as_ref().is_some_and(Probe::is_ok));
        let pause = match (hurry, waiting, stands) {
            (true, _, true) => REFUSED,
            (true, _, false) | (false, true, false) => SOON,
            _ => thresholds.period,
        };
        let pause = pause.min(thresholds.period);
        // just assigned or kept: a report always stands here
        (self.reported.get_or_insert(Probe::NotOk { answer: String::new() }), pause)
    }

    /// Forgets everything: the next probe is taken as it is.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Thresholds = Thresholds { period: Duration::from_secs(10), timeout: Duration::from_secs(3), failures: 3, successes: 1 };

    fn silent(refused: bool) -> Probe {
        Probe::Silent { error: "e".to_owned(), refused }
    }

    fn run(probes: &[Probe]) -> Vec<(bool, u128)> {
        let mut judgement = Judgement::default();
        probes
            .iter()
            .map(|p| {
                let (now, pause) = judgement.take(p.clone(), &DEFAULTS);
                (now.is_ok(), pause.as_millis())
            })
            .collect()
    }

    #[test]
    fn the_first_probe_is_taken_as_it_is() {
        assert_eq!(run(&[silent(false)]), [(false, 10_000)]);
        assert_eq!(run(&[Probe::Ok]), [(true, 10_000)]);
    }

    #[test]
    fn only_failures_in_a_row_take_a_ready_member_out() {
        let probes = [Probe::Ok, silent(false), silent(false), Probe::Ok, silent(false), silent(false), silent(false)];
        assert_eq!(run(&probes).iter().map(|r| r.0).collect::<Vec<_>>(), [true, true, true, true, true, true, false]);
    }

    #[test]
    fn a_member_that_refuses_connections_is_out_within_two_seconds() {
        let probes = [Probe::Ok, silent(true), silent(true), silent(true)];
        assert_eq!(run(&probes), [(true, 10_000), (true, 400), (true, 400), (false, 1_000)]);
    }

    #[test]
    fn one_success_brings_it_back() {
        assert_eq!(run(&[silent(false), Probe::Ok]), [(false, 10_000), (true, 10_000)]);
    }

    #[test]
    fn rejected_credentials_need_no_second_look() {
        let rejected = Probe::Rejected { message: "m".to_owned() };
        assert_eq!(run(&[Probe::Ok, rejected]), [(true, 10_000), (false, 10_000)]);
    }
}
