//! The wire format: a sequence of numbered values.

use std::fmt;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireError {
    Truncated,
    Number,
    Kind,
    TooDeep,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "it ends in the middle of a value",
            Self::Number => "a number is longer than 64 bits or a field number is wrong",
            Self::Kind => "a field has a wire type that its kind does not use",
            Self::TooDeep => "it is nested too deeply",
        })
    }
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// Iterates over the (field number, value) pairs of a message.
pub(super) struct Message<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u32, Wire<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_err() {
            self.0 = &[];
        }
        Some(part)
    }
}

impl<'a> Message<'a> {
    fn part(&mut self) -> Result<(u32, Wire<'a>), WireError> {
        let tag = varint(&mut self.0)?;
        let number = u32::try_from(tag >> 3).ok().filter(|n| *n != 0).ok_or(WireError::Number)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(varint(&mut self.0)?),
            1 => {
                let bytes = take(&mut self.0, 8)?;
                Wire::Fixed64(u64::from_le_bytes(bytes.try_into().map_err(|_| WireError::Truncated)?))
            }
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| WireError::Truncated)?;
                Wire::Bytes(take(&mut self.0, length)?)
            }
            5 => {
                take(&mut self.0, 4)?;
                Wire::Fixed32
            }
            _ => return Err(WireError::Kind),
        };
        Ok((number, wire))
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], WireError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(WireError::Truncated)?;
    *rest = tail;
    Ok(head)
}

pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WireError::Number)
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
