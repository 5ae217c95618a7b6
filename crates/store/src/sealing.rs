//! Encryption at rest: values are sealed with AES-256-GCM before they reach the disk.
//!
//! A sealed value is the id of its key (8 bytes), a salt (16), a counter (8), the ciphertext and a tag (16). Each open
//! store draws a salt and derives from it and the key the key that seals; under that one the counter never repeats, so
//! no nonce does, however many values are written and whatever a crash takes back. The place of the value (revision and
//! object) is authenticated with it: a value that was moved is refused. Names, revisions and sizes stay readable.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};
use ring::rand::{SecureRandom, SystemRandom};

const KEY: usize = 32;
const ID: usize = 8;
const SALT: usize = 16;
const COUNTER: usize = 8;
const HEADER: usize = ID + SALT + COUNTER;

type Salt = [u8; SALT];

/// Names a key without giving it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyId(pub [u8; ID]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Keys that values are sealed with: the first one seals, all of them open.
#[derive(Clone)]
pub struct EncryptionKeys {
    keys: Arc<[(KeyId, Prk)]>,
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKeys({})", self.ids())
    }
}

impl EncryptionKeys {
    /// Reads keys from a text: on each line one key of 32 bytes in base64; empty lines and those that begin with `#` do
    /// not count.
    pub fn parse(text: &str) -> Result<EncryptionKeys, String> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The text of the error would quote the key.
            let bytes = STANDARD.decode(line).map_err(|_| format!("line {}: not base64", index + 1))?;
            if bytes.len() != KEY {
                return Err(format!("line {}: a key has {KEY} bytes, not {}", index + 1, bytes.len()));
            }
            let key = Prk::new_less_safe(HKDF_SHA256, &bytes);
            let mut id = [0; ID];
            let derived = key.expand(&[b"comity key id"], Length(ID)).and_then(|derived| derived.fill(&mut id));
            derived.map_err(|_| format!("line {}: the key cannot be used", index + 1))?;
            keys.push((KeyId(id), key));
        }
        if keys.is_empty() {
            return Err("it holds no key; `head -c 32 /dev/urandom | base64` makes one".into());
        }
        Ok(EncryptionKeys { keys: keys.into() })
    }

    /// Reads keys from a file; see [`EncryptionKeys::parse`].
    pub fn read(path: &Path) -> Result<EncryptionKeys, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("the key file {}: {error}", path.display()))?;
        EncryptionKeys::parse(&text).map_err(|why| format!("the key file {}: {why}", path.display()))
    }

    /// The id of the key that seals.
    pub(crate) fn first(&self) -> Option<KeyId> {
        self.keys.first().map(|(id, _)| *id)
    }

    pub(crate) fn contains(&self, id: KeyId) -> bool {
        self.keys.iter().any(|(known, _)| *known == id)
    }

    /// The ids in words.
    pub(crate) fn ids(&self) -> String {
        self.keys.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(", ")
    }

    fn derive(&self, id: KeyId, salt: &Salt) -> Result<LessSafeKey, String> {
        let key = self.keys.iter().find(|(known, _)| *known == id);
        let (_, key) = key.ok_or_else(|| format!("it is sealed with key {id}, which is not among the given ones ({})", self.ids()))?;
        let info = [&b"comity values"[..], &salt[..]];
        let derived = key.expand(&info, &AES_256_GCM).map_err(|_| "no key can be derived")?;
        Ok(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals and opens the values of one open store.
pub(crate) struct Sealer {
    keys: EncryptionKeys,
    id: KeyId,
    salt: Salt,
    sealing: LessSafeKey,
    counter: AtomicU64,
    /// The derived keys of stores that were open before.
    opening: Mutex<HashMap<(KeyId, Salt), Arc<LessSafeKey>>>,
}

impl Sealer {
    pub fn new(keys: &EncryptionKeys) -> Result<Sealer, String> {
        let id = keys.first().ok_or("there is no key")?;
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no random numbers")?;
        let sealing = keys.derive(id, &salt)?;
        Ok(Sealer { keys: keys.clone(), id, salt, sealing, counter: AtomicU64::new(0), opening: Mutex::default() })
    }

    /// The id of the key that seals.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// All its keys.
    pub fn keys(&self) -> &EncryptionKeys {
        &self.keys
    }

    /// A value sealed for its place.
    pub fn seal(&self, place: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut out = Vec::with_capacity(HEADER + value.len() + AES_256_GCM.tag_len());
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&counter);
        out.extend_from_slice(value);
        let text = out.get_mut(HEADER..).unwrap_or_default();
        let tag = self.sealing.seal_in_place_separate_tag(nonce(counter), Aad::from(place), text);
        out.extend_from_slice(tag.map_err(|_| "the value cannot be sealed")?.as_ref());
        Ok(out)
    }

    /// The value that was sealed for this place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, String> {
        let cut = || "the sealed value is cut off".to_owned();
        let (id, rest) = sealed.split_first_chunk().ok_or_else(cut)?;
        let (salt, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (counter, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let key = self.opening_key(KeyId(*id), *salt)?;
        let mut text = rest.to_vec();
        let opened = key.open_in_place(nonce(*counter), Aad::from(place), &mut text);
        let length = opened.map_err(|_| format!("it is not what was sealed with key {}", KeyId(*id)))?.len();
        text.truncate(length);
        Ok(text)
    }

    fn opening_key(&self, id: KeyId, salt: Salt) -> Result<Arc<LessSafeKey>, String> {
        let mut opening = self.opening.lock();
        if let Some(key) = opening.get(&(id, salt)) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.keys.derive(id, &salt)?);
        opening.insert((id, salt), key.clone());
        Ok(key)
    }
}

fn nonce(counter: [u8; COUNTER]) -> Nonce {
    let [a, b, c, d, e, f, g, h] = counter;
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> EncryptionKeys {
        let lines: Vec<String> = bytes.iter().map(|byte| STANDARD.encode([*byte; KEY])).collect();
        EncryptionKeys::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn a_value_comes_back_at_its_place_and_nowhere_else() {
        let sealer = Sealer::new(&keys(&[1])).unwrap();
        let sealed = sealer.seal(b"here", b"secret").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, sealer.seal(b"here", b"secret").unwrap());
        assert_eq!(sealer.open(b"here", &sealed).unwrap(), b"secret");
        assert!(sealer.open(b"there", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(b"here", &changed).is_err(), "byte {at}");
            assert!(sealer.open(b"here", &sealed[..at]).is_err());
        }
    }

    #[test]
    fn any_of_the_keys_opens_and_the_first_one_seals() {
        let old = Sealer::new(&keys(&[1])).unwrap().seal(b"", b"old").unwrap();
        let both = Sealer::new(&keys(&[2, 1])).unwrap();
        assert_eq!(both.open(b"", &old).unwrap(), b"old");
        let new = both.seal(b"", b"new").unwrap();
        assert_eq!(Sealer::new(&keys(&[2])).unwrap().open(b"", &new).unwrap(), b"new");
        let error = Sealer::new(&keys(&[1])).unwrap().open(b"", &new).unwrap_err();
        assert_eq!(error, format!("it is sealed with key {}, which is not among the given ones ({})", keys(&[2]).ids(), keys(&[1]).ids()));
    }

    #[test]
    fn a_key_file_that_cannot_be_used_says_why_and_no_key_is_shown() {
        assert_eq!(EncryptionKeys::parse("# a\n\nAAAA").unwrap_err(), "line 3: a key has 32 bytes, not 3");
        assert_eq!(EncryptionKeys::parse("se?cret").unwrap_err(), "line 1: not base64");
        assert!(EncryptionKeys::parse("# none\n").unwrap_err().contains("holds no key"));
        let keys = keys(&[7]);
        assert_eq!(format!("{keys:?}"), format!("EncryptionKeys({})", keys.ids()));
        assert_eq!(keys.ids().len(), 16);
    }
}
