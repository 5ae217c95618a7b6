//! How many deletions may follow from a changed wish, and how long a member that does not answer is waited for:
//! annotations of `KubeFedConfig`, as KubeFed's own fields have no place for them.

use std::time::Duration;

use comity_core::{Value, duration::parse_go, object};

use crate::keys;

/// More than `count` and more than `percent` of all is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many always pass.
    pub count: usize,
    /// So many of a hundred pass.
    pub percent: usize,
}

impl Limit {
    /// How many of so many may go: the larger of the number and the share.
    pub fn of(&self, all: usize) -> usize {
        self.count.max(all.saturating_mul(self.percent) / 100)
    }
}

/// The limits of deletions that follow from a changed placement, policy, selector or cluster label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletionLimits {
    /// Copies of one member within a minute.
    pub minute: Limit,
    /// Copies of one member within a day.
    pub day: Limit,
    /// Members that one object leaves within a minute.
    pub object: Limit,
    /// Members that one object leaves within a day.
    pub object_day: Limit,
}

impl Default for DeletionLimits {
    fn default() -> Self {
        Self {
            minute: Limit { count: 20, percent: 30 },
            day: Limit { count: 50, percent: 50 },
            object: Limit { count: 2, percent: 50 },
            object_day: Limit { count: 4, percent: 75 },
        }
    }
}

impl DeletionLimits {
    /// Reads `minute=20/30%,day=50/50%,object=2/50%,object-day=4/75%`; what is not named keeps its default.
    ///
    /// # Errors
    /// A part is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut limits = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || format!("{part:?} is not of the form minute=20/30%, day=50/50%, object=2/50% or object-day=4/75%");
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let (count, percent) = value.split_once('/').ok_or_else(wrong)?;
            let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
            let limit = Limit { count: number(count)?, percent: number(percent.trim().trim_end_matches('%'))? };
            match name.trim() {
                "minute" => limits.minute = limit,
                "day" => limits.day = limit,
                "object" => limits.object = limit,
                "object-day" => limits.object_day = limit,
                _ => return Err(wrong()),
            }
        }
        Ok(limits)
    }

    /// The limits of a configuration; an unreadable annotation counts as absent, and admission refuses it.
    pub fn of(config: &Value) -> Self {
        object::annotation(config, keys::DELETION_LIMITS).and_then(|text| Self::parse(text).ok()).unwrap_or_default()
    }
}

/// After so long without an answer the deletion of a copy is remembered and its owner goes.
pub fn defer_after(config: &Value) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(300);
    object::annotation(config, keys::DEFER_AFTER).and_then(parse_go).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn a_limit_is_the_larger_of_a_number_and_a_share() {
        let limit = Limit { count: 20, percent: 30 };
        assert_eq!([0, 10, 66, 67, 100, 100_000].map(|all| limit.of(all)), [20, 20, 20, 20, 30, 30_000]);
    }

    #[test]
    fn limits_are_read_from_the_annotation() {
        let config = json!({"metadata": {"annotations": {"comity.dev/deletion-limits": "minute=5/10%, object=1/0%", "comity.dev/defer-after": "30s"}}});
        let limits = DeletionLimits::of(&config);
        assert_eq!((limits.minute, limits.object), (Limit { count: 5, percent: 10 }, Limit { count: 1, percent: 0 }));
        assert_eq!(limits.day, DeletionLimits::default().day);
        assert_eq!(defer_after(&config), Duration::from_secs(30));
        assert_eq!(defer_after(&json!({})), Duration::from_secs(300));
        assert!(DeletionLimits::parse("hour=1/1%").unwrap_err().contains("hour=1/1%"));
        assert!(DeletionLimits::parse("minute=many").is_err());
    }
}
