//! Resource quantities: exact decimal values with Kubernetes' suffixes and canonical form.
//!
//! Rule: `apimachinery: pkg/api/resource/quantity.go`. Values are kept in nano units, so that sums are exact.

use std::cmp::Ordering;

/// A quantity: value and the suffix family it was written in.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    DecimalSi,
    BinarySi,
    DecimalExponent,
}

const NANO: i128 = 1_000_000_000;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// Reads `100m`, `1.5Gi`, `2e3`, `12`.
    ///
    /// `None`: not a quantity. Fractions below one nano are rounded up, values beyond the range are capped, as Kubernetes does.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 40 {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (format, binary, exponent) = suffix_of(suffix)?;
        // value = digits * 10^(exponent - len(fraction)) * 1024^binary, in nanos.
        let mut power = exponent - i32::try_from(fraction.len()).ok()? + 9;
        let mut nanos = digits.saturating_mul(1024_i128.checked_pow(binary)?);
        while power > 0 {
            nanos = nanos.saturating_mul(10);
            power -= 1;
        }
        if power < 0 {
            let divisor = 10_i128.checked_pow(power.unsigned_abs()).unwrap_or(i128::MAX);
            nanos = nanos / divisor + i128::from(nanos % divisor != 0);
        }
        Some(Self { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// A whole number of units.
    pub fn from_units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::DecimalSi }
    }

    /// A number of thousandths.
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * (NANO / 1000), format: Format::DecimalSi }
    }

    /// Whole units, rounded up.
    pub fn units(self) -> i64 {
        clamp(div_up(self.nanos, NANO))
    }

    /// Thousandths, rounded up.
    pub fn milli(self) -> i64 {
        clamp(div_up(self.nanos, NANO / 1000))
    }

    /// The sum, in the suffix family of the first.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos), format: if self.nanos == 0 { other.format } else { self.format } }
    }

    /// The difference, in the suffix family of the first.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos), format: self.format }
    }

    /// The canonical text: the largest suffix that keeps an integer.
    pub fn canonical(self) -> String {
        if self.nanos == 0 {
            return "0".to_owned();
        }
        match self.format {
            Format::BinarySi if self.nanos % NANO == 0 && (self.nanos / NANO).abs() >= 1024 => {
                let mut value = self.nanos / NANO;
                let mut index = 0;
                while value % 1024 == 0 && index + 1 < BINARY.len() {
                    value /= 1024;
                    index += 1;
                }
                format!("{value}{}", BINARY[index])
            }
            Format::DecimalExponent => {
                let (value, power) = self.decimal();
                if power == 0 { value.to_string() } else { format!("{value}e{power}") }
            }
            _ => {
                let (value, power) = self.decimal();
                let suffix = DECIMAL.iter().find(|(_, p)| *p == power).map_or("", |(s, _)| s);
                format!("{value}{suffix}")
            }
        }
    }

    /// Mantissa and a power of ten that is a multiple of three.
    fn decimal(self) -> (i128, i32) {
        let (mut value, mut power) = (self.nanos, -9);
        while value % 1000 == 0 && power < 18 {
            value /= 1000;
            power += 3;
        }
        (value, power)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// Suffix family, power of 1024 and power of ten.
fn suffix_of(suffix: &str) -> Option<(Format, u32, i32)> {
    if let Some(index) = BINARY.iter().skip(1).position(|s| *s == suffix) {
        return Some((Format::BinarySi, u32::try_from(index).ok()? + 1, 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
        return Some((Format::DecimalSi, 0, *power));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-40..=40).contains(&exponent).then_some((Format::DecimalExponent, 0, exponent))
}

fn div_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Ki", "1Mi"),
            ("2e3", "2e3"),
            ("1e3", "1e3"),
            ("100", "100"),
            ("1000", "1k"),
            ("123456", "123456"),
            ("0", "0"),
            ("-1", "-1"),
            ("0.1n", "1n"),
            ("1Ti", "1Ti"),
            ("500Ki", "500Ki"),
            ("1023", "1023"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().canonical(), canonical, "{text}");
        }
    }

    #[test]
    fn not_quantities() {
        for text in ["", "x", "1x", "1.2.3", "1 Gi", "e3", "--1"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn rounding_up() {
        assert_eq!(Quantity::parse("1100m").unwrap().units(), 2);
        assert_eq!(Quantity::parse("0.0001").unwrap().milli(), 1);
        assert!(Quantity::parse("1Gi").unwrap() > Quantity::parse("1G").unwrap());
    }
}
