//! The master key: where it comes from, and what is derived from it.

use std::fmt;
use std::io::{ErrorKind, Read as _};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::SealError;
use crate::private_file;

const KEY_BYTES: usize = 32;

/// The most that is read of a key file: a key in base64 has 44 bytes.
const MAX_KEY_TEXT_BYTES: u64 = 2048;

/// Padding is often lost when keys are copied.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Which key, without telling anything of it: shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of everything: 32 random bytes.
///
/// Nothing is sealed with it directly: each use has its own derived key, so
/// that no use can weaken another.
///
/// Older keys may stand behind it: with them what they have sealed is opened, and
/// nothing is sealed any more.
pub struct MasterKey {
    current: OneKey,
    older: Vec<OneKey>,
    origin: String,
    file: Option<KeyFile>,
}

/// One key with its id.
struct OneKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: KeyId,
}

/// Where keys are read again when one is missing.
struct KeyFile {
    dir: Dir,
    name: String,
}

impl MasterKey {
    /// The key in the value of an environment variable, 32 bytes in base64; older keys
    /// may follow, with a comma before each. `variable` is its name, for messages.
    ///
    /// # Errors
    /// [`SealError::BadKey`].
    pub fn from_variable(variable: &str, value: &str) -> Result<Self, SealError> {
        Self::from_text(value, format!("the environment variable `{variable}`"))
    }

    /// The key in the file `name` of `dir`, made on first use with mode 0600; older
    /// keys may follow, one a line.
    ///
    /// Two processes that start at a time agree on one key.
    ///
    /// # Errors
    /// [`SealError::TooOpen`] if others may read or write it, and whatever else
    /// is wrong with the file.
    pub fn from_file(dir: &Dir, name: &str) -> Result<Self, SealError> {
        match Self::read_file(dir, name) {
            Err(SealError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Self::make_file(dir, name)?;
                Self::read_file(dir, name)
            }
            other => other,
        }
    }

    /// The key in the file `name` of `dir`, which must be there: for data that was sealed
    /// before.
    ///
    /// # Errors
    /// [`SealError::Missing`] if it is not; otherwise as [`Self::from_file`].
    pub fn from_kept_file(dir: &Dir, name: &str) -> Result<Self, SealError> {
        match Self::read_file(dir, name) {
            Err(SealError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Err(SealError::Missing {
                    name: name.to_owned(),
                })
            }
            other => other,
        }
    }

    /// Puts a new key before those in a key file: from now on it seals. Processes that
    /// have the file open read it again when they meet what they cannot open.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn renew_file(dir: &Dir, name: &str) -> Result<Self, SealError> {
        let old = Self::read_file(dir, name)?;
        let all = [random()?].into_iter().chain(old.bytes().cloned());
        Self::write_file(dir, name, &all.collect::<Vec<_>>())?;
        Self::read_file(dir, name)
    }

    /// Takes all keys but the first out of a key file, and gives their number. What
    /// they have sealed is lost: see [`crate::Host::reseal`].
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn forget_older_in_file(dir: &Dir, name: &str) -> Result<usize, SealError> {
        let keys = Self::read_file(dir, name)?;
        if !keys.older.is_empty() {
            Self::write_file(dir, name, std::slice::from_ref(&keys.current.bytes))?;
        }
        Ok(keys.older.len())
    }

    /// The id of this key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.current.id
    }

    /// The ids of older keys that open what they have sealed.
    pub fn older_ids(&self) -> impl Iterator<Item = KeyId> {
        self.older.iter().map(|key| key.id)
    }

    /// The keys as they are in the file now; `None` if they come from elsewhere.
    pub(super) fn read_again(&self) -> Option<Result<Self, SealError>> {
        let file = self.file.as_ref()?;
        Some(Self::read_file(&file.dir, &file.name))
    }

    /// The key that seals and those that only open, derived for that.
    pub(super) fn sealing_keys(&self) -> Vec<(KeyId, Zeroizing<[u8; KEY_BYTES]>)> {
        let all = [&self.current].into_iter().chain(&self.older);
        all.map(|key| (key.id, derive(&key.bytes, "seal")))
            .collect()
    }

    fn bytes(&self) -> impl Iterator<Item = &Zeroizing<[u8; KEY_BYTES]>> {
        [&self.current]
            .into_iter()
            .chain(&self.older)
            .map(|key| &key.bytes)
    }

    /// Where it comes from, for messages.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// A key for one purpose; the same purpose gives the same key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        derive(&self.current.bytes, purpose)
    }

    fn from_text(text: &str, origin: String) -> Result<Self, SealError> {
        let parts = text.split(|c: char| c.is_whitespace() || c == ',');
        let mut keys = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            match OneKey::parse(part) {
                Some(key) => keys.push(key),
                None => return Err(SealError::BadKey { origin }),
            }
        }
        let mut keys = keys.into_iter();
        let Some(current) = keys.next() else {
            return Err(SealError::BadKey { origin });
        };
        Ok(Self {
            current,
            older: keys.collect(),
            origin,
            file: None,
        })
    }

    fn read_file(dir: &Dir, name: &str) -> Result<Self, SealError> {
        let cannot_read = |source| SealError::Io {
            doing: "read",
            name: name.to_owned(),
            source,
        };
        // A link could point to a file that somebody else can change.
        let named = dir.symlink_metadata(name).map_err(cannot_read)?;
        if !named.is_file() {
            return Err(SealError::NotAFile {
                name: name.to_owned(),
            });
        }
        let file = dir.open(name).map_err(cannot_read)?;
        let opened = file.metadata().map_err(cannot_read)?;
        if let Some(mode) = private_file::open_to_others(&opened) {
            return Err(SealError::TooOpen {
                name: name.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_TEXT_BYTES as usize));
        let origin = format!("the key file `{name}`");
        let keys = match file.take(MAX_KEY_TEXT_BYTES).read_to_string(&mut text) {
            Ok(_) => Self::from_text(&text, origin),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(SealError::BadKey { origin })
            }
            Err(error) => Err(cannot_read(error)),
        }?;
        Ok(Self {
            file: Some(KeyFile {
                dir: dir.try_clone().map_err(cannot_read)?,
                name: name.to_owned(),
            }),
            ..keys
        })
    }

    fn make_file(dir: &Dir, name: &str) -> Result<(), SealError> {
        let text = text_of(&[random()?]);
        private_file::make(dir, name, text.as_bytes()).map_err(|source| SealError::Io {
            doing: "make",
            name: name.to_owned(),
            source,
        })
    }

    fn write_file(
        dir: &Dir,
        name: &str,
        keys: &[Zeroizing<[u8; KEY_BYTES]>],
    ) -> Result<(), SealError> {
        let text = text_of(keys);
        private_file::replace(dir, name, text.as_bytes()).map_err(|source| SealError::Io {
            doing: "write",
            name: name.to_owned(),
            source,
        })
    }
}

impl OneKey {
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        // Decoded into place: no copy is left behind on the heap. The buffer has
        // room for one group of base64 more than a key has.
        let mut decoded = Zeroizing::new([0; KEY_BYTES + 4]);
        if BASE64.decode_slice(text, decoded.as_mut_slice()).ok()? != KEY_BYTES {
            return None;
        }
        bytes
            .iter_mut()
            .zip(decoded.iter())
            .for_each(|(to, from)| *to = *from);
        let mut id = [0; 8];
        id.iter_mut()
            .zip(derive(&bytes, "key id").iter())
            .for_each(|(to, from)| *to = *from);
        Some(Self {
            bytes,
            id: KeyId(id),
        })
    }
}

fn random() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|_| SealError::Cannot("the system gives no random bytes"))?;
    Ok(bytes)
}

/// Keys as a key file has them, one a line.
fn text_of(keys: &[Zeroizing<[u8; KEY_BYTES]>]) -> Zeroizing<String> {
    // Room for all of them, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * 48));
    for key in keys {
        BASE64.encode_string(key.as_slice(), &mut text);
        text.push('\n');
    }
    text
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &self.current.id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// HMAC-SHA256 as a key derivation: its key is uniform already.
fn derive(master: &[u8; KEY_BYTES], purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
    // A key shorter than a block is padded with zeros, by definition of HMAC.
    let mut block = Zeroizing::new([0; 64]);
    block
        .iter_mut()
        .zip(master)
        .for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(b"lockgate/");
    mac.update(purpose.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}
