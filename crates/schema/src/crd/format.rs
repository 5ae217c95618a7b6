//! The string formats that definitions may name.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;

const NUMERIC: [&str; 4] = ["int32", "int64", "float", "double"];

/// Whether a format means something; others are ignored.
pub(super) fn is_known(format: &str) -> bool {
    NUMERIC.contains(&format) || check(&normal(format)).is_some()
}

/// Whether a text has a format; formats that are not for texts accept every text.
pub(super) fn is_valid(format: &str, text: &str) -> bool {
    check(&normal(format)).is_none_or(|valid| valid(text))
}

/// `date-time` and `datetime` are the same.
fn normal(format: &str) -> String {
    format.replace('-', "")
}

fn check(format: &str) -> Option<fn(&str) -> bool> {
    Some(match format {
        "bsonobjectid" => |t| t.len() == 24 && t.bytes().all(|b| b.is_ascii_hexdigit()),
        "uri" => uri,
        "email" => email,
        "hostname" => hostname,
        "ipv4" => |t| t.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => |t| t.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr,
        "mac" => mac,
        "uuid" => |t| uuid(t, None),
        "uuid3" => |t| uuid(t, Some(b'3')),
        "uuid4" => |t| uuid(t, Some(b'4')),
        "uuid5" => |t| uuid(t, Some(b'5')),
        "isbn" => |t| isbn10(t) || isbn13(t),
        "isbn10" => isbn10,
        "isbn13" => isbn13,
        "creditcard" => credit_card,
        "ssn" => |t| {
            let parts: Vec<&str> = t.split(['-', ' ']).collect();
            parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_digit())) && parts.iter().map(|p| p.len()).eq([3, 2, 4])
        },
        "hexcolor" => |t| {
            let digits = t.strip_prefix('#').unwrap_or(t);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        },
        "rgbcolor" => rgb,
        "byte" => |t| !t.is_empty() && base64::engine::general_purpose::STANDARD.decode(t).is_ok(),
        "password" => |_| true,
        "date" => |t| t.len() == 10 && t.parse::<jiff::civil::Date>().is_ok(),
        "duration" => duration,
        "datetime" => datetime,
        _ => return None,
    })
}

fn uri(text: &str) -> bool {
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !rest.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control())
}

fn email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !user.contains(char::is_whitespace) && hostname(host))
}

fn hostname(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b >= 128)
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    !text.is_empty() && text.len() <= 255 && text.trim_end_matches('.').split('.').all(label)
}

fn cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let bits = bits.parse::<u8>().ok().filter(|_| bits.len() <= 3 && !bits.starts_with('+'));
        bits.is_some_and(|b| (address.parse::<Ipv4Addr>().is_ok() && b <= 32) || (address.parse::<Ipv6Addr>().is_ok() && b <= 128))
    })
}

fn mac(text: &str) -> bool {
    [':', '-'].iter().any(|s| {
        let parts: Vec<&str> = text.split(*s).collect();
        matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

fn uuid(text: &str, version: Option<u8>) -> bool {
    let plain: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    let dashes_fit = text.len() == 32 || (text.len() == 36 && [8, 13, 18, 23].iter().all(|i| text.as_bytes().get(*i) == Some(&b'-')));
    let variant = |b: u8| matches!(b.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b');
    plain.len() == 32
        && dashes_fit
        && plain.iter().all(u8::is_ascii_hexdigit)
        && version.is_none_or(|v| plain[12] == v && (v == b'3' || variant(plain[16])))
}

fn isbn10(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'-' | b' ')).collect();
    let value = |(i, b): (usize, &u8)| match b {
        b'0'..=b'9' => Some(usize::from(b - b'0')),
        b'X' if i == 9 => Some(10),
        _ => None,
    };
    let sum: Option<usize> = digits.iter().enumerate().map(|(i, b)| value((i, b)).map(|v| v * (i + 1))).sum();
    digits.len() == 10 && sum.is_some_and(|s| s % 11 == 0)
}

fn isbn13(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'-' | b' ')).collect();
    let all = digits.len() == 13 && digits.iter().all(u8::is_ascii_digit);
    all && digits.iter().enumerate().map(|(i, b)| usize::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 }).sum::<usize>() % 10 == 0
}

fn credit_card(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'-' | b' ')).collect();
    if !(12..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0');
            if i % 2 == 0 { d } else { d * 2 / 10 + d * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn rgb(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')'));
    inner.is_some_and(|t| {
        let parts: Vec<&str> = t.split(',').map(str::trim).collect();
        parts.len() == 3 && parts.iter().all(|p| p.parse::<u8>().is_ok())
    })
}

/// Go notation, or words such as `2 weeks`.
fn duration(text: &str) -> bool {
    if comity_core::duration::parse_go(text.trim_start_matches(['-', '+'])).is_some() {
        return true;
    }
    let units =
        ["ns", "nano", "us", "µs", "micro", "ms", "milli", "s", "sec", "m", "min", "h", "hr", "hour", "d", "day", "w", "wk", "week"];
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let unit = trimmed[digits..].trim();
    digits > 0 && units.iter().any(|u| unit == *u || unit.strip_suffix('s') == Some(u))
}

/// RFC 3339 with an offset; the time of day may be separated by a space or `t`.
fn datetime(text: &str) -> bool {
    text.len() >= 20 && text.parse::<jiff::Timestamp>().is_ok()
}
