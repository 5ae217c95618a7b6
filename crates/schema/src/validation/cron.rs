//! Cron schedules, as far as validity goes: five fields, or a descriptor.

/// Lowest and highest value of each field.
const BOUNDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Checks a schedule.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        return Err("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned());
    }
    if schedule.starts_with('@') {
        return match schedule {
            "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly" => Ok(()),
            every if every.strip_prefix("@every ").is_some_and(|d| comity_core::duration::parse_go(d).is_some()) => Ok(()),
            other => Err(format!("unrecognized descriptor: {other}")),
        };
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    for (index, field) in fields.iter().enumerate() {
        let (low, high) = BOUNDS[index];
        let names: &[&str] = match index {
            3 => &MONTHS,
            4 => &DAYS,
            _ => &[],
        };
        field.split(',').try_for_each(|range| part(range, low, high, names))?;
    }
    Ok(())
}

fn part(range: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let (span, step) = range.split_once('/').map_or((range, None), |(s, n)| (s, Some(n)));
    if step.is_some_and(|s| s.contains('/')) {
        return Err(format!("too many slashes: {range}"));
    }
    let number = |text: &str| -> Result<u32, String> {
        let lower = text.to_lowercase();
        if let Some(at) = names.iter().position(|n| *n == lower) {
            return Ok(u32::try_from(at).unwrap_or(0) + low);
        }
        text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
    };
    let (start, end) = match span {
        "*" | "?" => (low, high),
        _ => match span.split_once('-') {
            Some((_, b)) if b.contains('-') => return Err(format!("too many hyphens: {range}")),
            Some((a, b)) => (number(a)?, number(b)?),
            None => {
                let start = number(span)?;
                (start, if step.is_some() { high } else { start })
            }
        },
    };
    if let Some(step) = step
        && number(step)? == 0
    {
        return Err(format!("step of range should be a positive number: {range}"));
    }
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {range}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {range}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {range}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules() {
        for good in ["* * * * *", "*/5 0-3,7 1 jan MON-FRI", "@daily", "@every 1h30m", "0 0 ? * 0"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "@never", "TZ=UTC * * * * *", "* * 0 * *"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
