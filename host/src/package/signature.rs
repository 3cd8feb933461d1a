//! Signatures of packages: Ed25519 (RFC 8032) over the digests of manifest and
//! component, in a file beside them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Package, PackageError};

/// The signature's file in a package's directory.
pub const SIGNATURE_FILE: &str = "package.sig";

/// What the bytes that are signed begin with, so that no signature of something else
/// passes for one of a package.
const CONTEXT: &[u8] = b"lockgate package 1\n";

const KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// How public keys begin as text.
const PREFIX: &str = "ed25519:";

/// Who may sign, as others know them: `ed25519:` and 32 bytes in base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text that is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key is `{PREFIX}` and 32 bytes in base64")]
pub struct BadPublicKey;

impl FromStr for PublicKey {
    type Err = BadPublicKey;

    fn from_str(text: &str) -> Result<Self, BadPublicKey> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(BadPublicKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| BadPublicKey)?;
        bytes.try_into().map(Self).map_err(|_| BadPublicKey)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A key that signs packages. Its secret half shows nowhere.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

/// Bytes that are no signing key, or a machine without randomness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signing key: {0}")]
pub struct BadSigningKey(String);

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub fn generate() -> Result<Self, BadSigningKey> {
        let random = ring::rand::SystemRandom::new();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random)
            .map_err(|_| BadSigningKey("there are no random bytes".to_owned()))?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// A key that was kept, in PKCS#8 version 2 (RFC 5958).
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, BadSigningKey> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8);
        Ok(Self {
            pair: pair.map_err(|error| BadSigningKey(error.to_string()))?,
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
        })
    }

    /// The key as it is kept. Secret.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// Its public half, for those who are to trust it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; KEY_BYTES];
        // Both have 32 bytes.
        key.iter_mut()
            .zip(self.pair.public_key().as_ref())
            .for_each(|(to, from)| *to = *from);
        PublicKey(key)
    }

    /// Signs a package as it is: its manifest with name, version, grants and limits, and
    /// its component.
    #[must_use]
    pub fn sign(&self, package: &Package) -> Signature {
        let signed = self.pair.sign(&message(package));
        let mut signature = [0; SIGNATURE_BYTES];
        // Both have 64 bytes.
        signature
            .iter_mut()
            .zip(signed.as_ref())
            .for_each(|(to, from)| *to = *from);
        Signature {
            key: self.public(),
            signature,
        }
    }
}

/// A signature of a package, as it lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    key: PublicKey,
    /// Bytes, since a text could be written in many ways.
    #[serde(with = "encoded")]
    signature: [u8; SIGNATURE_BYTES],
}

/// The bytes of a signature as text: base64.
mod encoded {
    use base64::Engine as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use super::{SIGNATURE_BYTES, STANDARD};

    pub(super) fn serialize<S: Serializer>(
        signature: &[u8; SIGNATURE_BYTES],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(signature))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; SIGNATURE_BYTES], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| de::Error::custom("a signature is 64 bytes in base64"))
    }
}

impl Signature {
    /// Whose it claims to be.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The contents of a file [`SIGNATURE_FILE`].
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "key = \"{}\"\nsignature = \"{}\"\n",
            self.key,
            STANDARD.encode(self.signature)
        )
    }

    /// Whether its key has signed this package.
    #[must_use]
    pub fn is_of(&self, package: &Package) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.key.0);
        key.verify(&message(package), &self.signature).is_ok()
    }
}

/// From the contents of a file [`SIGNATURE_FILE`].
impl FromStr for Signature {
    type Err = PackageError;

    fn from_str(text: &str) -> Result<Self, PackageError> {
        let parsed = toml::from_str(text);
        parsed.map_err(|error| PackageError::Signature(error.message().to_owned()))
    }
}

/// The bytes that are signed.
fn message(package: &Package) -> Vec<u8> {
    let manifest = Sha256::digest(package.manifest_text());
    [CONTEXT, manifest.as_ref(), package.digest_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(version: &str, component: &'static [u8]) -> Package {
        let manifest = format!(
            "[package]\nname = 'scorer'\nversion = '{version}'\nworld = 'transform'\n\
             contract = '0.2.0'\n"
        );
        Package::from_parts(&manifest, component).unwrap()
    }

    /// Always the same: 32 bytes of a seed, in PKCS#8.
    fn key() -> SigningKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        SigningKey {
            pair,
            pkcs8: Zeroizing::default(),
        }
    }

    proptest! {
        #[test]
        fn a_signature_in_which_anything_differs_is_of_no_package(
            at in any::<prop::sample::Index>(), gone in 0..4usize, piece in "[A-Za-z0-9+/=\"\n ]{0,3}",
        ) {
            let package = package("1.0.0", b"a");
            let signed = key().sign(&package);
            prop_assert!(signed.is_of(&package));
            let mut text = signed.to_text();
            let start = at.index(text.len());
            let end = (start + gone).min(text.len());
            text.replace_range(start..end, &piece);
            match text.parse::<Signature>() {
                // Only what stands beside key and signature was touched.
                Ok(read) if read == signed => {}
                Ok(read) => prop_assert!(!read.is_of(&package), "{}", text),
                Err(reason) => prop_assert!(!reason.to_string().is_empty()),
            }
        }

        #[test]
        fn noise_is_no_signature(text in ".{0,200}") {
            prop_assert!(text.parse::<Signature>().is_err());
        }
    }
}
