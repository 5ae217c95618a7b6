//! Bodies that only history holds, compressed against what looks like them.

use std::borrow::Cow;
use std::sync::Arc;

use lz4_flex::block;

/// Shorter bodies stay as they are.
const LEAST: usize = 256;
/// Longer bodies are no dictionary for others: it would be read for each of them.
const DICTIONARY: usize = 32 << 10;

/// A compressed body.
#[derive(Debug)]
pub(crate) struct Packed {
    base: Base,
    bytes: Box<[u8]>,
    length: u32,
}

/// What a body is compressed against.
#[derive(Clone, Debug, Default)]
pub(crate) enum Base {
    /// Nothing.
    #[default]
    None,
    /// Another object of the resource: keys and shapes are the same.
    Sibling(Arc<[u8]>),
    /// An earlier state of the same object, which has no such base itself.
    Earlier(Arc<Packed>),
}

impl Base {
    fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Base::None => Cow::Borrowed(&[]),
            Base::Sibling(bytes) => Cow::Borrowed(bytes),
            Base::Earlier(packed) => Cow::Owned(packed.unpack()),
        }
    }
}

impl Packed {
    /// Compresses a body; nothing when it is hardly smaller then.
    fn new(body: &[u8], base: Base) -> Option<Packed> {
        let length = u32::try_from(body.len()).ok()?;
        let bytes = match &*base.bytes() {
            [] => block::compress(body),
            dictionary => block::compress_with_dict(body, dictionary),
        };
        (bytes.len() * 2 <= body.len()).then(|| Packed { base, bytes: bytes.into(), length })
    }

    /// The body.
    pub fn unpack(&self) -> Vec<u8> {
        let length = self.length as usize;
        let body = match &*self.base.bytes() {
            [] => block::decompress(&self.bytes, length),
            dictionary => block::decompress_with_dict(&self.bytes, length, dictionary),
        };
        body.unwrap_or_else(|error| {
            // it was compressed by the same library and has never left memory
            tracing::error!(%error, "an earlier state of an object cannot be read");
            Vec::new()
        })
    }

    /// The size of the body.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// The bytes that it holds for itself.
    pub fn held(&self) -> usize {
        self.bytes.len() + size_of::<Packed>()
    }

    /// What a later state of the same object is compressed against.
    pub fn as_base(self: &Arc<Self>) -> Base {
        match &self.base {
            Base::Earlier(first) => Base::Earlier(first.clone()),
            _ => Base::Earlier(self.clone()),
        }
    }
}

/// Compresses a body against an earlier state, or else against the resource's dictionary, which becomes this body when
/// that one is of no use.
pub(crate) fn pack(body: &[u8], earlier: Option<&Arc<Packed>>, dictionary: &mut Option<Arc<[u8]>>) -> Option<Arc<Packed>> {
    if body.len() < LEAST {
        return None;
    }
    let against_earlier = earlier.and_then(|earlier| Packed::new(body, earlier.as_base()));
    let sibling = || Packed::new(body, dictionary.clone().map_or(Base::None, Base::Sibling));
    let packed = against_earlier.or_else(sibling);
    if packed.is_none() && body.len() <= DICTIONARY {
        *dictionary = Some(body.into());
    }
    packed.or_else(|| Packed::new(body, Base::None)).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(name: &str, text: &str) -> Vec<u8> {
        let padding = "the same in all of them, as keys are ".repeat(4);
        let random: String = (0..60u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        format!(r#"{{"metadata":{{"name":"{name}","text":"{text}","padding":"{padding}","random":"{random}"}}}}"#).into_bytes()
    }

    #[test]
    fn states_that_look_alike_take_a_fraction_of_their_size() {
        let mut dictionary = None;
        let first = pack(&body("a", "1"), None, &mut dictionary);
        assert!(dictionary.is_some(), "the first of its kind shows the others what they look like");
        let other = pack(&body("b", "2"), None, &mut dictionary).unwrap();
        let later = pack(&body("b", "3"), Some(&other), &mut dictionary).unwrap();
        let last = pack(&body("b", "4"), Some(&later), &mut dictionary).unwrap();
        for (packed, text) in [(&other, "2"), (&later, "3"), (&last, "4")] {
            assert_eq!(packed.unpack(), body("b", text));
            assert!(packed.held() < 200, "{}", packed.held());
        }
        assert!(first.is_none_or(|first| first.unpack() == body("a", "1")));
        assert!(matches!(&last.base, Base::Earlier(base) if Arc::ptr_eq(base, &other)), "bases have no bases of their own");
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        assert!(pack(b"{}", None, &mut None).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bodies in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..2000), 1..8)) {
            let (mut dictionary, mut earlier) = (None, None);
            for body in bodies {
                let packed = pack(&body, earlier.as_ref(), &mut dictionary);
                if let Some(packed) = packed {
                    prop_assert_eq!(packed.unpack(), body);
                    earlier = Some(packed);
                }
            }
        }
    }
}
