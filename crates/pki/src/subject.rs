//! Certificates whose subject has several organizations: the groups of a user. The certificate library knows one
//! value of each kind, so the subject is put into what it made and the result is signed again.

use rcgen::SigningKey;
use x509_parser::prelude::{FromDer, X509Certificate};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const BIT_STRING: u8 = 0x03;

const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// The certificate (DER) with another subject, signed by the issuer's key.
pub(crate) fn with_subject(der: &[u8], common_name: &str, organizations: &[&str], key: &impl SigningKey) -> Result<Vec<u8>, String> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let old_tbs = parsed.tbs_certificate.as_ref();
    let old_subject = parsed.tbs_certificate.subject.as_raw();
    let content = split(old_tbs).ok_or("the certificate is cut off")?.content;
    let at = position(content, old_subject).ok_or("the certificate has no subject")?;
    let (before, after) = content.split_at(at);
    let after = after.get(old_subject.len()..).ok_or("the certificate is cut off")?;
    let tbs = element(SEQUENCE, &[before, &name(common_name, organizations), after].concat());

    let outer = split(der).ok_or("the certificate is cut off")?.content;
    let algorithm = outer.get(old_tbs.len()..).and_then(split).ok_or("the certificate is cut off")?.whole;
    let signature = key.sign(&tbs).map_err(|error| error.to_string())?;
    // No unused bits stand before the signature.
    let signature = element(BIT_STRING, &[&[0], signature.as_slice()].concat());
    Ok(element(SEQUENCE, &[tbs.as_slice(), algorithm, &signature].concat()))
}

/// Where `part`, a slice of `whole`, begins.
fn position(whole: &[u8], part: &[u8]) -> Option<usize> {
    let at = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (whole.get(at..at + part.len())? == part).then_some(at)
}

fn name(common_name: &str, organizations: &[&str]) -> Vec<u8> {
    let attribute = |oid: &[u8], value: &str| {
        let pair = [element(OID, oid), element(UTF8, value.as_bytes())].concat();
        element(SET, &element(SEQUENCE, &pair))
    };
    let organizations = organizations.iter().flat_map(|value| attribute(&ORGANIZATION, value));
    let content: Vec<u8> = organizations.chain(attribute(&COMMON_NAME, common_name)).collect();
    element(SEQUENCE, &content)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 128 => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let digits = bytes.iter().position(|byte| *byte != 0).map_or(&bytes[..0], |first| bytes.split_at(first).1);
            out.push(0x80 | digits.len() as u8);
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element of some DER.
fn split(der: &[u8]) -> Option<Element<'_>> {
    let first = usize::from(*der.get(1)?);
    let (length, header) = if first < 128 {
        (first, 2)
    } else {
        let count = first - 128;
        let digits = der.get(2..2 + count).filter(|digits| digits.len() <= 4)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), 2 + count)
    };
    Some(Element { whole: der.get(..header + length)?, content: der.get(header..header + length)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_size_are_split_as_they_were_made() {
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; size];
            let made = element(SEQUENCE, &content);
            let padded = [made.as_slice(), &[1, 2, 3]].concat();
            let found = split(&padded).unwrap();
            assert!(found.whole == made && found.content == content, "{size}");
        }
        assert!(split(&[0x30, 5, 1]).is_none());
        assert!(split(&[0x30]).is_none());
    }
}
