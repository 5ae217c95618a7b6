//! Numbers that may be percentages of a count.

use comity_core::Value;

/// Which way a share that is not whole goes.
#[derive(Clone, Copy)]
pub(crate) enum Round {
    Up,
    Down,
}

/// A count, or a percentage of `of`; what is absent or unreadable is 0.
pub(crate) fn of(value: Option<&Value>, of: i64, round: Round) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => text.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()).map_or(0, |percent| {
            let product = percent.saturating_mul(of);
            match round {
                Round::Up => product.saturating_add(99).div_euclid(100),
                Round::Down => product.div_euclid(100),
            }
        }),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn percentages_round_as_told_and_counts_stay() {
        for (value, count, up, down) in
            [(json!("25%"), 10, 3, 2), (json!("25%"), 4, 1, 1), (json!(3), 10, 3, 3), (json!("0%"), 7, 0, 0), (json!("x"), 7, 0, 0)]
        {
            assert_eq!((of(Some(&value), count, Round::Up), of(Some(&value), count, Round::Down)), (up, down), "{value} of {count}");
        }
    }
}
