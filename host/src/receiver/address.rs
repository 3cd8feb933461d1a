//! The secret part of a webhook's address, and what is kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::webhook::WebhookError;

/// Random bytes of an address: nobody guesses it, at any rate.
const RANDOM_BYTES: usize = 32;

/// The secret at the end of a webhook's address: 43 letters, digits, `-` and `_`. Who
/// knows it can knock, so it is shown once and only its hash is kept.
///
/// It is zeroed when dropped, and debug output does not show it.
#[derive(Clone)]
pub struct Address(Zeroizing<String>);

impl Address {
    /// A new one.
    ///
    /// # Errors
    /// [`WebhookError::NoRandom`].
    pub fn generate() -> Result<Self, WebhookError> {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| WebhookError::NoRandom)?;
        Ok(Self(Zeroizing::new(BASE64.encode(*bytes))))
    }

    /// The text, to be shown once to the person who sets up the other side.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What to keep.
    #[must_use]
    pub fn digest(&self) -> AddressDigest {
        AddressDigest::of(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// The SHA-256 of an [`Address`]: tells whether a request came to it, and not where
/// it is. Serialises as text.
///
/// Two are compared in the same time wherever they differ.
#[derive(Clone, Copy, Debug)]
pub struct AddressDigest([u8; 32]);

impl AddressDigest {
    /// The digest of what a request has at the end of its path.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl PartialEq for AddressDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for AddressDigest {}

impl Serialize for AddressDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for AddressDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("no digest of an address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_long_random_and_shown_by_nothing_but_expose() {
        let (one, other) = (Address::generate().unwrap(), Address::generate().unwrap());
        assert_eq!(one.expose().len(), 43);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(one.expose().chars().all(is_plain));
        assert_ne!(one.expose(), other.expose());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(format!("{one:?}"), "Address(…)");
    }

    #[test]
    fn a_digest_is_read_as_it_was_written_and_does_not_hold_the_address() {
        let address = Address::generate().unwrap();
        let text = serde_json::to_string(&address.digest()).unwrap();
        assert!(!text.contains(address.expose()));
        let read: AddressDigest = serde_json::from_str(&text).unwrap();
        assert_eq!(read, AddressDigest::of(address.expose()));
        assert!(serde_json::from_str::<AddressDigest>("\"AAAA\"").is_err());
    }
}
