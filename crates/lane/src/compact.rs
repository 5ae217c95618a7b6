//! Uids and resourceVersions in few bytes: there is one of each for every copy in the fleet.

use std::fmt;

/// A text that is nearly always a UUID or a number. It reads back as it was written.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Compact {
    /// Lower-case hexadecimal digits in five groups.
    Uuid([u8; 16]),
    /// Decimal digits without a leading zero.
    Number(u64),
    /// Anything else.
    Text(Box<str>),
}

impl From<&str> for Compact {
    fn from(text: &str) -> Self {
        match (number(text), uuid(text)) {
            (Some(number), _) => Compact::Number(number),
            (None, Some(uuid)) => Compact::Uuid(uuid),
            (None, None) => Compact::Text(text.into()),
        }
    }
}

impl PartialEq<str> for Compact {
    fn eq(&self, other: &str) -> bool {
        match self {
            Compact::Text(text) => **text == *other,
            Compact::Number(known) => number(other) == Some(*known),
            Compact::Uuid(known) => uuid(other) == Some(*known),
        }
    }
}

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compact::Number(number) => number.fmt(f),
            Compact::Text(text) => f.write_str(text),
            Compact::Uuid(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
    text.parse().ok().filter(|_| plain)
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|at| text.as_bytes().get(*at) != Some(&b'-')) {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = text.bytes().filter(|b| *b != b'-');
    for byte in &mut bytes {
        *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
    }
    digits.next().is_none().then_some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_was_written() {
        for text in [
            "11a54170-e7de-41fe-b612-5532193513fa",
            "11A54170-e7de-41fe-b612-5532193513fa",
            "11a54170-e7de-41fe-b612-5532193513f",
            "11a54170-e7de-41fe-b612-5532193513f-",
            "-1a54170-e7de-41fe-b612-5532193513fa",
            "0",
            "263",
            "007",
            "+7",
            "99999999999999999999999",
            "",
            "a-b",
        ] {
            let read = Compact::from(text);
            assert_eq!(read.to_string(), text);
            assert!(read == *text && read != *"something else");
        }
        assert!(matches!(Compact::from("11a54170-e7de-41fe-b612-5532193513fa"), Compact::Uuid(_)));
        assert!(size_of::<Compact>() <= 24);
    }
}
