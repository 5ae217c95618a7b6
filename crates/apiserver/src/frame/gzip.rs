//! Compression of large answers.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// Answers below this size are sent as they are.
pub const LEAST_BYTES: usize = 128 * 1024;

/// Whether a client takes gzip.
pub fn accepted(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        pieces.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && !pieces.any(|p| p == "q=0")
    })
}

/// Compresses pieces into one; nothing when the encoder fails.
pub fn compress(pieces: &[Bytes]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    for piece in pieces {
        encoder.write_all(piece).ok()?;
    }
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_was_compressed_can_be_read() {
        let body = compress(&[Bytes::from_static(b"hello "), Bytes::from_static(b"world")]).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(body.as_ref()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
        assert!(accepted("deflate, gzip;q=1.0") && !accepted("br") && !accepted("gzip;q=0"));
    }
}
